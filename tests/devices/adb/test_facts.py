"""Facts and health of a phone, asked by its own shell and tools, without Python and root."""

from __future__ import annotations

import os

from sartor.devices.adb import AdbDevice
from sartor.devices.kinds.android import Battery, ThermalService


def test_a_phone_says_what_it_is(device: AdbDevice) -> None:
    facts = device.facts()
    assert facts.kinds == ("android",)
    assert facts.cpu_model == "Google Pixel 6 (Google Tensor)"
    assert facts.system == "Android 14 (SDK 34)"
    assert facts.distributions == ()
    assert facts.cores == os.cpu_count()
    assert facts.memory_mb > 100
    assert dict(facts.special)["abi"] == "arm64-v8a"
    assert dict(facts.special)["fingerprint"].startswith("google/oriole/oriole:14/")


def test_a_phone_says_how_it_is(device: AdbDevice) -> None:
    health = device.health()
    assert health.parts == (Battery(84, 27.6, charging=True), ThermalService(1))
    assert health.temperature_c == 43.0
    assert "Android throttles it for heat (light); let it cool" in health.disturbances
    assert health.load is not None
    assert health.busy_cores is not None
    assert len(health.states) == health.cores
