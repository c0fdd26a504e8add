"""Devices for oneself: who times on one keeps all others off it meanwhile."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager

from ..devices.device import Device, Stream
from ..devices.patient import impatient, patient
from ..tables.errors import AgentError, DeviceBusyError, DeviceError
from ..tables.owner import Owner
from .archive import AGENT, AGENT_PACKAGE, with_archive
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

    Raises:
        DeviceBusyError: another process is timing on it.
        DeviceError: it cannot be reserved, or is gone.
    """
    device = patient(device)
    with ExitStack() as held:

        def take() -> None:
            stream = held.enter_context(closing(_open_lock(device, patience_s or 0.0, native)))
            _await(stream, f"the lock of {device.name}", device, patience_s or 0.0, tell)

        if native:
            take()
        else:
            with_archive(device, take)
        yield


def _open_lock(device: Device, patience_s: float, native: bool) -> Stream:  # noqa: FBT001
    lock, holder = str(device.root / "device"), this_process()
    if native:
        return impatient(device).open_stream(shell_lock_argv(lock, holder, patience_s), {})
    arguments = (lock, holder, f"{patience_s:g}")
    return device.open_stream(
        [device.python, "-m", f"{AGENT_PACKAGE}.lock", *arguments],
        {"PYTHONPATH": str(AGENT.path(device))},
    )


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
