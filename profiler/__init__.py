"""Measures operators and networks on a device, and writes the models to do it with."""

from .checkup import Checkup, check
from .cleaning import Cleaned, clean
from .collect import collect
from .dissect import ModelFile, Piece, read_model
from .fleet import Outcome, at_once
from .identity import identified
from .messages import Hello, MeasureJob, Refusal, Timing
from .model_profile import KindLatency, ModelProfile, PieceLatency
from .plan import Coverage, Plan, coverage, make_plan
from .progress import CollectionReport, Progress
from .runtimes import RUNTIMES, Runtime, find_runtime
from .session import AgentSession
from .whole import measure_model
from .written import WrittenModels

__all__ = [
    "RUNTIMES",
    "AgentSession",
    "Checkup",
    "Cleaned",
    "CollectionReport",
    "Coverage",
    "Hello",
    "KindLatency",
    "MeasureJob",
    "ModelFile",
    "ModelProfile",
    "Outcome",
    "Piece",
    "PieceLatency",
    "Plan",
    "Progress",
    "Refusal",
    "Runtime",
    "Timing",
    "WrittenModels",
    "at_once",
    "check",
    "clean",
    "collect",
    "coverage",
    "find_runtime",
    "identified",
    "make_plan",
    "measure_model",
    "read_model",
]
