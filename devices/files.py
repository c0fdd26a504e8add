"""Reading many small files of a device in one go."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ..tables.errors import DeviceError

if TYPE_CHECKING:
    from .device import Device

_TIMEOUT_S = 20


def read_files(device: Device, patterns: Sequence[str]) -> dict[str, str]:
    """Read the text files of a device that match shell patterns, in one round trip.

    Args:
        device: to read from.
        patterns: absolute paths that may hold ``*``; nothing from users.

    Returns:
        Text by path. Files that do not exist or cannot be read are left out, because kernels
        differ in what they offer.

    Raises:
        DeviceError: the device does not answer, or reads nothing at all.
    """
    # `grep -H ""` prints every line of every file behind the file's name, on busybox, too.
    script = f"exec grep -sH '' {' '.join(patterns)} /dev/null"
    completed = device.run(["sh", "-c", script], _TIMEOUT_S)
    if completed.exit_code > 2:
        raise DeviceError(
            f"cannot read from {device.name}: sh and grep are needed there ({completed.stderr})"
        )
    return split_files(completed.stdout)


def split_files(output: str) -> dict[str, str]:
    """Sort lines of the form ``PATH:LINE`` by path."""
    texts: dict[str, str] = {}
    for line in output.splitlines():
        path, colon, text = line.partition(":")
        if colon and path.startswith("/"):
            texts[path] = texts.get(path, "") + text + "\n"
    return texts
