"""Devices that something happens to, at a step that a test chooses."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import TypeVar

from sartor.devices import Completed, LocalDevice
from sartor.devices.device import Stream
from sartor.tables.errors import ConnectionLostError

Result = TypeVar("Result")


class CutDevice(LocalDevice):
    """This machine behind a connection that breaks once, at one of the steps taken over it.

    Args:
        root: for its files.
        python: that runs agents there.
        breaks_at: the number of the step, the first being 1.
        done_first: whether the device had done it, and only its answer was lost.

    Attributes:
        steps: that were begun so far.
        pushed: names of all files that arrived.
    """

    def __init__(
        self, root: Path, python: str = "", breaks_at: int = 0, *, done_first: bool = False
    ) -> None:
        super().__init__(root, python)
        self.breaks_at, self.done_first = breaks_at, done_first
        self.steps = 0
        self.pushed: list[str] = []

    def run(self, argv: Sequence[str], timeout_s: float) -> Completed:
        return self._step(lambda: LocalDevice.run(self, argv, timeout_s))

    def push(self, local: Path, remote: PurePosixPath) -> None:
        self._step(lambda: LocalDevice.push(self, local, remote))
        self.pushed.append(remote.name)

    def open_stream(self, argv: Sequence[str], environment: Mapping[str, str]) -> Stream:
        return self._step(lambda: LocalDevice.open_stream(self, argv, environment))

    def _step(self, do: Callable[[], Result]) -> Result:
        self.steps += 1
        breaks = self.steps == self.breaks_at
        if breaks and not self.done_first:
            raise ConnectionLostError("the connection to local broke")
        result = do()
        if breaks:
            close = getattr(result, "close", None)
            if close:
                close()
            raise ConnectionLostError("the connection to local broke")
        return result
