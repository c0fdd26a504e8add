"""Leases: one process at a time fills a table, and one at a time times on a device."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from sqlalchemy import ColumnElement, Connection, Table, delete, insert, select, update

from .backends import Now
from .errors import DeviceBusyError, SartorError, StoreBusyError
from .owner import SILENCE_S, Owner
from .schema import DEVICE_LEASES, LEASES

HEARTBEAT_S = 10.0
"""How often the holder of a lease shows that it lives."""


@dataclass(frozen=True, slots=True)
class Claim:
    """What a lease is of.

    Attributes:
        leases: where leases of its kind are kept; the first column is their key.
        key: of the lease.
        called: what to call it in messages.
    """

    leases: Table
    key: int | str
    called: str = field(compare=False)

    @classmethod
    def of_table(cls, table_id: int, called: str) -> Claim:
        """Claim a table, to fill it."""
        return cls(LEASES, table_id, called)

    @classmethod
    def of_device(cls, machine: str, called: str) -> Claim:
        """Claim a device, to time on it.

        Args:
            machine: what no other running machine has, whoever asks and by whatever path.
            called: the name of the device.
        """
        return cls(DEVICE_LEASES, machine, called)

    @property
    def here(self) -> ColumnElement[bool]:
        """What is so of the lease, whoever has it."""
        key: ColumnElement[bool] = self.leases.primary_key.columns[0] == self.key
        return key

    def busy(self, owner: Owner) -> SartorError:
        """Say that a living process has the lease."""
        who = f"process {owner.pid} on {owner.host}"
        if owner == Owner.current():
            who += ", which is this one, perhaps under another name"
        remedy = (
            f"wait for it or end it (a lease from another machine ends after {SILENCE_S:.0f} s of "
            "silence)"
        )
        if self.leases is DEVICE_LEASES:
            return DeviceBusyError(f"{self.called} is being timed by {who}; {remedy}")
        return StoreBusyError(f"{self.called} is being filled by {who}; {remedy}")


def check_free(connection: Connection, claim: Claim) -> None:
    """Raise StoreBusyError or DeviceBusyError if a living process holds a lease.

    Args:
        connection: inside a transaction.
        claim: what the lease is of.
    """
    silent_s = (Now() - claim.leases.c.heartbeat_at).label("silent_s")
    query = select(claim.leases, silent_s).where(claim.here)
    if (row := connection.execute(query).one_or_none()) is None:
        return
    owner = Owner(row.place, row.pid, row.started)
    if owner.alive(row.silent_s):
        raise claim.busy(owner)


def correct(connection: Connection, claim: Claim) -> None:
    """Count a heartbeat that is still to come, by a clock that was set back since, as one of now.

    Else a dead owner would seem to live until the clock gets there. Needs a transaction of its own:
    what judges the owner afterwards may raise, which undoes what is done in the same one.
    """
    ahead = claim.leases.c.heartbeat_at > Now()
    connection.execute(update(claim.leases).where(claim.here, ahead).values(heartbeat_at=Now()))


def take(connection: Connection, claim: Claim, owner: Owner) -> None:
    """Take a lease, from a dead owner too; an error of ``check_free`` if a living one has it."""
    check_free(connection, claim)
    connection.execute(delete(claim.leases).where(claim.here))
    values = {
        claim.leases.primary_key.columns[0].name: claim.key,
        "place": owner.place,
        "pid": owner.pid,
        "started": owner.started,
    }
    connection.execute(insert(claim.leases).values(values | {"heartbeat_at": Now()}))


def beat(connection: Connection, claims: Iterable[Claim], owner: Owner) -> None:
    """Show that the owner lives, with all leases that are still theirs: one statement a kind."""
    keys: dict[Table, list[int | str]] = {}
    for claim in claims:
        keys.setdefault(claim.leases, []).append(claim.key)
    for leases, listed in keys.items():
        held = leases.primary_key.columns[0].in_(listed), *_of(leases, owner)
        connection.execute(update(leases).where(*held).values(heartbeat_at=Now()))


def release(connection: Connection, claim: Claim, owner: Owner) -> None:
    """Give a lease back, if it is still the owner's."""
    connection.execute(delete(claim.leases).where(claim.here, *_of(claim.leases, owner)))


def _of(leases: Table, owner: Owner) -> tuple[ColumnElement[bool], ...]:
    return (
        leases.c.place == owner.place,
        leases.c.pid == owner.pid,
        leases.c.started == owner.started,
    )
