from __future__ import annotations

from collections.abc import Iterator

import pytest

from sartor.devices.adb import AdbDevice

from ...real.adbd import AdbServer, Phone, running_adb_server, running_phone, why_no_phone


@pytest.fixture(scope="session")
def adb_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AdbServer]:
    """An adb server of the tests' own; this process uses it."""
    if reason := why_no_phone():
        pytest.skip(reason)
    with running_adb_server(tmp_path_factory.mktemp("adb")) as server:
        yield server


@pytest.fixture(scope="session")
def shared_phone(
    adb_server: AdbServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Phone]:
    with running_phone(tmp_path_factory.mktemp("phone")) as phone:
        yield phone


@pytest.fixture
def phone(shared_phone: Phone) -> Iterator[Phone]:
    """A phone on its cable; what a test leaves on it does not matter."""
    shared_phone.cable.plug()
    yield shared_phone
    shared_phone.cable.cut()
    shared_phone.cable.plug()


@pytest.fixture
def device(phone: Phone) -> AdbDevice:
    return AdbDevice("phone", phone.serial)
