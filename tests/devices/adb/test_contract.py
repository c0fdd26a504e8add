from __future__ import annotations

from collections.abc import Callable

import pytest

from sartor.devices import Device
from sartor.devices.adb import AdbDevice

from ...real.adbd import Phone
from ...real.fault_adbd import FaultPhone, Faults
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
