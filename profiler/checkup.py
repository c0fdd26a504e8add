"""Check-ups: can a device be reached, is it well, what runs there, and what mends the rest."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..tables.errors import DeviceError
from .provision import Standing, runtime_standings
from .runtimes import RUNTIMES

if TYPE_CHECKING:
    from ..devices.device import Device
    from ..devices.facts import DeviceFacts
    from ..devices.health import Health

_TIMEOUT_S = 30.0


@dataclass(frozen=True, slots=True)
class Checkup:
    """How a device was found.

    Attributes:
        device: its name.
        answer_s: how long it took to answer, connecting included.
        facts: what it is.
        health: how it is.
        standings: how it stands with the runtimes that were asked about.
    """

    device: str
    answer_s: float
    facts: DeviceFacts
    health: Health
    standings: tuple[Standing, ...]

    @property
    def ready(self) -> bool:
        """Whether something can be measured there."""
        return any(each.ready for each in self.standings)

    @property
    def advice(self) -> tuple[str, ...]:
        """What is wrong, and what mends it, a sentence each.

        A runtime that is missing is worth a sentence only where there is no other.
        """
        found = list(self.health.warnings)
        for each in self.standings:
            if each.state == "broken" or (each.ready and each.why):
                found.append(_sentence(each))
            elif not self.ready:
                found.append(f"{each.runtime} is {_sentence(each)}")
        return tuple(found)


def check(device: Device, runtimes: Sequence[str] = tuple(RUNTIMES)) -> Checkup:
    """See how a device is.

    Args:
        device: to be seen.
        runtimes: to ask about.

    Raises:
        DeviceError: it cannot be reached, or does not answer; says what to do.
    """
    started = time.monotonic()
    done = device.run(["true"], _TIMEOUT_S)
    answer_s = time.monotonic() - started
    if done.exit_code:
        raise DeviceError(
            f"{device.name} cannot even run `true`: {done.stderr.strip()}; look after it by hand"
        )
    facts, health = device.facts(), device.health()
    return Checkup(device.name, answer_s, facts, health, runtime_standings(device, runtimes))


def _sentence(standing: Standing) -> str:
    called = standing.version if standing.ready else standing.state
    why = f": {standing.why}" if standing.why else ""
    remedy = f"; {standing.command}" if standing.command else ""
    return f"{called}{why}{remedy}"
