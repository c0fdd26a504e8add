from __future__ import annotations

import pytest

from sartor.devices.facts import parse_facts
from sartor.devices.health import Health, parse_health
from sartor.devices.kinds.nvidia import Gpu, read_facts

from . import excerpts


def health(state: str, processes: str = "") -> Health:
    cpuinfo = "processor\t: 0\n"
    return parse_health({"cpuinfo": cpuinfo, "nvidia_state": state, "nvidia_processes": processes})


def test_the_first_gpu_and_its_driver_are_facts() -> None:
    facts = parse_facts({"nvidia_about": excerpts.NVIDIA_ABOUT_535})
    assert facts.kinds == ("nvidia",)
    assert dict(facts.special) == {
        "gpu": "NVIDIA A100-SXM4-80GB",
        "gpu_clock_mhz": "1410",
        "gpu_driver": "535.104.05",
        "gpu_memory_mib": "81920",
        "gpu_mig": "disabled",
        "gpu_persistence": "enabled",
        "gpu_power_limit_w": "400",
        "gpus": "2",
    }


@pytest.mark.parametrize(
    ("said", "name", "driver"),
    [
        (excerpts.NVIDIA_ABOUT_470, "NVIDIA A10G", "470.256.02"),
        (excerpts.NVIDIA_ABOUT_570, "NVIDIA GeForce RTX 4090", "570.86.10"),
    ],
)
def test_what_a_board_does_not_have_is_no_matter(said: str, name: str, driver: str) -> None:
    facts = read_facts({"nvidia_about": said})
    assert (facts["gpu"], facts["gpu_driver"], facts["gpu_mig"]) == (name, driver, "n/a")


@pytest.mark.parametrize(
    "said", ["", excerpts.NVIDIA_FAILED, excerpts.NVIDIA_NONE, excerpts.NVIDIA_UNKNOWN_FIELD]
)
def test_without_an_answer_there_is_no_gpu(said: str) -> None:
    assert read_facts({"nvidia_about": said}) == {}


def test_an_idle_gpu_is_quiet() -> None:
    found = health(excerpts.NVIDIA_IDLE)
    assert found.parts == (
        Gpu(33.0, 210, 63.49, 0, reasons=1, processes=(), persistent=True, trouble=""),
    )
    assert found.warnings == ()


def test_older_drivers_refuse_the_newer_name_first() -> None:
    found = health(excerpts.NVIDIA_UNKNOWN_FIELD + excerpts.NVIDIA_HOT)
    assert len(found.warnings) == 4


def test_heat_power_and_throttling_are_disturbances_and_an_unloaded_driver_is_not() -> None:
    found = health(excerpts.NVIDIA_HOT)
    hot, power, throttled = found.disturbances
    assert hot == "the GPU is hot and may slow down: 87 °C; cool it"
    assert power.startswith("the GPU is throttled: it is at its power limit; cool it, or raise")
    assert throttled == "the GPU is throttled: its driver slows it down for heat; cool it"
    assert "sudo nvidia-smi -pm 1" in found.warnings[-1]


def test_who_else_computes_on_the_first_gpu_is_named() -> None:
    (warning,) = health(excerpts.NVIDIA_IDLE, excerpts.NVIDIA_PROCESSES).warnings
    assert warning == "others compute on the GPU: python3, [Not Found]; end them, or wait"
    many = "".join(f"GPU-abc, {pid}, worker{pid}\n" for pid in range(1, 6))
    (warning,) = health(excerpts.NVIDIA_IDLE, many).warnings
    assert "worker1, worker2, worker3 and 2 more" in warning


def test_work_of_another_container_shows_in_the_load_alone() -> None:
    state = excerpts.NVIDIA_IDLE.replace("63.49, 0,", "163.49, 59,")
    assert "others use the GPU 59 % of the time" in health(state).warnings[0]


def test_a_laptop_says_little() -> None:
    found = health(excerpts.NVIDIA_LAPTOP)
    assert found.parts == (Gpu(temperature_c=54.0),)
    assert found.warnings == ()


def test_a_driver_in_trouble_is_said() -> None:
    (warning,) = health(excerpts.NVIDIA_FAILED).disturbances
    assert warning.startswith("the GPU's driver does not answer: NVIDIA-SMI has failed because")
    assert warning.endswith("; restart the host")


def test_who_measures_on_the_processor_does_not_wait_for_the_gpu() -> None:
    found = health(excerpts.NVIDIA_HOT, excerpts.NVIDIA_PROCESSES)
    assert found.verdict == "disturbed"
    assert found.seen_from([], gpu=True).verdict == "disturbed"
    assert found.seen_from([], gpu=False).warnings == ()
