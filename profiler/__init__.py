"""Measures operators and networks on a device, and writes the models to do it with."""

from .collect import collect
from .identity import identify
from .messages import Hello, MeasureJob, Refusal, Timing
from .plan import Coverage, Plan, coverage, make_plan
from .progress import CollectionReport, Progress
from .runtimes import RUNTIMES, Runtime, find_runtime
from .session import AgentSession

__all__ = [
    "RUNTIMES",
    "AgentSession",
    "CollectionReport",
    "Coverage",
    "Hello",
    "MeasureJob",
    "Plan",
    "Progress",
    "Refusal",
    "Runtime",
    "Timing",
    "collect",
    "coverage",
    "find_runtime",
    "identify",
    "make_plan",
]
