"""The scripts against tools that answer as real ones do: old versions, exit codes, complaints."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from sartor.devices import LocalDevice
from sartor.devices.kinds.nvidia import Gpu
from sartor.devices.kinds.raspberry_pi import Firmware

from . import excerpts


class Tools:
    """A folder of programs that come before all others."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder = folder
        monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")

    def add(self, name: str, script: str) -> None:
        program = self.folder / name
        program.write_text(f"#!/bin/sh\n{script}\n")
        program.chmod(0o755)

    def answer(self, name: str, text: str) -> str:
        """Keep a text; return the shell command that prints it."""
        (self.folder / f"{name}.txt").write_text(text)
        return f"cat {self.folder}/{name}.txt"


@pytest.fixture
def tools(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Tools:
    folder = tmp_path / "tools"
    folder.mkdir()
    return Tools(folder, monkeypatch)


@pytest.fixture
def local(tmp_path: Path) -> LocalDevice:
    return LocalDevice(tmp_path / "device")


@pytest.mark.parametrize("reasons", ["clocks_event_reasons", "clocks_throttle_reasons"])
def test_a_driver_is_asked_in_the_words_that_it_knows(
    local: LocalDevice, tools: Tools, reasons: str
) -> None:
    tools.add(
        "nvidia-smi",
        f"""case $1 in
*power.limit,name) {tools.answer("about", excerpts.NVIDIA_ABOUT_570)} ;;
*{reasons}.active) {tools.answer("state", excerpts.NVIDIA_HOT)} ;;
--query-compute-apps=*) {tools.answer("apps", excerpts.NVIDIA_PROCESSES)} ;;
*) {tools.answer("unknown", excerpts.NVIDIA_UNKNOWN_FIELD)}; exit 2 ;;
esac""",
    )
    assert dict(local.facts().special)["gpu"] == "NVIDIA GeForce RTX 4090"
    (gpu,) = (part for part in local.health().parts if isinstance(part, Gpu))
    assert gpu == Gpu(87.0, 1275, 299.12, 0, 0x24, ("python3", "[Not Found]"), persistent=False)


def test_a_driver_in_trouble_complains_wherever_it_likes(local: LocalDevice, tools: Tools) -> None:
    tools.add("nvidia-smi", f"{tools.answer('failed', excerpts.NVIDIA_FAILED)} >&2; exit 9")
    assert local.facts().kinds == ()
    (gpu,) = (part for part in local.health().parts if isinstance(part, Gpu))
    assert gpu.concerns[0].text.startswith(
        "the GPU's driver does not answer: NVIDIA-SMI has failed"
    )


def test_a_raspberry_pi_is_asked_by_its_tool(local: LocalDevice, tools: Tools) -> None:
    answers = excerpts.PI_4 | excerpts.PI_5_ABOUT
    tools.add(
        "vcgencmd",
        f"""case "$*" in
get_throttled) {tools.answer("throttled", answers["vc_throttled"])} ;;
"measure_clock arm") {tools.answer("clock", answers["vc_clock"])} ;;
measure_temp) {tools.answer("temp", answers["vc_temp"])} ;;
"get_config "*) grep "^$2" {tools.folder}/config.txt ;;
version) {tools.answer("version", answers["vc_version"])} ;;
esac""",
    )
    tools.answer("config", answers["vc_config"])
    assert dict(local.facts().special)["arm_freq_mhz"] == "2400"
    health = local.health()
    assert Firmware(0x50005) in health.parts
    assert (health.frequency_mhz, health.temperature_c) == (600, 61.0)


def test_a_firmware_that_refuses_says_so_and_fails(local: LocalDevice, tools: Tools) -> None:
    complaint = tools.answer("complaint", excerpts.PI_REFUSES[0])
    tools.add("vcgencmd", f"{complaint} >&2; exit 255")
    (firmware,) = (part for part in local.health().parts if isinstance(part, Firmware))
    assert firmware == Firmware(None, refused=True)
