"""Leaving nothing of ours on a phone."""

from __future__ import annotations

from ...tables.errors import DeviceError
from .awake import restore
from .device import AdbDevice, checked_root

_TIMEOUT_S = 120.0


def remove_everything(device: AdbDevice) -> None:
    """Restore what a run that was killed left changed, and delete the folder of our files.

    Nothing outside ``device.root`` is deleted, also where there are links to it.

    Raises:
        DeviceError: some of it cannot be deleted.
    """
    restore(device)
    root = checked_root(device.root)
    done = device.run(["rm", "-rf", "--", str(root)], _TIMEOUT_S)
    if done.exit_code:
        raise DeviceError(
            f"cannot delete {root} on {device.name}: {done.stderr.strip()[-300:]}; "
            "end what still runs there, or restart it"
        )
