"""Merging: two collections of one device under one condition become one table."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace

from .errors import StoreError
from .health import BatchHealth
from .measurement import Window
from .subject import Subject
from .table import LatencyTable


def merge_tables(name: str, tables: Sequence[LatencyTable]) -> LatencyTable:
    """Put the windows of several tables into one, the passes of each behind those before it.

    Each pass is a process of its own, so all of them count. Latencies are corrected to one common
    level anew. The provenance is the first table's.

    Args:
        name: of the new table.
        tables: at least one.

    Raises:
        StoreError: the tables were not measured under the same circumstances, or one of them holds
            estimates.
    """
    first = tables[0]
    windows: defaultdict[Subject, list[Window]] = defaultdict(list)
    failures: dict[Subject, str] = {}
    health: list[BatchHealth] = []
    behind = 0
    for table in tables:
        _check_circumstances(first, table)
        if table.transfer is not None:
            raise StoreError(
                f"{table.name!r} holds estimates from tables of other devices, and only "
                "measurements can be merged; make one with more networks: sartor profile "
                "--transfer-from"
            )
        for subject, found in table.windows.items():
            windows[subject] += [replace(one, pass_index=one.pass_index + behind) for one in found]
        failures |= table.failures
        health += [replace(one, pass_index=one.pass_index + behind) for one in table.health]
        behind += 1 + max((one.pass_index for w in table.windows.values() for one in w), default=-1)
    left = {subject: why for subject, why in failures.items() if subject not in windows}
    return LatencyTable.from_windows(name, first.provenance, windows, left, health=tuple(health))


def _check_circumstances(first: LatencyTable, other: LatencyTable) -> None:
    wanted = first.provenance.identity
    for what, value in other.provenance.identity.items():
        if wanted[what] != value:
            raise StoreError(
                f"{other.name!r} was measured with {what} {value!r}, {first.name!r} with "
                f"{wanted[what]!r}: they do not mix; compare them with "
                f"sartor tables diff {first.name} {other.name}"
            )
