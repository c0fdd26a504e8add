"""Files that are either whole or not there."""

from __future__ import annotations

import errno
import glob
import os
import secrets
from pathlib import Path

from .errors import OutputError

_ADVICE = {
    errno.EACCES: "choose a folder that you may write to",
    errno.EPERM: "choose a folder that you may write to",
    errno.EROFS: "choose a folder that is not read-only",
    errno.ENOSPC: "free some space and try again",
    errno.EDQUOT: "free some space and try again",
    errno.EFBIG: "raise the limit on file sizes (ulimit -f) and try again",
    errno.EEXIST: "choose a path through folders only",
    errno.EISDIR: "name a file, not a folder",
    errno.ENOTDIR: "choose a path through folders only",
}


def write_atomically(path: Path, content: bytes) -> None:
    """Write a file so that no reader, and no crash, ever finds half of it.

    The content goes to a neighbour that then takes the name. Folders on the way are made.

    Raises:
        OutputError: it cannot be written; what was there before is still there.
    """
    part = path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with part.open("xb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            part.replace(path)
        finally:
            part.unlink(missing_ok=True)
    except OSError as error:
        reason = error.strerror or str(error)
        advice = _ADVICE.get(error.errno or 0, "choose another path")
        raise OutputError(f"cannot write {path}: {reason}; {advice}") from error


def remove_unfinished(path: Path) -> None:
    """Remove what processes left that were killed while they wrote a file.

    Only for a file that nobody else writes meanwhile.

    Raises:
        OutputError: it cannot be removed.
    """
    try:
        for part in path.parent.glob(f".{glob.escape(path.name)}.*.part"):
            part.unlink(missing_ok=True)
    except OSError as error:
        raise OutputError(
            f"cannot clear {path.parent}: {error.strerror}; choose a folder that you may write to"
        ) from error
