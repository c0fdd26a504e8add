"""The flags of benchmark_model: which a tool knows, and what a run is to be told.

A tool ignores a flag that it does not know, with a warning. So it is asked first what it knows, and
is told nothing else.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from ...tables.errors import FormatError, ModelFileError

_FLAG = re.compile(r"^\s*--([a-z0-9_]{1,80})=", re.MULTILINE)
_MOST_FLAGS = 1000

_NEEDED = (
    *("graph", "num_threads", "num_runs", "min_secs", "max_secs"),
    *("warmup_runs", "warmup_min_secs"),
)
TFLITE, LITERT = "TensorFlow Lite", "LiteRT"
"""Whose tool it is: two have the same name, and most flags in common."""

DELEGATES = ("cpu", "gpu")


@dataclass(frozen=True, slots=True)
class Schedule:
    """How long a model is to be run.

    Attributes:
        runs: at least so many inferences that count,
        seconds: and for at least so long.
        warmup_runs: at least so many before them,
        warmup_seconds: and for at least so long.
        most_seconds: of either phase, after which no further inference begins.
    """

    runs: int = 50
    seconds: float = 1.0
    warmup_runs: int = 1
    warmup_seconds: float = 0.5
    most_seconds: float = 150.0


@dataclass(frozen=True, slots=True)
class Tool:
    """A benchmark_model, as it describes itself.

    Attributes:
        flags: that it knows.

    Raises:
        ModelFileError: it lacks a flag that every benchmark_model has.
    """

    flags: frozenset[str]

    def __post_init__(self) -> None:
        if missing := [name for name in _NEEDED if name not in self.flags]:
            raise ModelFileError(
                f"this is no benchmark_model: it does not know --{', --'.join(missing)}"
            )

    @property
    def origin(self) -> str:
        """Whose it is: ``TFLITE`` or ``LITERT``."""
        return TFLITE if "enable_op_profiling" in self.flags else LITERT

    def arguments(
        self, graph: str, threads: int, schedule: Schedule, delegate: str = "cpu"
    ) -> list[str]:
        """Return the arguments that time a model.

        Args:
            graph: path of the model.
            threads: that the runtime may use.
            schedule: how long to run it.
            delegate: ``cpu`` for XNNPACK, as LiteRT runs models by default; or ``gpu``.

        Raises:
            FormatError: the tool cannot run models so.
        """
        told = {
            "graph": graph,
            "num_threads": str(threads),
            "num_runs": str(schedule.runs),
            "min_secs": f"{schedule.seconds:g}",
            "max_secs": f"{schedule.most_seconds:g}",
            "warmup_runs": str(schedule.warmup_runs),
            "warmup_min_secs": f"{schedule.warmup_seconds:g}",
        }
        told |= self._delegation(delegate)
        if unknown := told.keys() - self.flags:
            raise FormatError(
                f"this benchmark_model cannot run models by {delegate}: it does not know "
                f"--{', --'.join(sorted(unknown))}"
            )
        return [f"--{name}={value}" for name, value in told.items()]

    def profiling(self, output: str = "", mode: str = "csv") -> list[str]:
        """Return further arguments that make it time every operator.

        Args:
            output: path of a file for the profile; empty to have it printed.
            mode: of the file, ``csv`` or ``proto``. LiteRT's tool only prints.

        Raises:
            FormatError: the tool has no profiler that works like that.
        """
        if self.origin == LITERT:
            told = {"use_profiler": "true"}
            if output:
                raise FormatError("LiteRT's benchmark_model prints its profiles, and no more")
        elif output and "op_profiling_output_file" not in self.flags:
            if mode != "csv":
                raise FormatError(f"this benchmark_model is too old to write profiles as {mode}")
            told = {"enable_op_profiling": "true", "profiling_output_csv_file": output}
        else:
            told = {"enable_op_profiling": "true"}
            if output:
                told |= {"op_profiling_output_mode": mode, "op_profiling_output_file": output}
        if unknown := told.keys() - self.flags:
            raise FormatError(f"this benchmark_model does not know --{', --'.join(unknown)}")
        return [f"--{name}={value}" for name, value in told.items()]

    def _delegation(self, delegate: str) -> dict[str, str]:
        if delegate not in DELEGATES:
            raise FormatError(f"{delegate!r} is none of {', '.join(DELEGATES)}")
        if delegate == "gpu":
            return {"use_gpu": "true"}
        if self.origin == LITERT:
            return {"use_cpu": "true", "use_gpu": "false"}
        return {"use_xnnpack": "true"}


def read_help(text: str) -> Tool:
    """Read what ``benchmark_model --help`` prints; it ends with status 1, as meant.

    Raises:
        ModelFileError: it is no help of a benchmark_model.
    """
    names = _FLAG.findall(text[: 1 << 20])
    return Tool(frozenset(names[:_MOST_FLAGS]))
