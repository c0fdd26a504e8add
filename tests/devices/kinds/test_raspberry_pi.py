from __future__ import annotations

import pytest

from sartor.devices.facts import parse_facts
from sartor.devices.health import Health, parse_health
from sartor.devices.kinds.raspberry_pi import Firmware, read_facts, read_state

from . import excerpts

CUR_FREQ = "/sys/devices/system/cpu/cpu0/cpufreq/scaling_cur_freq"


def health(answer: dict[str, str]) -> Health:
    return parse_health({"cpuinfo": "processor\t: 0\n", CUR_FREQ: "1500000\n", **answer})


@pytest.mark.parametrize(
    ("answer", "bits", "mhz", "celsius"),
    [
        (excerpts.PI_3, 0x0, 1400, 55.8),
        (excerpts.PI_4, 0x50005, 600, 61.0),
        (excerpts.PI_5, 0xE0000, 2400, 49.9),
    ],
)
def test_the_firmware_knows_frequency_and_temperature(
    answer: dict[str, str], bits: int, mhz: int, celsius: float
) -> None:
    assert read_state(answer).parts == (Firmware(bits),)
    found = health(answer)
    # The kernel's own figure leaves throttling out.
    assert (found.frequency_mhz, found.temperature_c) == (mhz, celsius)
    assert found.seen_from([0], gpu=False).frequency_mhz == mhz


def test_undervoltage_has_its_own_words() -> None:
    found = health(excerpts.PI_4)
    undervoltage, throttled = found.disturbances
    assert undervoltage.startswith("undervoltage: its power supply or cable does not hold 5 V")
    assert "use the supply made for this board" in undervoltage
    assert throttled.startswith("its firmware slows its cores down right now")
    assert found.warnings == found.disturbances  # what was, still is


def test_what_was_is_said_and_not_waited_for() -> None:
    found = health(excerpts.PI_5)
    (past,) = found.warnings
    assert past.startswith(
        "since it was started there has been a capped frequency and slowed-down cores and the soft "
        "limit of its temperature: timings from then may be off"
    )
    assert "restart it" in past
    assert found.verdict == "quiet"


@pytest.mark.parametrize(
    ("bit", "word"), [(0, "undervoltage"), (1, "caps"), (2, "slows"), (3, "soft limit")]
)
def test_each_bit_now_and_since_the_start(bit: int, word: str) -> None:
    now = health({"vc_throttled": f"throttled={1 << bit:#x}\n"})
    assert [word in warning for warning in now.disturbances] == [True]
    past = health({"vc_throttled": f"throttled={1 << bit + 16:#x}\n"})
    assert (past.disturbances, len(past.warnings)) == ((), 1)


@pytest.mark.parametrize("complaint", excerpts.PI_REFUSES)
def test_a_user_who_may_not_ask_is_told_how_to(complaint: str) -> None:
    found = health({"vc_throttled": complaint, "vc_temp": complaint, "vc_clock": complaint})
    assert "usermod -aG video" in found.warnings[0]
    assert found.verdict == "quiet"
    assert found.frequency_mhz == 1500
    # The kernel tells the bits to everybody.
    told = health({"vc_throttled": complaint, "vc_sysfs": "50005\n"})
    assert told.verdict == "disturbed"


@pytest.mark.parametrize(
    "said", ["", "sh: 1: vcgencmd: not found\n", "throttled=0x\n", 'error=1 error_msg="Command"\n']
)
def test_any_other_board_is_no_raspberry_pi(said: str) -> None:
    assert read_state({"vc_throttled": said, "vc_clock": said, "vc_temp": said}).parts == ()


def test_how_it_is_set_up_is_a_fact() -> None:
    facts = parse_facts(
        excerpts.PI_5_ABOUT
        | {
            "cpuinfo": "processor\t: 0\nCPU implementer\t: 0x41\nCPU part\t: 0xd0b\n",
            "board": "Raspberry Pi 5 Model B Rev 1.0\n",
        }
    )
    assert facts.cpu_model == "Raspberry Pi 5 Model B Rev 1.0 (CPU 0x41/0xd0b)"
    assert facts.kinds == ("raspberry_pi",)
    assert dict(facts.special) == {
        "arm_freq_mhz": "2400",
        "firmware": "9cd61c53",
        "over_voltage": "0",
    }
    assert read_facts({"vc_config": "VCHI initialization failed\n"}) == {}
