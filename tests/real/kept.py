"""What takes downloads is kept between runs, whole or not at all."""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path


def kept(name: str, build: Callable[[Path], None]) -> Path:
    """Return a folder of the tests' cache; two that want it at once build it once.

    Args:
        name: of the folder; it has to change with whatever is built.
        build: fills an empty folder, or raises.
    """
    home = Path.home() / ".cache" / "sartor-tests"
    cache = Path(os.environ.get("SARTOR_TEST_CACHE") or home)
    folder = cache / name
    cache.mkdir(parents=True, exist_ok=True)
    with (cache / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not folder.exists():
            for left in cache.glob(f"{name}.part*"):  # by a run that was killed
                shutil.rmtree(left)
            part = Path(tempfile.mkdtemp(prefix=f"{name}.part", dir=cache))
            part.chmod(0o755)
            try:
                build(part)
                part.rename(folder)
            finally:
                shutil.rmtree(part, ignore_errors=True)
    return folder
