from __future__ import annotations

from pathlib import Path

import pytest

from sartor.devices import LocalDevice
from sartor.profiler.provision.interpreters import Interpreter, choose_interpreter

from ...real.cache import cache_folder
from .little_wheels import litert_wheels


@pytest.fixture(scope="session")
def wheels_kept() -> Path:
    """Where real wheels are kept between runs of the tests."""
    return cache_folder() / "wheels"


@pytest.fixture(scope="session")
def interpreter(tmp_path_factory: pytest.TempPathFactory) -> Interpreter:
    """The Python of this machine that LiteRT is put beside."""
    return choose_interpreter(LocalDevice(tmp_path_factory.mktemp("device")), "litert")


@pytest.fixture(scope="session")
def little_kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The cache folder of a user to whom the little wheels are nothing new."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def little(
    tmp_path: Path, little_kept: Path, interpreter: Interpreter, monkeypatch: pytest.MonkeyPatch
) -> Path:
    """A folder of little wheels, which this host's pip knows and nothing else.

    A test that changes them takes another cache than the usual one.
    """
    if (interpreter.python, interpreter.machine) != ((3, 11), "x86_64"):
        pytest.skip(f"the little wheels are for Python 3.11 on x86_64, not for {interpreter}")
    folder = tmp_path / "little"
    litert_wheels(folder)
    monkeypatch.setenv("XDG_CACHE_HOME", str(little_kept))
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    return folder
