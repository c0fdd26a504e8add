from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from sartor.devices import LocalDevice
from sartor.devices.adb import AdbDevice
from sartor.profiler.provision.interpreters import Interpreter, choose_interpreter

from ...real.adbd import Phone, running_adb_server, running_phone, why_no_phone
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


@pytest.fixture
def little(tmp_path: Path, interpreter: Interpreter, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of little wheels, which this host's pip knows and nothing else."""
    if (interpreter.python, interpreter.machine) != ((3, 11), "x86_64"):
        pytest.skip(f"the little wheels are for Python 3.11 on x86_64, not for {interpreter}")
    folder = tmp_path / "little"
    litert_wheels(folder)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    return folder


@pytest.fixture(scope="session")
def phone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Phone]:
    """A phone on its cable, with nothing on it."""
    if reason := why_no_phone():
        pytest.skip(reason)
    with (
        running_adb_server(tmp_path_factory.mktemp("adb")),
        running_phone(tmp_path_factory.mktemp("phone")) as phone,
    ):
        yield phone


@pytest.fixture
def handset(phone: Phone) -> AdbDevice:
    phone.cable.plug()
    return AdbDevice("phone", phone.serial)
