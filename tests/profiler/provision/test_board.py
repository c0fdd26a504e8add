"""A Raspberry Pi, as far as its software goes: aarch64 wheels are put there, and measure.

Its processor is emulated, so what it measures is no latency of anything.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from sartor.devices.ssh import SshAddress, SshDevice
from sartor.profiler import AgentSession, MeasureJob, Timing, find_runtime
from sartor.profiler.provision import prepare, runtime_standings, with_prepared
from sartor.tables.graph import single_operator_graph

from ...real.userland import Userland, userland
from .measuring import OPERATORS, check_measured, measured, need_wheels

__all__ = ["userland"]


@pytest.fixture(scope="module")
def board(userland: Userland, tmp_path_factory: pytest.TempPathFactory) -> Iterator[SshDevice]:
    config, known_hosts = userland.client_files(tmp_path_factory.mktemp("client"))
    address = SshAddress.parse(userland.address)
    device = SshDevice("pi4", address, config=config, known_hosts=known_hosts)
    yield device
    device.close()


def test_litert_is_prepared_on_a_raspberry_pi_and_measures(
    board: SshDevice, tmp_path: Path, wheels_kept: Path
) -> None:
    need_wheels(board, "litert", wheels_kept)
    prepare(board, "litert", cache=wheels_kept)
    runtime = find_runtime("litert")
    models = [runtime.write(single_operator_graph(operator)) for operator in OPERATORS]
    with AgentSession(with_prepared(board, "litert"), runtime) as agent:
        job = MeasureJob(agent.place(models), window_ms=10, warmup_ms=0)
        (timings,) = agent.measure([job])
        assert agent.hello.runtime_version == "ai-edge-litert 2.3.0"
    measured_ones = [timing for timing in timings if isinstance(timing, Timing)]
    assert len(measured_ones) == len(OPERATORS)
    assert all(len(timing.samples_us) >= 5 for timing in measured_ones)


@pytest.mark.slow
def test_a_table_of_a_raspberry_pi_tells_what_was_put_there(
    board: SshDevice, tmp_path: Path, wheels_kept: Path
) -> None:
    need_wheels(board, "litert", wheels_kept)
    prepared = prepare(board, "litert", cache=wheels_kept)
    table = measured(board, "litert", tmp_path)
    check_measured(table, prepared)
    facts = dict(table.provenance.facts)
    assert facts["architecture"] == "aarch64"
    assert facts["python"] == "3.11.2"
    assert "Raspberry Pi 4" in facts["cpu_model"]


@pytest.mark.slow
def test_onnxruntime_is_prepared_on_a_raspberry_pi_and_measures(
    board: SshDevice, tmp_path: Path, wheels_kept: Path
) -> None:
    need_wheels(board, "onnxruntime", wheels_kept)
    (before,) = runtime_standings(board, ["onnxruntime"])
    assert (before.state, before.ready) == ("missing", False)
    assert before.command == "sartor devices prepare pi4 --runtime onnxruntime"
    prepared = prepare(board, "onnxruntime", cache=wheels_kept)
    check_measured(measured(board, "onnxruntime", tmp_path), prepared)
    told: list[str] = []
    assert prepare(board, "onnxruntime", cache=wheels_kept, tell=told.append) == prepared
    assert told == []
    (after,) = runtime_standings(board, ["onnxruntime"])
    assert (after.state, after.version) == ("prepared", "onnxruntime 1.32.0")


@pytest.mark.slow
def test_the_older_name_of_litert_runs_on_a_raspberry_pi(
    board: SshDevice, tmp_path: Path, wheels_kept: Path
) -> None:
    need_wheels(board, "tflite-runtime", wheels_kept)
    prepared = prepare(board, "tflite-runtime", cache=wheels_kept)
    check_measured(measured(board, "tflite-runtime", tmp_path), prepared)
