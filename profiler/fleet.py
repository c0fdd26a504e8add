"""Fleets: many devices at once, of which none holds up the others."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from queue import Empty, SimpleQueue
from threading import Thread
from typing import Generic, TypeVar

from ..devices.stoppable import Stop
from ..tables.errors import DeviceTimeoutError, SartorError, StoppedError

Result = TypeVar("Result")

_GLANCE_S = 0.5  # signals are handled between two waits, which they do not end everywhere

FAREWELL_S = 15.0
"""How long devices have to give back what they hold, after all was asked to stop."""


@dataclass(frozen=True, slots=True)
class Outcome(Generic[Result]):
    """What became of the work on one device.

    Attributes:
        device: its name.
        seconds: that it took.
        result: of the work, where it was done.
        error: why it was not.
    """

    device: str
    seconds: float
    result: Result | None = None
    error: BaseException | None = None

    @property
    def failed(self) -> bool:
        """Whether the work was not done."""
        return self.error is not None

    @property
    def why(self) -> str:
        """Why it was not done, in a sentence; empty where it was."""
        if self.error is None or isinstance(self.error, SartorError):
            return str(self.error or "")
        return f"an error in Sartor itself: {type(self.error).__name__}: {self.error}"

    def raise_if_unexpected(self) -> None:
        """Raise what nobody raises on purpose."""
        if self.error is not None and not isinstance(self.error, SartorError):
            raise self.error


Work = Callable[[Stop], Result]
"""Something to be done on a device, by a thread of its own that ends when it is asked to."""


def at_once(
    work: Mapping[str, Work[Result]],
    told: Callable[[Outcome[Result]], None] = lambda _: None,
    *,
    timeout_s: float | None = None,
) -> dict[str, Outcome[Result]]:
    """Do work on many devices, a thread each, and return what became of it, by device.

    An error of one device is its outcome, and nobody else's. Interrupted by Ctrl-C, all are asked
    to stop, and those that do not within ``FAREWELL_S`` are left behind: their threads end with the
    process.

    Args:
        work: by the name of the device.
        told: is called with every outcome, in the order in which they come, by the calling thread.
        timeout_s: after which a device's outcome is that it did not answer; None to wait for all.

    Raises:
        KeyboardInterrupt: the user has interrupted it; ``told`` has had every outcome there is.
    """
    stop, outcomes = Stop(), SimpleQueue[Outcome[Result]]()
    found: dict[str, Outcome[Result]] = {}
    for name, each in work.items():
        Thread(target=_do, args=(name, each, stop, outcomes), name=name, daemon=True).start()

    def gather(patience_s: float | None) -> None:
        deadline = math.inf if patience_s is None else time.monotonic() + patience_s
        while len(found) < len(work):
            left_s = deadline - time.monotonic()
            try:
                outcome = outcomes.get(timeout=min(_GLANCE_S, max(0.0, left_s)))
            except Empty:
                if left_s > 0:
                    continue
                return
            found[outcome.device] = outcome
            told(outcome)

    def leave_behind(error: SartorError, seconds: float) -> None:
        for name in work.keys() - found.keys():
            found[name] = Outcome(name, seconds, error=error)
            told(found[name])

    try:
        gather(timeout_s)
    except KeyboardInterrupt:
        stop.ask()
        gather(FAREWELL_S)
        leave_behind(
            StoppedError("it did not end in time and was left behind; the same command goes on"),
            FAREWELL_S,
        )
        raise
    stop.ask()
    if timeout_s is not None:
        error = DeviceTimeoutError(f"it did not answer within {timeout_s:g} s; try again later")
        leave_behind(error, timeout_s)
    return {name: found[name] for name in work}


def _do(name: str, work: Work[Result], stop: Stop, outcomes: SimpleQueue[Outcome[Result]]) -> None:
    started = time.monotonic()
    outcome: Outcome[Result] = Outcome(name, 0.0)
    try:
        outcome = replace(outcome, result=work(stop))
    except BaseException as error:  # noqa: BLE001 (whatever it is, it is this device's alone)
        outcome = replace(outcome, error=error)
    outcomes.put(replace(outcome, seconds=time.monotonic() - started))
