"""Copying files to and from a phone, whole or not at all, and checked."""

from __future__ import annotations

import hashlib
import re
import uuid
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path, PurePath, PurePosixPath
from typing import TYPE_CHECKING

from ...tables.errors import ConnectionLostError, DeviceError, DeviceUnreachableError

if TYPE_CHECKING:
    from .device import AdbDevice

_BROKEN = (ConnectionLostError, DeviceUnreachableError)
_SCRIPT_S = 120.0
_COPY_S = 60.0
_SLOWEST_BYTES_PER_S = 100_000
_BLOCK_BYTES = 1 << 20
_SUM = re.compile(r"([0-9]{1,15})\n([0-9a-f]{64})\b")
# Parts that are a day old (two, where find counts whole days) were left by a run that was killed;
# only ours have such names.
_MAKE_ROOM = """\
umask 077
mkdir -p "$1" || exit 1
find "$1" -maxdepth 1 -type f -name '*.????????.part' -mtime +1 -exec rm -f {} \\; 2>/dev/null
shift
rm -f "$@"
exit 0
"""
_SUMS = 'sum() { sha256sum <"$1" 2>/dev/null || toybox sha256sum <"$1"; }\n'
_MEASURE = f"""\
{_SUMS}[ -f "$1" ] || {{ echo "there is no such file" >&2; exit 1; }}
stat -c %s "$1" && sum "$1"
"""
_ACCEPT = f"""\
{_SUMS}[ -d "$2" ] && {{ echo "that is a folder" >&2; exit 1; }}
size=$(stat -c %s "$1") && sum=$(sum "$1") || exit 1
[ "$size ${{sum%% *}}" = "$3 $4" ] && exec mv -f "$1" "$2"
echo "$size bytes arrived for $3, or they differ" >&2
exit 1
"""


def push(device: AdbDevice, local: Path, remote: PurePosixPath) -> None:
    """Copy a file to the phone; see ``Device.push``."""
    part = remote.with_name(f"{remote.name}.{uuid.uuid4().hex[:8]}.part")  # ours alone
    try:
        size, digest = _local_sum(local)
    except OSError as error:
        raise _cannot(local, remote, error.strerror or str(error), "check its name") from error
    left = _taken(device.left)
    try:
        _script(device, _MAKE_ROOM, [str(remote.parent), *map(str, left)], local, remote)
    except DeviceError:
        device.left.extend(left)
        raise
    try:
        device.copy(["push", str(local.absolute()), str(part)], _patience_s(size))
        _script(device, _ACCEPT, [str(part), str(remote), str(size), digest], local, remote)
    except BaseException as error:
        device.left.append(part)  # the next push removes it, unless we can do so now
        if not isinstance(error, DeviceError) or isinstance(error, _BROKEN):
            raise
        with suppress(DeviceError):
            device.run(["rm", "-f", *map(str, _taken(device.left))], _SCRIPT_S)
        raise _explained(error, local, remote) from error


def pull(device: AdbDevice, remote: PurePosixPath, local: Path) -> None:
    """Copy a file from the phone; see ``Device.pull``."""
    part = local.with_name(f"{local.name}.{uuid.uuid4().hex[:8]}.part")  # ours alone
    size, digest = _parse_sum(_script(device, _MEASURE, [str(remote)], remote, local))

    def watch() -> None:
        if part.exists() and part.stat().st_size > size:
            raise _cannot(remote, local, f"more than its {size} bytes come", "try again")

    try:
        local.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        device.copy(["pull", str(remote), str(part.absolute())], _patience_s(size), watch)
        got, got_digest = _local_sum(part)
        if (got, got_digest) != (size, digest):
            raise _cannot(
                remote, local, f"{got} bytes came for {size}, or they differ", "try again"
            )
        part.replace(local)
    except OSError as error:
        raise _cannot(remote, local, error.strerror or str(error), "check that folder") from error
    except _BROKEN:
        raise
    except DeviceError as error:
        raise _explained(error, remote, local) from error
    finally:
        part.unlink(missing_ok=True)


def _taken(paths: deque[PurePosixPath]) -> list[PurePosixPath]:
    """Take all paths that are there; several threads may do so at once."""
    found = []
    with suppress(IndexError):
        while True:
            found.append(paths.popleft())
    return found


def _script(
    device: AdbDevice, script: str, arguments: Sequence[str], source: PurePath, target: PurePath
) -> str:
    done = device.run(["sh", "-c", script, "sh", *arguments], _SCRIPT_S)
    if done.exit_code:
        cause = done.stderr.strip()[-300:] or f"exit code {done.exit_code}"
        raise _cannot(source, target, cause, "check free space and permissions there")
    return done.stdout


def _local_sum(path: Path) -> tuple[int, str]:
    """Return a file's size and SHA-256."""
    size, digest = 0, hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(_BLOCK_BYTES):
            size += len(block)
            digest.update(block)
    return size, digest.hexdigest()


def _parse_sum(text: str) -> tuple[int, str]:
    """Read a size and a SHA-256, as ``stat`` and ``sha256sum`` print them."""
    if (match := _SUM.match(text)) is None:
        raise DeviceError(f"the phone gives no size and no SHA-256, but {text[:200]!r}")
    return int(match[1]), match[2]


def _patience_s(size: int) -> float:
    """Return how long a copy may take, in seconds, for a size in bytes."""
    return _COPY_S + size / _SLOWEST_BYTES_PER_S


def _cannot(source: PurePath, target: PurePath, cause: str, remedy: str) -> DeviceError:
    return DeviceError(f"cannot copy {source} to {target}: {cause}; {remedy}")


def _explained(error: DeviceError, source: PurePath, target: PurePath) -> DeviceError:
    """Say what was to be copied, unless the error says so already."""
    if str(error).startswith("cannot copy"):
        return error
    cause = str(error).removeprefix("adb: error: ")
    return _cannot(source, target, cause, "check free space and permissions there")
