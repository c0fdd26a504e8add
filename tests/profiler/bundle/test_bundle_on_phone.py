"""An agent on a phone: Debian's real adbd, mksh and toybox, behind the real adb client."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from sartor.devices.adb import AdbDevice
from sartor.devices.patient import patient
from sartor.devices.ssh import SshAddress, SshDevice
from sartor.profiler import MeasureJob, Timing, clean, collect, find_runtime, make_plan
from sartor.profiler.benchmark_model.binary import find_binary, put_binary
from sartor.profiler.provision import runtime_standings, with_prepared
from sartor.profiler.provision.bundle import Bundle
from sartor.profiler.provision.bundle_prepare import put_bundle, read_architecture
from sartor.profiler.runner import make_runner
from sartor.profiler.session import AgentSession
from sartor.tables.graph import Graph, GraphBuilder
from sartor.tables.provenance import Condition
from sartor.tables.store import Store

from ...real import userland
from ...real.adbd import Phone, running_phone, why_no_phone
from ...real.benchmark_stand_in import stand_in
from ...real.bundle import built_bundle


def graph(kernel: int) -> Graph:
    builder = GraphBuilder(f"k{kernel}", (16, 14, 14))
    builder.add("c", "conv2d", builder.input, kernel=kernel, out=16, stride=1)
    return builder.graph()


def test_two_operators_are_measured_on_a_phone(
    handset: AdbDevice, phone: Phone, bundle: Bundle, tmp_path: Path
) -> None:
    put_bundle(handset, bundle)
    device = with_prepared(handset, "litert")
    operators = [each for kernel in (1, 5) for each in graph(kernel).operators]
    plan, rng = make_plan(operators, passes=2), np.random.default_rng(0)
    with Store.open(f"sqlite:///{tmp_path}/store.db") as store:
        report = collect(device, store, "t", plan, Condition("litert"), rng)
        table = store.load("t")
    assert (report.failures, report.agent_deaths) == ({}, 0)
    small, large = (table.measurements[each].median_ms for each in operators)
    assert small < large
    facts = dict(table.provenance.facts)
    assert facts["put there: bundle"].endswith(bundle.sha256)
    assert facts["python"] == "3.11.2"
    assert table.provenance.runtime_version == "ai-edge-litert 2.3.0"
    # It was kept awake and at one speed meanwhile, and is as before.
    assert facts["fixed_performance"] == "on"
    remembered = {path.name: path.read_text() for path in phone.path("/data/phone").iterdir()}
    assert remembered == {"fixed": "false\n", "wakefulness": "Asleep\n"}
    # Nothing is left, or was ever put, beside our folder.
    assert [path.name for path in phone.path("/data/local/tmp").iterdir()] == ["sartor"]
    assert not phone.path("/tmp").exists()
    assert list(phone.path(handset.root / "agents").iterdir()) == []


def test_a_phone_says_how_it_stands(handset: AdbDevice, bundle: Bundle) -> None:
    put_bundle(handset, bundle)
    standings = {each.runtime: each for each in runtime_standings(handset)}
    assert standings["litert"].state == "prepared"
    assert standings["litert"].version == "ai-edge-litert 2.3.0"
    assert standings["benchmark_model"].state == "missing"
    assert standings["torch"].state == "impossible"


def test_models_are_timed_on_a_phone_without_an_agent(
    handset: AdbDevice, bundle: Bundle, tmp_path: Path
) -> None:
    prepared = put_bundle(handset, bundle)
    path = tmp_path / "benchmark_model"
    path.write_bytes(stand_in(str(prepared.python)))
    put_binary(handset, find_binary(str(path)))
    runtime = find_runtime("benchmark_model")
    with make_runner(handset, runtime, cores=[0]) as session:
        names = session.place([runtime.write(graph(kernel)) for kernel in (1, 5)])
        ((small, large),) = session.measure([MeasureJob(names, 5, 1)])
    assert isinstance(small, Timing)
    assert isinstance(large, Timing)
    assert np.median(small.samples_us) < np.median(large.samples_us)
    assert session.vitals.health.cores == 1


@pytest.mark.slow
def test_onnx_runtime_measures_on_a_phone_too(handset: AdbDevice) -> None:
    put_bundle(handset, built_bundle(runtime="onnxruntime"))
    runtime = find_runtime("onnxruntime")
    with AgentSession(with_prepared(handset, "onnxruntime"), runtime) as session:
        assert session.hello.runtime_version == "onnxruntime 1.32.0"
        names = session.place([runtime.write(graph(3))])
        ((timing,),) = session.measure([MeasureJob(names)])
    assert isinstance(timing, Timing)


@pytest.mark.slow
def test_the_bundle_for_arm_measures_on_a_phone_of_arm(adb: None, tmp_path: Path) -> None:
    if "SARTOR_TEST_ARM_PHONE" not in os.environ:
        pytest.skip("emulated, all of it takes minutes: set SARTOR_TEST_ARM_PHONE=1")
    if reason := why_no_phone("arm64"):
        pytest.skip(reason)
    with running_phone(tmp_path, "arm64") as phone:
        device = AdbDevice("arm", phone.serial)
        assert read_architecture(device) == "aarch64"
        put_bundle(device, built_bundle("aarch64"))
        runtime = find_runtime("litert")
        with AgentSession(with_prepared(device, "litert"), runtime) as session:
            names = session.place([runtime.write(graph(3))])
            ((timing,),) = session.measure([MeasureJob(names)])
    assert isinstance(timing, Timing)


@pytest.mark.slow
def test_the_bundle_for_arm_measures(tmp_path: Path) -> None:
    bundle = built_bundle("aarch64")
    folder = tmp_path / "board"
    folder.mkdir()
    with userland.running(folder) as board:
        config, known_hosts = board.client_files(tmp_path)
        device = SshDevice(
            "board",
            SshAddress.parse(board.address),
            python="/nothing/python",
            config=config,
            known_hosts=known_hosts,
        )
        assert read_architecture(device) == "aarch64"
        prepared = put_bundle(device, bundle)
        runtime = find_runtime("litert")
        with AgentSession(with_prepared(device, "litert"), runtime) as session:
            assert session.hello.python_version == "3.11.2"
            names = session.place([runtime.write(graph(kernel)) for kernel in (1, 5)])
            ((small, large),) = session.measure([MeasureJob(names)])
    assert isinstance(small, Timing)
    assert isinstance(large, Timing)
    assert prepared.kind == "bundle"


def test_nothing_is_left_on_a_phone(handset: AdbDevice, phone: Phone, bundle: Bundle) -> None:
    put_bundle(handset, bundle)
    assert clean(patient(handset)).freed_mb > 50
    assert list(phone.path("/data/local/tmp").iterdir()) == []
