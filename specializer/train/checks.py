"""What could spoil hours of training, looked at before they are spent."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable, Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import cast

from ...tables.atomic import write_atomically
from ...tables.errors import DatasetError, OutputError
from ..images import DECODING_THREADS, ImageFolder, open_image

_Answers = Generator[str, None, None]

_NAMED = 3
"""Broken images that a message names; it counts the others."""

_STEP = 256
"""Images between two reports."""


def check_images(
    folders: list[ImageFolder],
    stamp: Path,
    report: Callable[[int, int], None] = lambda _done, _of: None,
) -> None:
    """Decode every image once, so that a broken one is found now and not after hours.

    Args:
        folders: of images that are going to be used.
        stamp: file that remembers what was checked; the same files are not decoded again.
        report: told how many of how many images are checked.

    Raises:
        DatasetError: some cannot be read; names the first ones and counts all.
        OutputError: the stamp cannot be written.
    """
    paths = [path for folder in folders for path in folder.paths]
    digest = _digest(paths)
    if stamp.is_file() and stamp.read_text("utf-8", errors="replace").strip() == digest:
        report(len(paths), len(paths))
        return
    broken: list[str] = []
    with (
        ThreadPoolExecutor(DECODING_THREADS) as pool,
        closing(cast("_Answers", pool.map(_trouble, paths))) as answers,  # drops what still waits
    ):
        for done, error in enumerate(answers, 1):
            if error:
                broken.append(error)
            if done % _STEP == 0 or done == len(paths):
                report(done, len(paths))
    if broken:
        more = f"\n… and {len(broken) - _NAMED} more" if len(broken) > _NAMED else ""
        raise DatasetError("\n".join(broken[:_NAMED]) + more)
    write_atomically(stamp, f"{digest}\n".encode())


def check_space(folder: Path, wanted_bytes: int) -> None:
    """Raise OutputError where a folder's disk has less room than a run will want."""
    there = next(path for path in (folder, *folder.absolute().parents) if path.is_dir())
    free = shutil.disk_usage(there).free
    if free < wanted_bytes:
        raise OutputError(
            f"the disk of {folder} has {free / 1e6:.0f} MB left and the run wants "
            f"{wanted_bytes / 1e6:.0f} MB; free some space or choose another folder"
        )


def _trouble(path: Path) -> str:
    """Say what is wrong with an image, nothing if it can be read."""
    try:
        open_image(path)
    except DatasetError as error:
        return str(error)
    return ""


def _digest(paths: list[Path]) -> str:
    """Tell apart lists of files by name, size and time of the last change."""
    found = hashlib.sha256()
    for path in paths:
        try:
            about = path.stat()
        except OSError as error:
            raise DatasetError(
                f"cannot read the image {path} ({error.strerror}); replace or remove it"
            ) from error
        found.update(f"{path}\0{about.st_size}\0{about.st_mtime_ns}\n".encode())
    return found.hexdigest()
