"""Files to and from a device: whole, checked, or not at all.

They travel over the input and output of a shell rather than by SFTP: that needs no subsystem, takes
three round trips in place of nine, and has the device itself compare checksums before it lets a
file take its place. A connection that breaks looks to the shell like the end of the file, so that
the checksum is wrong, and the shell removes what it has written.
"""

from __future__ import annotations

import hashlib
import os
import time
import uuid
from collections.abc import Callable
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from ...tables.errors import ConnectionLostError, DeviceError, DeviceTimeoutError
from ..texts import clean
from .program import Program

_BLOCK_BYTES = 1 << 18
_STALLED_S = 60.0
_SLOWEST_BYTES_PER_S = 1_000_000
_LARGEST_FILE_BYTES = 1 << 34
_OLD_PART_MIN = 1440

_PUSH = f"""
umask 077
folder=$1 part=$2 target=$3 sum=$4
mkdir -p -- "$folder" || exit
trap 'rm -f -- "$part"' EXIT
trap 'exit 1' HUP INT TERM PIPE
find "$folder" -maxdepth 1 -type f -name '*.????????.part' -mmin +{_OLD_PART_MIN} \
-exec rm -f -- {{}} + 2> /dev/null
cat > "$part" || exit
set -- $(sha256sum < "$part")
[ "$1" = "$sum" ] || {{ echo "it arrived damaged" >&2; exit 1; }}
[ ! -d "$target" ] || {{ echo "a folder is in its place" >&2; exit 1; }}
mv -f -- "$part" "$target"
"""
_PULL = """
if [ ! -f "$1" ]; then
    [ -e "$1" ] && echo "it is no file" >&2 || echo "there is no such file" >&2
    exit 1
fi
exec < "$1" || exit
set -- "$1" $(sha256sum < "$1") || exit
echo "$2"
exec cat
"""

Start = Callable[[list[str]], Program]


def push(start: Start, local: Path, remote: PurePosixPath) -> None:
    """Copy a file to a device.

    Args:
        start: starts a program there.
        local: the file.
        remote: where it is to be, an absolute path.

    Raises:
        DeviceError: it could not be copied; what was there is there still.
    """
    part = remote.with_name(f"{remote.name}.{uuid.uuid4().hex[:8]}.part")  # ours alone
    try:
        with local.open("rb") as source:
            digest = _digest(source)
            size = source.seek(0, os.SEEK_END)
            source.seek(0)
            paths = [str(remote.parent), str(part), str(remote)]
            program = start(["sh", "-c", _PUSH, "sartor", *paths, digest])
            try:
                _send(program, source)
                code = _finish(program, size)
            finally:
                program.release()
    except OSError as error:
        raise _failed(local, remote, error.strerror or str(error)) from error
    if code:
        raise _failed(local, remote, program.last_words())


def pull(start: Start, remote: PurePosixPath, local: Path) -> None:
    """Copy a file from a device.

    Args:
        start: starts a program there.
        remote: the file, an absolute path.
        local: where it is to be.

    Raises:
        DeviceError: it could not be copied; what was there is there still.
    """
    part = local.with_name(f"{local.name}.{uuid.uuid4().hex[:8]}.part")  # ours alone
    program = start(["sh", "-c", _PULL, "sartor", str(remote)])
    program.end_input()
    try:
        local.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        try:
            with part.open("wb") as target:
                told, found = _receive(program, target)
            if code := _finish(program, 0):
                raise _failed(remote, local, program.last_words() or f"exit code {code}")
            if told != found:
                raise _failed(remote, local, "it arrived damaged")
            part.replace(local)
        finally:
            part.unlink(missing_ok=True)
    except OSError as error:
        raise _failed(remote, local, error.strerror or str(error)) from error
    finally:
        program.release()


def _send(program: Program, source: BinaryIO) -> None:
    try:
        while block := source.read(_BLOCK_BYTES):
            program.write(block, _STALLED_S)
    except DeviceTimeoutError:
        program.kill()
        raise
    except ConnectionLostError:
        raise
    except DeviceError:
        return  # the program has ended, and says why
    program.end_input()


def _finish(program: Program, size: int) -> int:
    """Wait for the end of a program that has ``size`` bytes to check, and return its exit code."""
    deadline_s = time.monotonic() + _STALLED_S + size / _SLOWEST_BYTES_PER_S
    while not program.has_ended_output:
        if not program.read(deadline_s):
            program.kill()
            raise DeviceTimeoutError("the device did not finish a copy in time; check its load")
        program.output.clear()
    code = program.wait(deadline_s)
    if code is None:
        raise DeviceTimeoutError("the device did not finish a copy in time; check its load")
    return code


def _receive(program: Program, target: BinaryIO) -> tuple[str, str]:
    """Read a checksum and a file; return what was told, and what it is."""
    told: str | None = None
    digest = hashlib.sha256()
    size = 0
    while True:
        if told is None and (end := program.output.find(b"\n")) >= 0:
            told = bytes(program.output[:end]).decode(errors="replace")
            del program.output[: end + 1]
        if told is not None:
            target.write(program.output)
            digest.update(program.output)
            size += len(program.output)
            program.output.clear()
        if program.has_ended_output:
            return told or "", digest.hexdigest()
        if size > _LARGEST_FILE_BYTES or len(program.output) > _BLOCK_BYTES:
            program.kill()
            raise OSError("it has no end")
        # A checksum of a large file takes a while; then it comes without a pause.
        patience_s = _STALLED_S if told is not None else 10 * _STALLED_S
        if not program.read(time.monotonic() + patience_s):
            program.kill()
            raise DeviceTimeoutError("the device did not go on with a copy; check its load")


def _digest(source: BinaryIO) -> str:
    digest = hashlib.sha256()
    while block := source.read(_BLOCK_BYTES):
        digest.update(block)
    return digest.hexdigest()


def _failed(source: object, target: object, why: str) -> DeviceError:
    return DeviceError(
        f"cannot copy {source} to {target}: {clean(why) or 'it does not say why'}; "
        "check free space and permissions there"
    )
