from __future__ import annotations

import pytest

from sartor.devices import Device
from sartor.devices.adb import AdbDevice

from ...real.adbd import Phone
from ..contract import DeviceContract


class TestAdbDevice(DeviceContract):
    @pytest.fixture
    def device(self, phone: Phone) -> Device:
        return AdbDevice("phone", phone.serial)
