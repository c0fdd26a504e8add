from __future__ import annotations

import pytest

from sartor.devices.facts import parse_facts
from sartor.devices.health import Health, parse_health
from sartor.devices.kinds.android import Battery, ThermalService, read_facts, read_state

from . import excerpts


def health(**answer: str) -> Health:
    return parse_health({"cpuinfo": "processor\t: 0\n", **answer})


@pytest.mark.parametrize(
    ("properties", "cpu_model", "system"),
    [
        (excerpts.PROPERTIES_VIVO, "vivo V2026 (Qualcomm SM8250)", "Android 11 (SDK 30)"),
        (excerpts.PROPERTIES_NEXUS, "LGE Nexus 5 (msm8974)", "Android 5.1 (SDK 22)"),
        (excerpts.PROPERTIES_GALAXY, "Samsung SM-S928B (exynos2400)", "Android 14 (SDK 34)"),
    ],
)
def test_a_phone_is_named_by_its_model_and_its_chip(
    properties: str, cpu_model: str, system: str
) -> None:
    facts = parse_facts({"getprop": properties, "uname": "Linux 5.10.149 aarch64\n"})
    assert (facts.cpu_model, facts.system, facts.kinds) == (cpu_model, system, ("android",))
    assert facts.architecture == "aarch64"
    assert facts.distributions == ()


def test_build_and_interface_are_facts() -> None:
    assert dict(parse_facts({"getprop": excerpts.PROPERTIES_NEXUS}).special) == {
        "abi": "armeabi-v7a",
        "fingerprint": "google/hammerhead/hammerhead:5.1/LMY06B/1666863:userdebug/dev-keys",
    }


@pytest.mark.parametrize("said", ["", "[ro.hardware]: [qcom]\n", "getprop: not found\n", "[a]: ["])
def test_what_has_no_android_is_no_phone(said: str) -> None:
    assert read_facts({"getprop": said}) == {}


@pytest.mark.parametrize(
    ("dump", "status", "celsius"),
    [
        (excerpts.THERMAL_SAMSUNG_12, 0, 25.6),
        (excerpts.THERMAL_SHIELD, 0, 66.5),
        (excerpts.THERMAL_POCO_16, 0, 46.2),
        (excerpts.THERMAL_PIXEL_THROTTLED, 3, 84.2),
        (excerpts.THERMAL_NOT_READY, 0, None),
    ],
)
def test_the_thermal_service_knows_the_status_and_the_heat_of_the_processor(
    dump: str, status: int, celsius: float | None
) -> None:
    found = read_state({"thermal": dump})
    assert found.parts == (ThermalService(status),)
    assert found.temperature_c == celsius


@pytest.mark.parametrize("dump", ["", excerpts.THERMAL_MISSING, "Thermal Status: 9\n"])
def test_without_a_thermal_service_nothing_is_known(dump: str) -> None:
    found = read_state({"thermal": dump})
    assert (found.parts, found.temperature_c) == ((), None)


def test_throttling_is_a_disturbance_in_androids_words() -> None:
    found = health(thermal=excerpts.THERMAL_PIXEL_THROTTLED)
    assert found.disturbances == (
        "it is hot and may slow down: 84.2 °C; cool it",
        "Android throttles it for heat (severe); let it cool",
    )


def test_a_status_that_was_set_by_hand_is_said_and_not_waited_for() -> None:
    dump = excerpts.THERMAL_SAMSUNG_12.replace("Override: false", "Override: true")
    found = health(thermal=dump.replace("Status: 0", "Status: 2"))
    assert found.verdict == "quiet"
    assert "cmd thermalservice reset" in found.warnings[0]


@pytest.mark.parametrize(
    ("dump", "battery"),
    [
        (excerpts.BATTERY_SAMSUNG, Battery(84, 32.6, charging=True)),
        (excerpts.BATTERY_HONOR, Battery(54, 22.0, charging=False)),
        # A box without any makes its values up: ppmy.cn/news/1423084.
        ("present: false\nlevel: 0\nscale: 100\ntemperature: 0\n", None),
        ("present: true\nlevel: 120\nscale: 100\ntemperature: 9999\n", Battery(None, None, False)),
        ("", None),
        ("Can't find service: battery\n", None),
    ],
)
def test_batteries(dump: str, battery: Battery | None) -> None:
    assert read_state({"battery": dump}).parts == ((battery,) if battery else ())


@pytest.mark.parametrize(
    ("old", "new", "warning"),
    [
        ("level: 84", "level: 12", "the battery is low: 12 %"),
        ("temperature: 326", "temperature: 412", "the battery is hot from charging: 41.2 °C"),
        ("temperature: 326", "temperature: 467", "the battery is hot from charging: 46.7 °C"),
    ],
)
def test_a_battery_that_slows_the_phone_down(old: str, new: str, warning: str) -> None:
    found = health(battery=excerpts.BATTERY_SAMSUNG.replace(old, new))
    assert found.verdict == "disturbed"
    (said,) = found.warnings
    assert said.startswith(warning)
    assert "; " in said  # and what to do


def test_a_hot_battery_that_is_not_charged() -> None:
    dump = excerpts.BATTERY_HONOR.replace("temperature: 220", "temperature: 455")
    assert health(battery=dump).warnings == (
        "the battery is hot: 45.5 °C; let it cool, out of its case",
    )
    assert health(battery=dump.replace("455", "425")).warnings == ()


@pytest.mark.parametrize(
    ("saver", "count"), [("1\n", 1), ("0\n", 0), ("null\n", 0), ("", 0), ("Error: x", 0)]
)
def test_the_battery_saver(saver: str, count: int) -> None:
    found = health(battery=excerpts.BATTERY_HONOR, saver=saver)
    assert len(found.warnings) == count
    assert all("cmd settings put global low_power 0" in warning for warning in found.warnings)
