"""Migration: a store of an older schema becomes one of today's when it is opened."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from sqlalchemy import Connection, update

from .schema import DEVICE_LEASES, ESTIMATES, HEALTH, META, QUOTATIONS, TRANSFERS


def migrate(connection: Connection, version: int) -> None:
    """Bring a store from one schema version to the next, inside a transaction.

    Two processes may open an old store at once. Whichever writes the version first makes the step,
    and the other, which had to wait for it, finds nothing left to do.

    Args:
        connection: in a transaction, which makes all of the step or nothing.
        version: that the store was found to have, a key of ``STEPS``.
    """
    older = META.c.schema_version == version
    if connection.execute(update(META).where(older).values(schema_version=version + 1)).rowcount:
        STEPS[version](connection)


def _add_quotations(connection: Connection) -> None:
    """Version 2 keeps latencies that were published, without samples."""
    QUOTATIONS.create(connection)


def _add_health_and_transfers(connection: Connection) -> None:
    """Version 3 keeps the device's health, and estimates from tables of other devices."""
    for table in (HEALTH, TRANSFERS, ESTIMATES):
        table.create(connection)


def _add_device_leases(connection: Connection) -> None:
    """Version 4 keeps two hosts off one device, for whichever tables they time."""
    DEVICE_LEASES.create(connection)


STEPS: Mapping[int, Callable[[Connection], None]] = {
    1: _add_quotations,
    2: _add_health_and_transfers,
    3: _add_device_leases,
}
"""By the version that a step starts from: what makes the next one of it."""
