"""The Pythons that this machine has, of all versions that devices may have."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from sartor.profiler.provision.recipes import PYTHONS

PYENV = Path.home() / ".pyenv" / "versions"
_PLACES = (PYENV, Path("/opt"), Path("/usr/local"))


def find_python(python: tuple[int, int]) -> str:
    """Return an interpreter of a version; skip the test where there is none."""
    name = ".".join(map(str, python))
    for place in _PLACES:
        for path in sorted(place.glob(f"{name}*/bin/python{name}")):
            return str(path)
    if found := shutil.which(f"python{name}"):
        return found
    pytest.skip(f"there is no Python {name} here")


each_python = pytest.mark.parametrize(
    "python", PYTHONS, ids=[".".join(map(str, python)) for python in PYTHONS]
)
