"""Checks of published latencies: what a file says of itself by its numbers alone.

A mean of many samples has sixteen digits, and no two devices agree in all of them. So rows that are
equal to the last bit were copied, unless they were rounded to few digits.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass

from ..operator import Operator
from ..quotation import Quotation
from ..subject import Network, Subject
from .finding import Finding

_DIGITS = 7
"""Significant decimal digits from which on equal numbers are no coincidence."""

_UNSTEADY, _ABSURD = 0.25, 1.0
"""Standard deviation over mean: worth a note, and worth a warning."""

IMAGES_MS = (0.1, 10_000.0)
"""What one image takes in any network of these formats, on any device that has been published."""

SENTENCES_MS = (0.1, 100_000.0)
"""What one sentence takes in half a Transformer; a Raspberry Pi does need ten seconds."""

Named = Callable[[Subject], str]
"""Gives a subject the name that it has in the file."""

Quotations = Mapping[Subject, Quotation]


@dataclass(frozen=True, slots=True)
class Other:
    """A table that is there already.

    Attributes:
        name: of the table.
        device: on which it was measured.
        quotations: its published latencies.
    """

    name: str
    device: str
    quotations: Quotations


def check_emptiness(quotations: Quotations) -> list[Finding]:
    """Find out whether there is anything at all."""
    return [] if quotations else [Finding("error", "rows", "not one row could be read")]


def check_repeats(quotations: Quotations, named: Named) -> list[Finding]:
    """Find rows that are equal to the last digit in all that was published of them."""
    by_value: defaultdict[Quotation, list[str]] = defaultdict(list)
    for subject, quotation in quotations.items():
        by_value[quotation].append(named(subject))
    repeated = [
        key
        for quotation, keys in by_value.items()
        if len(keys) > 1 and _is_fine(quotation.median_ms)
        for key in keys
    ]
    return Finding.about("warning", "repeats", repeated, "{n} with the same values as another")


def check_contamination(
    quotations: Quotations, others: Iterable[Other], device: str, named: Named
) -> list[Finding]:
    """Find rows whose latency and deviation stand, equal to the last digit, in another table.

    Args:
        quotations: of the new table.
        others: tables that are there already.
        device: of the new table; the same rows of the same device are only told.
        named: names rows as the file does.
    """
    findings = []
    for other in others:
        theirs: defaultdict[float, set[float | None]] = defaultdict(set)
        for quotation in other.quotations.values():
            theirs[quotation.median_ms].add(quotation.deviation_ms)
        shared = [
            named(subject)
            for subject, quotation in quotations.items()
            if _agrees(quotation.deviation_ms, theirs.get(quotation.median_ms, set()))
            and _is_fine(quotation.median_ms)
        ]
        findings += Finding.about(
            "note" if other.device == device else "warning",
            "contamination",
            shared,
            f"{{n}} of {len(quotations)} bit-identical to rows of table {other.name!r} "
            f"of device {other.device!r}",
        )
    return findings


def check_deviations(quotations: Quotations, named: Named) -> list[Finding]:
    """Find latencies that were timed too unsteadily, or not at all."""
    still: list[str] = []
    unsteady: dict[str, str] = {}
    absurd: dict[str, str] = {}
    for subject, quotation in quotations.items():
        deviation_ms = quotation.deviation_ms
        if deviation_ms is None:
            continue
        share = deviation_ms / quotation.median_ms
        if deviation_ms == 0 and quotation.count != 1:
            still.append(named(subject))
        elif share > _UNSTEADY:
            (absurd if share > _ABSURD else unsteady)[named(subject)] = f"{share:.0%}"
    return [
        *Finding.about("warning", "deviations", still, "{n} without any deviation"),
        *Finding.about("warning", "deviations", absurd, "{n} with a deviation above the mean"),
        *Finding.about(
            "note", "deviations", unsteady, f"{{n}} with a deviation above {_UNSTEADY:.0%}"
        ),
    ]


def check_completeness(
    quotations: Quotations, needed: Collection[Operator], named: Named
) -> list[Finding]:
    """Find rows that the search space of a table needs, and that it does not have."""
    missing = sorted(named(operator) for operator in needed if operator not in quotations)
    return Finding.about("warning", "missing", missing, "{n} that the search space needs not there")


def check_units(
    quotations: Quotations, networks: Iterable[Network], plausible_ms: tuple[float, float]
) -> list[Finding]:
    """Find out whether whole networks would take a plausible time, were the table in milliseconds.

    Args:
        quotations: of the table.
        networks: to judge by, such as the smallest and the largest of a search space. One that was
            published as a whole is known by itself, any other by the sum of its operators, and not
            at all where one of them is missing.
        plausible_ms: the least and the most.
    """
    low, high = plausible_ms
    odd = {
        network.name: f"{latency_ms:.3g} ms"
        for network in networks
        if (latency_ms := _whole_ms(quotations, network)) is not None
        and not low <= latency_ms <= high
    }
    sentence = f"{{n}} outside {low:g}–{high:g} ms for a whole network, so these are hardly ms"
    return Finding.about("warning", "units", odd, sentence)


def _agrees(deviation_ms: float | None, theirs: set[float | None]) -> bool:
    """Whether a deviation is one of theirs, as far as both sides published it."""
    return bool(theirs) and (deviation_ms is None or not theirs.isdisjoint({deviation_ms, None}))


def _whole_ms(quotations: Quotations, network: Network) -> float | None:
    if network in quotations:
        return quotations[network].median_ms
    parts = [quotations.get(operator) for operator in network.operators]
    found = [part.median_ms for part in parts if part is not None]
    return sum(found) if found and len(found) == len(parts) else None


def _is_fine(latency_ms: float) -> bool:
    """Whether a number has so many digits that it cannot turn up twice."""
    return len(repr(latency_ms).partition("e")[0].replace(".", "").strip("0")) >= _DIGITS
