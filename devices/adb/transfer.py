"""Copying files to and from a phone, whole or not at all, and checked."""

from __future__ import annotations

import hashlib
import uuid
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from ...tables.errors import ConnectionLostError, DeviceError

if TYPE_CHECKING:
    from .device import AdbDevice

_SCRIPT_S = 60.0
_COPY_S = 60.0
_SLOWEST_BYTES_PER_S = 100_000
_BLOCK_BYTES = 1 << 20
# Parts that a killed run left are as good as a day old; their names are ours alone.
_MAKE_FOLDER = """\
umask 077
mkdir -p "$1" || exit 1
find "$1" -maxdepth 1 -type f -name '*.????????.part' -mtime +0 -exec rm -f {} \\; 2>/dev/null
exit 0
"""
_CHECK = """\
[ -f "$1" ] || { echo "no such file" >&2; exit 1; }
stat -c %s "$1" || exit 1
sha256sum "$1" || toybox sha256sum "$1"
"""
_ACCEPT = f"""\
[ -d "$2" ] && {{ echo "$2 is a folder" >&2; exit 1; }}
{_CHECK}"""


def push(device: AdbDevice, local: Path, remote: PurePosixPath) -> None:
    """Copy a file to the phone; see ``Device.push``. Who may run it, may run it there, too."""
    part = remote.with_name(f"{remote.name}.{uuid.uuid4().hex[:8]}.part")
    try:
        size, digest = _local_sum(local)
    except OSError as error:
        raise _cannot(local, remote, error.strerror or str(error), "check its name") from error
    _script(device, _MAKE_FOLDER, (str(remote.parent),), local, remote)
    try:
        device.copy(["push", str(local.absolute()), str(part)], _patience_s(size))
        got = _script(device, _ACCEPT, (str(part), str(remote)), local, remote)
        _compare(_parse_sum(got), (size, digest), local, remote)
        _script(device, 'mv -f "$1" "$2"', (str(part), str(remote)), local, remote)
    except ConnectionLostError:
        raise
    except DeviceError as error:
        device.run(["rm", "-f", str(part)], _SCRIPT_S)
        if str(error).startswith("cannot copy"):
            raise
        raise _cannot(local, remote, str(error), "check free space there") from error


def pull(device: AdbDevice, remote: PurePosixPath, local: Path) -> None:
    """Copy a file from the phone; see ``Device.pull``."""
    part = local.with_name(f"{local.name}.{uuid.uuid4().hex[:8]}.part")
    size, digest = _parse_sum(_script(device, _CHECK, (str(remote),), remote, local))

    def watch() -> None:
        if part.exists() and part.stat().st_size > size:
            raise _cannot(remote, local, "it grew while it was copied", "try again")

    try:
        local.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        device.copy(["pull", str(remote), str(part.absolute())], _patience_s(size), watch)
        _compare(_local_sum(part), (size, digest), remote, local)
        part.replace(local)
    except OSError as error:
        raise _cannot(remote, local, error.strerror or str(error), "check free space") from error
    finally:
        part.unlink(missing_ok=True)


def _script(
    device: AdbDevice,
    script: str,
    arguments: tuple[str, ...],
    source: Path | PurePosixPath,
    target: Path | PurePosixPath,
) -> str:
    done = device.run(["sh", "-c", script, "sh", *arguments], _SCRIPT_S)
    if done.exit_code:
        raise _cannot(source, target, done.stderr.strip(), "check free space and permissions there")
    return done.stdout


def _local_sum(path: Path) -> tuple[int, str]:
    size, digest = 0, hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(_BLOCK_BYTES):
            size += len(block)
            digest.update(block)
    return size, digest.hexdigest()


def _parse_sum(text: str) -> tuple[int, str]:
    words = text.split(maxsplit=2)
    if len(words) < 2 or not words[0].isdigit() or len(words[1]) != 64:
        raise DeviceError(f"the phone's sha256sum says {text[:200]!r}, which is no checksum")
    return int(words[0]), words[1]


def _compare(
    got: tuple[int, str],
    wanted: tuple[int, str],
    source: Path | PurePosixPath,
    target: Path | PurePosixPath,
) -> None:
    if got != wanted:
        raise _cannot(
            source,
            target,
            f"{got[0]} bytes came for {wanted[0]}, or others than were sent",
            "somebody changes it, or the connection does; try again",
        )


def _patience_s(size: int) -> float:
    return _COPY_S + size / _SLOWEST_BYTES_PER_S


def _cannot(
    source: Path | PurePosixPath, target: Path | PurePosixPath, cause: str, remedy: str
) -> DeviceError:
    return DeviceError(f"cannot copy {source} to {target}: {cause}; {remedy}")
