from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator

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


@pytest.mark.parametrize("values", [{}, {"at_s": "late", "cores": 1, "own_s": 0}, {"at_s": 1}])
def test_nonsense_is_refused(values: dict[str, object]) -> None:
    with pytest.raises((KeyError, TypeError, ValueError)):
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
