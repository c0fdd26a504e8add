"""Progress bars of a fleet: one for each device, as far as they fit on the terminal."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from threading import Lock
from typing import TYPE_CHECKING

from .output import progress_bar

if TYPE_CHECKING:
    from rich.progress import Progress as Bars
    from rich.progress import TaskID

    from ...profiler import Progress

_ROOM = 4
"""Lines of the terminal that are left to what else is said."""


class FleetBars:
    """Shows how far each device is; those that have ended make room for others.

    Args:
        bars: to draw with.
        names: of the devices.
        windows: that each of them is to take, as far as is known.
        lines: that there are to draw on.
    """

    def __init__(self, bars: Bars, names: Sequence[str], windows: int, lines: int) -> None:
        self._bars, self._lock = bars, Lock()
        self._all = bars.add_task("devices done", total=len(names)) if len(names) > 1 else None
        self._tasks: dict[str, TaskID] = {}
        self._hidden: list[str] = []
        for number, name in enumerate(names):
            fits = number < max(1, lines - _ROOM)
            self._tasks[name] = bars.add_task(f"profile {name}", total=windows, visible=fits)
            if not fits:
                self._hidden.append(name)

    def show(self, name: str, done: Progress) -> None:
        """Show how far a device is; called by the device's own thread."""
        self._bars.update(
            self._tasks[name], completed=done.windows + done.failures, total=done.of_windows
        )

    def end(self, name: str, *, failed: bool) -> None:
        """Say that a device has ended."""
        with self._lock:
            verdict = "failed" if failed else "done"
            self._bars.update(self._tasks[name], description=f"{verdict} {name}")
            self._bars.stop_task(self._tasks[name])
            if self._all is not None:
                self._bars.advance(self._all)
            if self._hidden:
                self._bars.update(self._tasks[name], visible=False)
                self._bars.update(self._tasks[self._hidden.pop(0)], visible=True)

    def close(self) -> None:
        """Leave the bars as they are, to print something else."""
        self._bars.stop()


@contextmanager
def fleet_bars(names: Sequence[str], windows: int) -> Iterator[FleetBars]:
    """Show progress on standard error, where that is a terminal; see ``FleetBars``."""
    with progress_bar() as bars:
        yield FleetBars(bars, names, windows, bars.console.height)
