"""``sartor profile --transfer-from``: a few whole networks, and operators estimated from them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ...tables.errors import StoreError, UnknownNameError

if TYPE_CHECKING:
    from ...tables import Store, TableSummary
    from ..transfer import Newcomer


def find_newcomer(
    store: Store, known: Sequence[str], supernet: str, networks: int, dtype: str
) -> Newcomer:
    """Choose what to measure into the table of a new device, before anything is.

    Args:
        store: that holds the known tables.
        known: names of tables of other devices.
        supernet: name or path.
        networks: how many to measure.
        dtype: of everything.

    Raises:
        UnknownNameError: there is no such table or supernet.
        FormatError: nothing can be transferred from one of the tables.
    """
    from ..shipped import find_spec
    from ..transfer import Newcomer

    tables = [store.load(each) for each in dict.fromkeys(known)]
    return Newcomer.of(find_spec(supernet), tables, networks, dtype)


def refuse_measurements(store: Store, name: str, known: Sequence[str]) -> None:
    """Raise StoreError if a table to be estimated holds measurements, or is one of the known."""
    if name in known:
        raise StoreError(
            f"table {name!r} cannot be estimated from itself; give the new one another name with "
            "--table"
        )
    found = _summary(store, name)
    if found is not None and found.operators > found.estimates:
        raise StoreError(
            f"table {name!r} holds measurements of operators, with which estimates do not mix; "
            "choose another name with --table"
        )


def keep_estimates(store: Store, name: str, newcomer: Newcomer) -> None:
    """Estimate every operator from what was measured, and keep that.

    Raises:
        MeasurementError: fewer than three networks could be measured.
    """
    store.set_transfer(name, newcomer.estimate(store.load(name)))


def refuse_estimates(store: Store, name: str) -> None:
    """Raise StoreError if a table to measure operators into holds estimates of them."""
    found = _summary(store, name)
    if found is not None and found.estimates:
        raise StoreError(
            f"table {name!r} holds estimates from tables of other devices; choose another name "
            "with --table, or go on with --transfer-from"
        )


def _summary(store: Store, name: str) -> TableSummary | None:
    try:
        return store.find(name)
    except UnknownNameError:
        return None
