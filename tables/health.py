"""Health: how a device was while a batch of a table's subjects was measured."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any

from .errors import FormatError


@dataclass(frozen=True, slots=True)
class BatchHealth:
    """How a device was during one batch. What its kernel does not tell is None, or empty.

    Attributes:
        pass_index: the pass that the batch belongs to (0, 1, …).
        seconds: that it took, with the window of the reference model before it.
        started_at: when it began: UTC, ISO 8601, by the host's clock.
        warnings: what spoke against measuring; the batch was measured all the same.
        busy_cores: how many cores' worth of other programs ran.
        load: average number of running programs over a minute, at its end.
        memory_available_mb: for new programs, in megabytes (10⁶ bytes), at its end.
        frequency_mhz: of the fastest core, at its end.
        temperature_c: of the hottest sensor, at its end.
        throttles: how often cores were slowed down by heat during it.
        governor: of the cores' frequency.
    """

    pass_index: int
    seconds: float
    started_at: str = ""
    warnings: tuple[str, ...] = ()
    busy_cores: float | None = None
    load: float | None = None
    memory_available_mb: int | None = None
    frequency_mhz: int | None = None
    temperature_c: float | None = None
    throttles: int | None = None
    governor: str = ""

    def to_dict(self) -> dict[str, object]:
        """Return what is known as values that JSON can hold."""
        known = {name: value for name, value in asdict(self).items() if value not in (None, "", ())}
        return known | ({"warnings": list(self.warnings)} if self.warnings else {})

    @classmethod
    def from_dict(cls, values: Any) -> BatchHealth:  # noqa: ANN401 (anything that JSON can hold)
        """Read back what ``to_dict`` wrote; FormatError if it makes no sense."""
        read = {field.name: _READ[str(field.type)] for field in fields(cls)}
        try:
            return cls(**{name: read[name](value) for name, value in dict(values).items()})
        except (KeyError, TypeError, ValueError) as error:
            raise FormatError(f"{str(values)[:200]} tells nobody's health: {error!r}") from error

    def to_json(self) -> str:
        """Return ``to_dict`` as one line."""
        return json.dumps(self.to_dict(), ensure_ascii=False)

    @classmethod
    def from_json(cls, text: str) -> BatchHealth:
        """Read back what ``to_json`` wrote; FormatError if it makes no sense."""
        try:
            return cls.from_dict(json.loads(text))
        except ValueError as error:
            raise FormatError(f"{text[:200]!r} is no JSON") from error


def summary(healths: Sequence[BatchHealth]) -> str:
    """Say in words how a device was, such as ``2 of 84 batches disturbed, 1500 MHz, 41–63 °C``."""
    if not healths:
        return "nobody has watched"
    disturbed = sum(bool(health.warnings) for health in healths)
    words = [f"{disturbed or 'none'} of {len(healths)} batches disturbed"]
    for unit, values in (
        ("MHz", [health.frequency_mhz for health in healths]),
        ("°C", [health.temperature_c for health in healths]),
    ):
        if known := [value for value in values if value is not None]:
            ends = dict.fromkeys((f"{min(known):.0f}", f"{max(known):.0f}"))
            words.append(f"{'–'.join(ends)} {unit}")
    return ", ".join(words)


def _texts(values: Any) -> tuple[str, ...]:  # noqa: ANN401
    return tuple(map(str, values))


_READ: Mapping[str, Callable[[Any], Any]] = {
    "int": int,
    "str": str,
    "float": float,
    "int | None": int,
    "float | None": float,
    "tuple[str, ...]": _texts,
}
"""By the type of a field: what reads it."""
