"""Devices for oneself: who times on one keeps all others off it meanwhile."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from typing import TYPE_CHECKING

from ..devices.device import Device, Stream
from ..devices.patient import impatient, patient
from ..tables.errors import AgentError, DeviceBusyError, DeviceError
from ..tables.owner import Owner
from .archive import AGENT, AGENT_PACKAGE, with_archive
from .events import read_event, shown
from .shell_lock import shell_lock_argv

if TYPE_CHECKING:
    from ..tables.store import Store

_ANSWER_TIMEOUT_S = 60
_PAUSE_S = 1.0
_LONGEST_NAME = 200  # characters


def this_process() -> str:
    """Return what others are to call this process while they wait for it."""
    owner = Owner.current()
    return f"process {owner.pid} on {owner.host}"


@contextmanager
def reserved(
    device: Device,
    patience_s: float | None = None,
    tell: Callable[[str], None] = lambda _: None,
    *,
    native: bool = False,
) -> Iterator[str]:
    """Keep a device for oneself while the block runs, whatever else fills or times what.

    Two that time on a device at once disturb each other, be it for two tables, in two stores, or
    for a single model. So a process on the device holds a lock of the kernel's there. It outlasts
    broken connections; when this process dies, it ends at once, or where there is a connection, as
    soon as another process of this machine comes, or a little after patience with connections
    would have ended. Agents hold one of their own (``AgentSession``): one may survive its host for
    as long as it is at its last models.

    Args:
        device: to be alone on.
        patience_s: how long to wait for others, in seconds; None not to wait.
        tell: is called with who is being waited for.
        native: whether the device need not have a Python: then its shell holds the lock.

    Yields:
        What no other running machine has, the same by whatever path the device is reached.

    Raises:
        DeviceBusyError: another process is timing on it.
        DeviceError: it cannot be reserved, or is gone.
    """
    device = patient(device)
    with ExitStack() as held:

        def take() -> str:
            stream = held.enter_context(closing(_open_lock(device, patience_s or 0.0, native)))
            return _await(stream, f"the lock of {device.name}", device, patience_s or 0.0, tell)

        yield take() if native else with_archive(device, take)


def _open_lock(device: Device, patience_s: float, native: bool) -> Stream:  # noqa: FBT001
    lock, holder = str(device.root / "device"), this_process()
    if native:
        return impatient(device).open_stream(shell_lock_argv(lock, holder, patience_s), {})
    arguments = (lock, holder, f"{patience_s:g}")
    return device.open_stream(
        [device.python, "-m", f"{AGENT_PACKAGE}.lock", *arguments],
        {"PYTHONPATH": str(AGENT.path(device))},
    )


@contextmanager
def leased(
    device: Device,
    store: Store,
    machine: str,
    patience_s: float | None = None,
    tell: Callable[[str], None] = lambda _: None,
) -> Iterator[None]:
    """Keep all who share a store off a device while the block runs.

    The lock on the device does not: it lies in a folder, and two users of a device, or two entries
    of an inventory, may have different ones.

    Args:
        device: to be alone on.
        store: that others may share.
        machine: as ``reserved`` found it.
        patience_s: how long to wait for others, in seconds; None not to wait.
        tell: is called with who is being waited for.

    Raises:
        DeviceBusyError: another process is timing on it.
        StoreError: the store cannot be used.
    """
    deadline, told = time.monotonic() + (patience_s or 0.0), ""
    with ExitStack() as held:
        while True:
            try:
                held.enter_context(store.device_lease(machine, device.name))
                break
            except DeviceBusyError as error:
                if time.monotonic() >= deadline:
                    raise
                if str(error) != told:
                    told = str(error)
                    tell(f"waiting: {told}")
            time.sleep(_PAUSE_S)
        yield


def busy(device: str, by: str) -> DeviceBusyError:
    """Say who is timing on a device."""
    return DeviceBusyError(f"{device} is being timed by {by}; wait for it, or end it")


def _await(
    stream: Stream, called: str, device: Device, patience_s: float, tell: Callable[[str], None]
) -> str:
    """Wait until the lock is held; return what no other running machine has."""
    while True:
        event = read_event(stream, called, patience_s + _ANSWER_TIMEOUT_S)
        match event:
            case {"event": "held", "machine": str(machine)} if _is_name(machine):
                return machine
            case {"event": "waiting", "by": str(by)}:
                tell(f"waiting for {by}, which is timing {device.name}")
            case {"event": "taken", "by": str(by)}:
                raise busy(device.name, by)
            case {"event": "failed", "error": str(error)}:
                raise DeviceError(
                    f"cannot keep others off {device.name}: no lock in {device.root} ({error}); "
                    "check free space and permissions there"
                )
            case _:
                raise AgentError(f"{called} answered {shown(event)}, which makes no sense")


def _is_name(machine: str) -> bool:
    return 0 < len(machine) <= _LONGEST_NAME and machine.isprintable()
