"""Check-ups: can a device be reached, is it well, what runs there, and what mends the rest."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..tables.errors import DeviceError
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
        runtimes: (name, version) of each that runs there.
        advice: what is missing, each with the command that mends it.
    """

    device: str
    answer_s: float
    facts: DeviceFacts
    health: Health
    runtimes: tuple[tuple[str, str], ...]
    advice: tuple[str, ...]

    @property
    def ready(self) -> bool:
        """Whether something can be measured there."""
        return bool(self.runtimes)


def check(device: Device) -> Checkup:
    """See how a device is.

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
    runtimes = _runtimes(facts)
    advice = []
    if not runtimes:
        advice.append(
            f"nothing can be measured there, for it has no runtime; put one there with: "
            f"sartor devices prepare {device.name} --runtime litert"
        )
    return Checkup(device.name, answer_s, facts, health, runtimes, tuple(advice))


def _runtimes(facts: DeviceFacts) -> tuple[tuple[str, str], ...]:
    """Find the runtimes that agents have there, by the device's own Python."""
    installed = dict(facts.distributions)
    found = {
        name: f"{distribution} {installed[distribution]}"
        for name, runtime in RUNTIMES.items()
        for distribution in runtime.distributions
        if distribution in installed and "numpy" in installed
    }
    return tuple(sorted(found.items()))
