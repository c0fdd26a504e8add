"""Multiply-adds and parameters of all of a supernet's networks: exact sums over their operators."""

from __future__ import annotations

from math import prod

from ...tables.kinds import kind_of, multiply_adds
from ...tables.operator import Operator
from ..cost import CostTensor, compile_cost
from ..supernets.supernet import Supernet


def compile_multiply_adds(supernet: Supernet) -> CostTensor:
    """Count the multiply-adds of one sample, of every network.

    Every number is whole and below 2⁵³, so the sums are exact.
    """
    return compile_cost(supernet, multiply_adds)


def compile_parameters(supernet: Supernet) -> CostTensor:
    """Count the weights of every network as it is deployed, BatchNorm folded; exact as above."""
    return compile_cost(supernet, operator_parameters)


def operator_parameters(operator: Operator) -> int:
    """Count an operator's weights, biases included."""
    return sum(prod(shape) for shape in kind_of(operator).weights(operator).values())
