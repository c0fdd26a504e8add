"""What tests download or build once, and find again in later runs."""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path


def cache_folder() -> Path:
    """The folder for it all: ``SARTOR_TEST_CACHE``, or one below the user's cache folder."""
    named = os.environ.get("SARTOR_TEST_CACHE")
    folder = Path(named) if named else Path.home() / ".cache" / "sartor-tests"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return folder


def cached(name: str, build: Callable[[Path], None]) -> Path:
    """Return a folder of the cache, built whole or not at all, by one process at a time.

    Args:
        name: of the folder; it has to say all that its content depends on.
        build: fills an empty folder that then takes the name.
    """
    folder = cache_folder() / name
    with (cache_folder() / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not folder.exists():
            for left in cache_folder().glob(f"{name}.part-*"):  # a build that was killed
                shutil.rmtree(left)
            part = Path(tempfile.mkdtemp(prefix=f"{name}.part-", dir=cache_folder()))
            part.chmod(0o755)
            try:
                build(part)
                part.rename(folder)
            finally:
                shutil.rmtree(part, ignore_errors=True)
    return folder
