"""Cuts models that are not ours into pieces that can be timed one by one."""

from .model_file import ModelFile, read_model
from .pieces import Piece, Tensor, distinct

__all__ = ["ModelFile", "Piece", "Tensor", "distinct", "read_model"]
