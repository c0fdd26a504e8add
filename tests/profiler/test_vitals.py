from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Any

import pytest

from sartor.profiler.agent.vitals import VitalSigns
from sartor.profiler.vitals import Vitals, between, read_vitals

FIRST: dict[str, object] = {
    "at_s": 100.0,
    "cores": 4,
    "busy_s": 50.0,
    "own_s": 10.0,
    "load": 1.5,
    "memory_available_mb": 2000,
    "frequency_khz": 1_800_000,
    "temperature_mc": 61_500,
    "throttles": 3,
    "governor": "performance",
}


def vitals(**changed: object) -> Vitals:
    return read_vitals(FIRST | changed)


def test_what_ran_besides_the_agent_is_told_apart() -> None:
    health = between(vitals(), vitals(at_s=102.0, busy_s=53.0, own_s=12.0), 1, "now")
    assert health.busy_cores == pytest.approx(0.5)
    assert health.warnings == (
        "other programs are running: 0.5 of 4 cores are busy; end them, or wait",
    )
    assert (health.pass_index, health.started_at, health.seconds) == (1, "now", 2.0)
    assert (health.load, health.memory_available_mb, health.frequency_mhz) == (1.5, 2000, 1800)
    assert (health.temperature_c, health.governor, health.throttles) == (61.5, "performance", 0)


def test_an_agent_that_works_by_itself_is_not_disturbed() -> None:
    after = vitals(at_s=102.0, busy_s=52.0, own_s=12.0, load=9.0)
    assert between(vitals(), after, 0, "").warnings == ()


def test_a_single_tick_of_the_kernel_in_a_short_batch_is_no_disturbance() -> None:
    after = vitals(at_s=100.1, busy_s=50.15, own_s=10.1)
    assert between(vitals(), after, 0, "").busy_cores == 0.0


def test_cores_that_were_slowed_down_are_a_disturbance() -> None:
    after = vitals(at_s=101.0, throttles=5)
    assert between(vitals(), after, 0, "").warnings == (
        "its cores were slowed down by heat 2 times",
    )


def test_what_a_kernel_does_not_tell_is_not_made_up() -> None:
    silent = {"at_s": 1.0, "cores": 2, "own_s": 0.1}
    health = between(read_vitals(silent), read_vitals(silent | {"at_s": 2.0}), 0, "")
    assert health.to_dict() == {"pass_index": 0, "seconds": 1.0, "governor": "unknown"}


def test_what_slowed_it_down_in_between_is_a_disturbance() -> None:
    before = vitals(stops=3, cap_khz=2_400_000, firmware="0")
    quiet = vitals(at_s=101.0, stops=3, cap_khz=2_400_000, firmware="0")
    assert between(before, quiet, 0, "").warnings == ()
    slowed = vitals(at_s=101.0, stops=5, cap_khz=1_800_000, firmware="40000")
    assert between(before, slowed, 0, "").warnings == (
        "the kernel stopped its programs 2 times for a limit on processor time",
        "the frequency of its cores was capped at 1800 MHz",
        "its firmware slowed it down for a moment, for heat or undervoltage",
    )


def test_undervoltage_that_still_holds_is_said_once_and_what_was_before_is_not() -> None:
    after = vitals(at_s=101.0, firmware="50001")
    (warning,) = between(vitals(firmware="40000"), after, 0, "").warnings
    assert warning.startswith("undervoltage: ")
    old = vitals(at_s=101.0, firmware="50000")
    assert between(vitals(firmware="50000"), old, 0, "").warnings == ()


def test_a_hot_battery_is_a_disturbance() -> None:
    (warning,) = between(vitals(), vitals(at_s=101.0, battery_dc=461), 0, "").warnings
    assert warning.startswith("the battery is hot: 46.1 °C")


@pytest.mark.parametrize(
    ("driver", "count"), [("intel_pstate", 0), ("acpi-cpufreq", 1), ("cppc_cpufreq", 1)]
)
def test_powersave_is_a_reproach_where_it_is_slow(driver: str, count: int) -> None:
    after = vitals(at_s=101.0, governor="powersave", driver=driver)
    assert len(between(vitals(), after, 0, "").warnings) == count


def test_who_is_pinned_counts_what_its_own_cores_did() -> None:
    cores = sorted(os.sched_getaffinity(0))
    if len(cores) == 1:
        pytest.skip("with one core there is nothing to pin to")
    script = """
import json, os
from sartor.profiler.agent.pinning import pin
from sartor.profiler.agent.vitals import VitalSigns
pin(str(max(os.sched_getaffinity(0))))
stat = lambda: [line.split() for line in open("/proc/stat") if line.startswith("cpu")]
before, found, after = stat(), VitalSigns().read(), stat()
print(json.dumps([found, before, after]))
"""
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    found, before, after = json.loads(done.stdout)

    def busy_s(stat: list[list[str]]) -> float:
        (words,) = [words for words in stat if words[0] == f"cpu{cores[-1]}"]
        ticks = [int(word) for word in words[1:9]]
        return (sum(ticks) - ticks[3] - ticks[4]) / os.sysconf("SC_CLK_TCK")

    assert busy_s(before) <= found["busy_s"] <= busy_s(after)
    assert found["cores"] == 1
    assert "load" not in found


@pytest.mark.parametrize(
    "values",
    [
        {},
        {"at_s": "late", "cores": 1, "own_s": 0},
        {"at_s": 1},
        FIRST | {"firmware": "throttled"},
        FIRST | {"cap_khz": float("inf")},
        FIRST | {"stops": "many"},
    ],
)
def test_nonsense_is_refused(values: dict[str, Any]) -> None:
    with pytest.raises((KeyError, TypeError, ValueError, OverflowError)):
        read_vitals(values)


@pytest.fixture
def busy_program() -> Iterator[None]:
    """A program that keeps a core busy, neither this one nor the one that started it."""
    script = "import os\nif os.fork() == 0:\n    while True: pass\nos.wait()"
    program = subprocess.Popen([sys.executable, "-c", script], start_new_session=True)
    time.sleep(0.2)
    yield
    os.killpg(program.pid, 9)
    program.wait()


@pytest.mark.usefixtures("busy_program")
def test_a_real_program_beside_this_one_is_seen() -> None:
    signs = VitalSigns()
    before = read_vitals(signs.read())
    time.sleep(1.0)
    found = between(before, read_vitals(signs.read()), 0, "")
    assert found.busy_cores is not None
    assert found.busy_cores > 0.3
    assert any("other programs" in warning for warning in found.warnings)


def test_reading_costs_little() -> None:
    """Two readings a batch: a batch of a second may lose a thousandth to them."""
    signs = VitalSigns()
    before = time.thread_time()
    for _ in range(10):
        signs.read()
    assert (time.thread_time() - before) / 10 < 0.01
