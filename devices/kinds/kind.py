"""What a kind of device is: what to ask it, and how to read what it says."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from ..question import Answer, Question


class Concern(NamedTuple):
    """Something that may spoil timings, or has spoilt them.

    Attributes:
        text: one sentence: what there is, and what to do.
        now: whether it spoils them now, so that waiting for its end makes sense; otherwise it
            stands until somebody changes it, or is over.
    """

    text: str
    now: bool = True


class Part(Protocol):
    """What one kind of device says of how it is, besides what every Linux does."""

    @property
    def concerns(self) -> tuple[Concern, ...]:
        """What may spoil timings."""

    @property
    def of_gpu(self) -> bool:
        """Whether it concerns nobody but those who measure on a GPU."""


@dataclass(frozen=True, slots=True)
class Reading:
    """How a device is, as its kind sees it.

    Attributes:
        parts: what is special to the kind.
        temperature_c: of its processor, where the kernel shows nobody its sensors.
        frequency_mhz: of its cores, where the kernel's own figure is wrong.
    """

    parts: tuple[Part, ...] = ()
    temperature_c: float | None = None
    frequency_mhz: int | None = None


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of device.

    Attributes:
        name: such as ``android``.
        about: what to ask for facts.
        state: what to ask for health.
        facts: reads facts by name; empty where the device is not of this kind.
        reading: reads how it is.
    """

    name: str
    about: Question
    state: Question
    facts: Callable[[Answer], Mapping[str, str]]
    reading: Callable[[Answer], Reading]
