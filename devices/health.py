"""Health: how a device is right now, and whether its timings can be trusted."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from ..tables.cores import cores_text
from .kinds import KINDS, Concern, Part
from .kinds.cpufreq import CoreState, at, core_states, governor_of, names_of, saves_power
from .kinds.linux import STATE, busy_shares, count_cores, load, memory_mb, temperature_c, throttles
from .kinds.quota import read_quota
from .question import Answer, ask

if TYPE_CHECKING:
    from .device import Device

_BUSY_CORES = 0.3
_BUSY_LOAD_PER_CORE = 0.5
_HOT_C = 80.0
_SCARCE_MEMORY_MB = 300


@dataclass(frozen=True, slots=True)
class Health:
    """How a device was at one moment. A value that the kernel does not offer is None.

    Attributes:
        cores: logical ones.
        load: average number of running programs over the last minute.
        memory_available_mb: for new programs, in megabytes (10⁶ bytes).
        frequency_mhz: of the fastest core now.
        governor: of the cores' frequency, or ``unknown``.
        temperature_c: of the hottest sensor.
        busy_cores: how many cores' worth of other programs ran just now.
        throttles: how often its cores were slowed down by heat since it was started.
        saves_power: whether frequencies are kept low on purpose; None to go by the governor.
        states: of its cores one by one, as far as anything is known of them.
        parts: what only devices of its kind say.
    """

    cores: int
    load: float | None
    memory_available_mb: int | None
    frequency_mhz: int | None
    governor: str
    temperature_c: float | None
    busy_cores: float | None = None
    throttles: int | None = None
    saves_power: bool | None = None
    states: tuple[CoreState, ...] = ()
    parts: tuple[Part, ...] = ()

    @property
    def concerns(self) -> tuple[Concern, ...]:
        """What may spoil timings, and what to do."""
        found = []
        if self.busy_cores is not None:
            if self.busy_cores > _BUSY_CORES:
                busy = f"{self.busy_cores:.1f} of {self.cores} cores are busy"
                found.append(f"other programs are running: {busy}; end them, or wait")
        elif self.load is not None and self.load > _BUSY_LOAD_PER_CORE * self.cores:
            load = f"load {self.load:g} on {self.cores} cores"
            found.append(f"other programs are running: {load}; end them, or wait")
        if self.temperature_c is not None and self.temperature_c >= _HOT_C:
            found.append(f"it is hot and may slow down: {self.temperature_c:g} °C; cool it")
        by_governor = self.governor == "powersave"
        if by_governor if self.saves_power is None else self.saves_power:
            found.append(
                f"the governor {self.governor} keeps frequencies low; set performance: "
                "sudo cpupower frequency-set -g performance"
            )
        if self.memory_available_mb is not None and self.memory_available_mb < _SCARCE_MEMORY_MB:
            found.append(f"only {self.memory_available_mb} MB of memory are available; free some")
        concerns = [Concern(text) for text in found]
        concerns += [concern for part in self.parts for concern in part.concerns]
        return (*concerns, *self._caps)

    @property
    def _caps(self) -> tuple[Concern, ...]:
        """Say which cores may not run as fast as they could: by somebody's will, or for heat."""
        capped: dict[str, list[int]] = {}
        for state in self.states:
            if state.capped:
                cap = f"{state.cap_mhz} of {state.top_mhz} MHz"
                capped.setdefault(cap, []).append(state.core)
        if not capped:
            return ()
        shown = ", ".join(f"cores {cores_text(cores)} at {cap}" for cap, cores in capped.items())
        text = (
            f"frequencies are capped: {shown}; lift it if it was not you (scaling_max_freq), and "
            "cool the device if it does that for heat"
        )
        return (Concern(text, now=False),)

    @property
    def warnings(self) -> tuple[str, ...]:
        """What may spoil timings, now or not, one sentence each."""
        return tuple(concern.text for concern in self.concerns)

    @property
    def disturbances(self) -> tuple[str, ...]:
        """Those of the warnings that hold now and may pass, so that it makes sense to wait."""
        return tuple(concern.text for concern in self.concerns if concern.now)

    @property
    def verdict(self) -> str:
        """``quiet`` when nothing speaks against timing now, otherwise ``disturbed``."""
        return "disturbed" if self.disturbances else "quiet"

    def seen_from(self, cores: Collection[int], *, gpu: bool) -> Health:
        """Return how the device is for one who uses some of its cores, or its GPU, alone.

        Args:
            cores: that are used; none for those that the system chooses.
            gpu: whether its GPU is.
        """
        parts = tuple(part for part in self.parts if gpu or not part.of_gpu)
        states = tuple(state for state in self.states if state.core in cores)
        if not cores:
            return replace(self, parts=parts)
        frequencies = [state.frequency_mhz for state in states if state.frequency_mhz is not None]
        busy = [state.busy for state in states if state.busy is not None]
        return replace(
            self,
            cores=len(cores),
            load=None,  # of all cores
            frequency_mhz=max(frequencies, default=None),
            governor=names_of(state.governor for state in states),
            busy_cores=sum(busy) if busy else None,
            states=states,
            parts=parts,
        )


def read_health(device: Device) -> Health:
    """Watch a device for half a second, in one round trip; DeviceError when it does not answer."""
    return parse_health(ask(device, STATE, *(kind.state for kind in KINDS)))


def parse_health(answer: Answer) -> Health:
    """Judge what a device said; what makes no sense is None."""
    cores = count_cores(answer)
    shares = busy_shares(answer)
    states = core_states(
        answer, {core: share for core, share in shares.items() if core is not None}
    )
    readings = [kind.reading(answer) for kind in KINDS]
    quota = read_quota(answer, cores)
    frequency_mhz = max((state.frequency_mhz or 0 for state in states), default=0)
    for reading in readings:
        if reading.frequency_mhz:
            frequency_mhz, states = reading.frequency_mhz, at(states, reading.frequency_mhz)
    temperatures = [temperature_c(answer), *(reading.temperature_c for reading in readings)]
    return Health(
        cores=cores,
        load=load(answer),
        memory_available_mb=memory_mb(answer, "MemAvailable"),
        frequency_mhz=frequency_mhz or None,
        governor=governor_of(answer),
        temperature_c=max((one for one in temperatures if one is not None), default=None),
        busy_cores=cores * shares[None] if None in shares else None,
        throttles=throttles(answer),
        saves_power=saves_power(answer),
        states=states,
        parts=(*((quota,) if quota else ()), *(part for one in readings for part in one.parts)),
    )
