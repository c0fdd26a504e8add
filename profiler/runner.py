"""Runners: what runs models on a device, behind one interface."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from types import TracebackType
from typing import Protocol

from ..devices.device import Device
from .messages import Hello, MeasureJob, Refusal, Timing
from .packs import Model
from .runtimes import Runtime
from .vitals import Vitals


class Runner(Protocol):
    """One process, or one tool, on a device; a context manager that starts it and ends it."""

    hello: Hello
    busy_ms: float
    vitals: Vitals

    def __enter__(self) -> Runner:
        """Start it."""

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """End it, and leave nothing of it behind."""

    def place(self, models: Sequence[Model]) -> tuple[str, ...]:
        """Put models on the device; return the names by which jobs refer to them.

        That may be done while it starts.
        """

    def measure(self, jobs: Iterable[MeasureJob]) -> Iterator[tuple[Timing | Refusal, ...]]:
        """Time models; answers come in the order of the jobs, one for each model of a job."""


def make_runner(
    device: Device,
    runtime: Runtime,
    threads: int = 1,
    options: str = "",
    cores: Sequence[int] = (),
) -> Runner:
    """Return what runs a runtime's models on a device: our agent, or a tool of others.

    Args:
        device: to run on.
        runtime: to run models with.
        threads: that it may use.
        options: of the runtime, as a condition writes them.
        cores: to pin it to; none to leave the choice to the system.
    """
    if runtime.native:
        from .benchmark_model.session import BenchmarkSession

        return BenchmarkSession(device, runtime, threads, options, cores)
    from .session import AgentSession

    return AgentSession(device, runtime, threads, options, cores)
