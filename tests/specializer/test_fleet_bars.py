from __future__ import annotations

import io

from rich.console import Console
from rich.progress import Progress as Bars

from sartor.profiler import Progress
from sartor.specializer.cli.fleet_bars import FleetBars

from ..profiler.collect_child import OPERATORS

NAMES = [f"dev{number}" for number in range(6)]


def done(windows: int) -> Progress:
    return Progress(windows, 10, 0, 0, OPERATORS[0], 1.0)


def visible(bars: Bars) -> list[str]:
    return [task.description for task in bars.tasks if task.visible]


def test_bars_that_do_not_fit_take_the_place_of_those_that_ended() -> None:
    with Bars(console=Console(file=io.StringIO(), force_terminal=True, width=80)) as bars:
        fleet = FleetBars(bars, NAMES, windows=10, lines=7)
        assert visible(bars) == ["devices done", "profile dev0", "profile dev1", "profile dev2"]
        fleet.show("dev1", done(4))
        fleet.end("dev1", failed=True)
        fleet.end("dev0", failed=False)
        assert visible(bars) == ["devices done", "profile dev2", "profile dev3", "profile dev4"]
        for name in ("dev2", "dev3", "dev4", "dev5"):
            fleet.show(name, done(10))
            fleet.end(name, failed=False)
        assert "done dev5" in visible(bars)
        tasks = {task.description: task for task in bars.tasks}
        assert (tasks["devices done"].completed, tasks["devices done"].total) == (6, 6)
        assert tasks["failed dev1"].completed == 4
        fleet.close()


def test_all_bars_are_there_where_they_fit() -> None:
    with Bars(console=Console(file=io.StringIO(), force_terminal=True, width=80)) as bars:
        fleet = FleetBars(bars, NAMES, windows=10, lines=40)
        fleet.end("dev0", failed=False)
        assert len(visible(bars)) == 7
