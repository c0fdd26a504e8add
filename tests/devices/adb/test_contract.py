from __future__ import annotations

import os
from collections.abc import Callable, Iterator

import pytest

from sartor.devices import Device
from sartor.devices.adb import AdbClient, AdbDevice

from ...real.adbd import AdbServer, Phone, running_phone, why_no_phone
from ...real.fault_adbd import FaultPhone, Faults
from ...real.google_adb import google_adb
from ..contract import DeviceContract


class TestPhone(DeviceContract):
    """Debian's adbd, with Android's shell and tools."""

    has_python = False

    @pytest.fixture
    def device(self, phone: Phone) -> Device:
        return AdbDevice("phone", phone.serial)


class TestSmallAdbd(DeviceContract):
    """An adbd with as few features as may be, and this machine's shell and tools."""

    @pytest.fixture
    def device(self, faulty: Callable[[Faults], tuple[FaultPhone, AdbDevice]]) -> Device:
        return faulty(Faults())[1]


@pytest.fixture(scope="module")
def arm_phone(adb_server: AdbServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Phone]:
    if reason := why_no_phone("arm64"):
        pytest.skip(reason)
    with running_phone(tmp_path_factory.mktemp("arm"), "arm64") as phone:
        yield phone


@pytest.mark.slow
class TestArmPhone(DeviceContract):
    """Debian's adbd for ARM, emulated: right for behaviour, never for speed."""

    has_python = False

    @pytest.fixture
    def device(self, arm_phone: Phone) -> Device:
        arm_phone.empty()
        device = AdbDevice("arm", arm_phone.serial)
        assert device.run(["uname", "-m"], timeout_s=30).stdout == "aarch64\n"
        return device


@pytest.fixture(scope="module")
def google(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AdbClient]:
    program = google_adb()
    server = AdbServer(tmp_path_factory.mktemp("google"), str(program))
    yield AdbClient({**server.environment, "PATH": f"{program.parent}:{os.environ['PATH']}"})
    server.stop()


@pytest.mark.slow
class TestGooglesAdb(DeviceContract):
    """Google's adb in place of Debian's, which is older."""

    has_python = False

    @pytest.fixture
    def device(self, phone: Phone, google: AdbClient) -> Device:
        return AdbDevice("phone", phone.serial, client=google)
