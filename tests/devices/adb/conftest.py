from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from sartor.devices.adb import AdbDevice

from ...real.adbd import AdbServer, Phone, running_adb_server, running_phone, why_no_phone
from ...real.fault_adbd import FaultPhone, Faults, running_fault_phone


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
    """A phone on its cable, with nothing of ours on it."""
    shared_phone.cable.plug()
    yield shared_phone
    shared_phone.cable.plug()
    shared_phone.empty()


@pytest.fixture
def device(phone: Phone) -> AdbDevice:
    return AdbDevice("phone", phone.serial)


@pytest.fixture
def faulty(
    adb_server: AdbServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[[Faults], tuple[FaultPhone, AdbDevice]]]:
    """Makes a phone that misbehaves, and the device for it."""
    with ExitStack() as stack:

        def make(faults: Faults) -> tuple[FaultPhone, AdbDevice]:
            folder = tmp_path_factory.mktemp("odd")
            phone = stack.enter_context(running_fault_phone(folder, faults))
            stack.callback(adb_server.forget, phone.serial)
            return phone, AdbDevice("odd", phone.serial, root=phone.root)

        yield make
