"""Google's benchmark_model as a runner: for devices that have no Python, phones above all."""

from .flags import Schedule, Tool, read_help
from .outcome import Latencies, OperatorLatency, Outcome
from .printed import read_operators, read_printed
from .protos import Delegation, read_delegations, read_profile, read_result

__all__ = [
    "Delegation",
    "Latencies",
    "OperatorLatency",
    "Outcome",
    "Schedule",
    "Tool",
    "read_delegations",
    "read_help",
    "read_operators",
    "read_printed",
    "read_profile",
    "read_result",
]
