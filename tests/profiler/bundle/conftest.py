from __future__ import annotations

from collections.abc import Iterator

import pytest

from sartor.devices.adb import AdbDevice
from sartor.profiler.provision.bundle import Bundle

from ...real.adbd import Phone, running_adb_server, running_phone, why_no_phone
from ...real.bundle import built_bundle


@pytest.fixture(scope="session")
def bundle() -> Bundle:
    return built_bundle()


@pytest.fixture(scope="session")
def adb(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """An adb server of the tests' own, which this process uses."""
    if reason := why_no_phone():
        pytest.skip(reason)
    with running_adb_server(tmp_path_factory.mktemp("adb")):
        yield


@pytest.fixture(scope="session")
def phone(adb: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Phone]:
    """A phone on its cable, with nothing on it at first."""
    with running_phone(tmp_path_factory.mktemp("phone")) as phone:
        yield phone


@pytest.fixture
def handset(phone: Phone) -> AdbDevice:
    phone.cable.plug()
    return AdbDevice("phone", phone.serial)
