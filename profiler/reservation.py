"""Devices for oneself: who times on one keeps all others off it meanwhile."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from ..devices.device import Device, Stream
from ..tables.errors import AgentError, DeviceBusyError, DeviceError
from ..tables.owner import Owner
from .archive import AGENT_PACKAGE, push_archive
from .events import read_event, shown
from .shell_lock import shell_lock_argv

_ANSWER_TIMEOUT_S = 60


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
) -> Iterator[None]:
    """Keep a device for oneself while the block runs, whatever else fills or times what.

    Two that time on a device at once disturb each other, be it for two tables, in two stores, or
    for a single model. So a process on the device holds a lock of the kernel's there. It ends with
    this process, or its connection, and with it the lock. Agents hold one of their own
    (``AgentSession``): one may survive its host for as long as it is at its last models.

    Args:
        device: to be alone on.
        patience_s: how long to wait for others, in seconds; None not to wait.
        tell: is called with who is being waited for.
        native: whether the device need not have a Python: then its shell holds the lock.

    Raises:
        DeviceBusyError: another process is timing on it.
        DeviceError: it cannot be reserved, or is gone.
    """
    patience_s = patience_s or 0.0
    called, lock = f"the lock of {device.name}", str(device.root / "device")
    if native:
        stream = device.open_stream(shell_lock_argv(lock, this_process(), patience_s), {})
    else:
        archive, arguments = push_archive(device), (lock, this_process(), f"{patience_s:g}")
        stream = device.open_stream(
            [device.python, "-m", f"{AGENT_PACKAGE}.lock", *arguments], {"PYTHONPATH": archive}
        )
    try:
        _await(stream, called, device, patience_s, tell)
        yield
    finally:
        stream.close()


def busy(device: str, by: str) -> DeviceBusyError:
    """Say who is timing on a device."""
    return DeviceBusyError(f"{device} is being timed by {by}; wait for it, or end it")


def _await(
    stream: Stream, called: str, device: Device, patience_s: float, tell: Callable[[str], None]
) -> None:
    """Wait until the lock is held."""
    while True:
        event = read_event(stream, called, patience_s + _ANSWER_TIMEOUT_S)
        match event:
            case {"event": "held"}:
                return
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
