"""Leaving nothing of ours on a device."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import PurePosixPath

from ..devices.adb import AdbDevice, remove_everything
from ..devices.device import Device
from ..devices.ready import innermost
from ..tables.errors import DeviceError
from .reservation import reserved

_TIMEOUT_S = 300.0
_MOST_NAMES = 20

_MEASURE = 'test ! -d "$1" || du -sk -- "$1"'

# Nothing is deleted but what bears one of our names: the folder may be one that the user chose,
# with other things in it. Links are deleted, and what they point to is not.
_DELETE = """
cd -- "$1" || exit
for ours in agents environments relays sessions agent-*.lock device-*.lock \
        agent-????????????.zip sartor_*-????????????.zip sartor_*-????????????.zip.????????.part; do
    [ -e "$ours" ] || [ -h "$ours" ] || continue
    rm -rf -- "$ours" || exit
done
ls -A
cd / && rmdir -- "$1" 2>/dev/null
exit 0
"""


@dataclass(frozen=True, slots=True)
class Cleaned:
    """What became of our folder on a device.

    Attributes:
        root: that folder.
        freed_mb: space that its files took, in units of 1,000,000 bytes.
        kept: names of what is still in it, because it is not ours; twenty at most.
    """

    root: PurePosixPath
    freed_mb: float
    kept: tuple[str, ...] = ()


def clean(
    device: Device,
    patience_s: float | None = None,
    tell: Callable[[str], None] = lambda _: None,
) -> Cleaned:
    """Delete all that Sartor put on a device: agents, runtimes, models, locks.

    Also restores what a run that was killed left changed on a phone. Nothing outside
    ``device.root`` is deleted, also where links lead there, and in it only what bears one of our
    names; on a phone the folder is ours alone, and goes as a whole.

    Args:
        device: to leave as it was.
        patience_s: how long to wait for others that time on it, in seconds; None not to wait.
        tell: is called with who is being waited for.

    Raises:
        DeviceBusyError: another process is timing on it.
        DeviceError: some of it cannot be deleted, or the device does not answer.
    """
    with reserved(device, patience_s, tell, native=True):
        before_kb = _size_kb(device)
        kept: tuple[str, ...] = ()
        if isinstance(phone := innermost(device), AdbDevice):
            remove_everything(phone)
        else:
            kept = _delete(device)
        return Cleaned(device.root, max(before_kb - _size_kb(device), 0) * 1024 / 1e6, kept)


def _size_kb(device: Device) -> int:
    """Return what our folder takes, in units of 1,024 bytes; 0 where the device cannot tell."""
    said = device.run(["sh", "-c", _MEASURE, "sh", str(device.root)], _TIMEOUT_S).stdout.split()
    return int(said[0]) if said and said[0].isdecimal() else 0


def _delete(device: Device) -> tuple[str, ...]:
    """Delete what bears one of our names; return what else is there."""
    done = device.run(["sh", "-c", _DELETE, "sh", str(device.root)], _TIMEOUT_S)
    if done.exit_code:
        raise DeviceError(
            f"cannot delete all in {device.root} on {device.name}: {done.stderr.strip()[-300:]}; "
            "end what still runs there, and check its permissions"
        )
    return tuple(done.stdout.splitlines()[:_MOST_NAMES])
