"""What a collection says while it runs, and when it is over."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ..devices.health import Health
from ..tables.subject import Subject


@dataclass(frozen=True, slots=True)
class Progress:
    """Where a collection stands.

    Attributes:
        windows: that the table holds of the plan, those of earlier runs included.
        of_windows: that the plan has, and the further passes that have begun.
        failures: subjects given up in this run.
        pass_index: the pass under way (0, 1, …).
        subject: measured or given up just now.
        eta_s: seconds that the rest is likely to take.
    """

    windows: int
    of_windows: int
    failures: int
    pass_index: int
    subject: Subject
    eta_s: float


@dataclass(frozen=True, slots=True)
class CollectionReport:
    """What a collection did.

    Attributes:
        table: the name of the table.
        measured: windows added.
        resumed: windows of the plan that were there before.
        failures: why subjects were given up.
        unsteady: subjects whose latency is not known to within the target after all passes.
        agent_deaths: how often an agent had to be started again.
        disturbed: batches that were measured again, because the device was disturbed meanwhile.
        seconds: that it took.
        busy_share: share of that time in which the device was at work on models, 0–1.
        health_before: of the device.
        health_after: of the device.
    """

    table: str
    measured: int
    resumed: int
    failures: Mapping[Subject, str]
    unsteady: tuple[Subject, ...]
    agent_deaths: int
    disturbed: int
    seconds: float
    busy_share: float
    health_before: Health
    health_after: Health
