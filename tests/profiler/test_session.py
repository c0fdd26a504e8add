from __future__ import annotations

import os
import resource
import signal
import sys
import venv
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch

from sartor.devices import LocalDevice
from sartor.profiler import (
    RUNTIMES,
    AgentSession,
    MeasureJob,
    Refusal,
    Timing,
    find_runtime,
    session,
)
from sartor.profiler.reference import reference_graph
from sartor.profiler.writers.weights import random_weights
from sartor.specializer.supernets.mobilenet_v3 import MobileNetV3
from sartor.tables.errors import (
    AgentError,
    CommandFailedError,
    DeviceTimeoutError,
    FormatError,
    OutputError,
    RuntimeMissingError,
    UnknownNameError,
)
from sartor.tables.graph import Graph

from .oracle import evaluate, relative_difference
from .processes import agents_of

pytestmark = pytest.mark.usefixtures("device")
ON_GPU = [("onnxruntime", "provider=cuda"), ("torch", "device=cuda")]
each_runtime = pytest.mark.parametrize(
    "name", sorted(RUNTIMES.keys() - {"benchmark_model", "tflite-runtime"})
)


def session_folders(device: LocalDevice) -> list[str]:
    folder = Path(device.root) / "agents"
    return sorted(path.name for path in folder.iterdir()) if folder.exists() else []


@each_runtime
def test_an_agent_introduces_itself(device: LocalDevice, name: str) -> None:
    runtime = find_runtime(name)
    with AgentSession(device, runtime) as agent:
        assert agent.hello.runtime_version.startswith(f"{runtime.distribution} ")
        assert len(agent.hello.runtime_sha256) == 64
        assert agent.hello.affinity == tuple(sorted(os.sched_getaffinity(0)))
        assert agent.hello.python_version == sys.version.split()[0]
    assert session_folders(device) == []


@each_runtime
@pytest.mark.parametrize("threads", [1, 2])
def test_models_are_timed_in_order_and_a_broken_one_costs_itself_only(
    device: LocalDevice, name: str, threads: int
) -> None:
    runtime = find_runtime(name)
    model = runtime.write(reference_graph())
    with AgentSession(device, runtime, threads) as agent:
        kept = MeasureJob(agent.place([model]), window_ms=5, keep=True)
        others = MeasureJob(agent.place([b"broken", model]))
        answers = list(agent.measure([kept, others, kept]))
        assert agent.busy_ms > 20
    assert [len(answer) for answer in answers] == [1, 2, 1]
    assert isinstance(answers[1][0], Refusal)
    assert answers[1][0].reason
    check(answers[0][0])
    check(answers[1][1])
    check(answers[2][0])


@each_runtime
@pytest.mark.parametrize("evict_mb", [0.0, 5.0])
def test_models_are_timed_in_turns_and_a_broken_one_costs_itself_only(
    device: LocalDevice, name: str, evict_mb: float
) -> None:
    runtime = find_runtime(name)
    model = runtime.write(reference_graph())
    with AgentSession(device, runtime) as agent:
        models = agent.place([model, b"broken", model])
        (answer,) = agent.measure([MeasureJob(models, window_ms=5, evict_mb=evict_mb)])
    assert isinstance(answer[1], Refusal)
    for timing in (answer[0], answer[2]):
        check(timing)


def check(timing: Timing | Refusal) -> None:
    """A window as it should be."""
    assert isinstance(timing, Timing)
    assert len(timing.samples_us) >= 5
    assert 1 < np.median(timing.samples_us) < 1e6
    assert timing.started_at.endswith("+00:00")


def test_a_file_that_is_to_be_reused_stays_until_it_is_not(device: LocalDevice) -> None:
    runtime = find_runtime("litert")
    with AgentSession(device, runtime) as agent:
        models = agent.place([runtime.write(reference_graph())])
        jobs = [MeasureJob(models, reuse=reuse) for reuse in (True, True, False, False)]
        answers = [answer for (answer,) in agent.measure(jobs)]
    for answer in answers[:3]:
        check(answer)
    assert isinstance(answers[3], Refusal)


def test_options_reach_the_runtime(device: LocalDevice) -> None:
    runtime = find_runtime("onnxruntime")
    with AgentSession(device, runtime, options="optimization=extended") as agent:
        (answer,) = agent.measure([MeasureJob(agent.place([runtime.write(reference_graph())]))])
    check(answer[0])
    with (
        pytest.raises(RuntimeMissingError, match="knows no optimization 'unheard-of'"),
        AgentSession(device, runtime, options="optimization=unheard-of"),
    ):
        pass
    with pytest.raises(FormatError, match=r"takes 'optimization=extended'.* here, not 'fast'"):
        runtime.check_options("fast")


@each_runtime
def test_a_network_computes_on_the_device_what_torch_computes(
    device: LocalDevice, name: str
) -> None:
    check_network(device, name)


def test_the_layout_in_memory_changes_no_result(device: LocalDevice) -> None:
    check_network(device, "torch", "layout=channels_last")


def check_network(
    device: LocalDevice, name: str, options: str = "", tolerance: float = 1e-4
) -> None:
    spec = MobileNetV3(classes=10, resolutions=(64,))
    bare = spec.graph(spec.space.smallest)
    graph = Graph(bare.name, bare.inputs, bare.nodes, random_weights(bare, 7))
    inputs = np.random.default_rng(0).standard_normal((3, 2, 3, 64, 64), np.float32)
    runtime = find_runtime(name)
    with AgentSession(device, runtime, options=options) as agent:
        (model,) = agent.place([runtime.write(graph, batch=2)])
        outputs = agent.infer(model, inputs)
    assert outputs.shape == (3, 2, 10)
    for got, batch in zip(outputs, inputs, strict=True):
        want = evaluate(graph, graph.weights, {"input": batch})
        assert relative_difference(got, want) <= tolerance


@each_runtime
def test_feature_maps_come_back_channels_first(device: LocalDevice, name: str) -> None:
    bare = reference_graph()
    graph = Graph(bare.name, bare.inputs, bare.nodes, random_weights(bare, 7))
    inputs = np.random.default_rng(0).standard_normal((1, 1, 40, 28, 28), np.float32)
    runtime = find_runtime(name)
    with AgentSession(device, runtime) as agent:
        (model,) = agent.place([runtime.write(graph)])
        outputs = agent.infer(model, inputs)
    want = evaluate(graph, graph.weights, {"input": inputs[0]})
    assert relative_difference(outputs[0], want) <= 1e-4


def test_a_model_that_does_not_run_says_why(device: LocalDevice) -> None:
    inputs = np.zeros((1, 1, 3, 8, 8), np.float32)
    with AgentSession(device, find_runtime("litert")) as agent:
        (model,) = agent.place([b"broken"])
        with pytest.raises(
            AgentError, match=r"litert agent on local cannot run 1/0\.tflite: ValueError"
        ):
            agent.infer(model, inputs)


def test_the_environment_forbids_telemetry(device: LocalDevice) -> None:
    with AgentSession(device, find_runtime("litert")):
        (pid,) = agents_of(os.getpid())
        environment = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    assert b"ORT_DISABLE_TELEMETRY=1" in environment


def test_the_archive_is_pushed_once_and_again_when_it_is_damaged(device: LocalDevice) -> None:
    def archive() -> Path:
        (path,) = Path(device.root).glob("sartor_agent-*.zip")
        return path

    with AgentSession(device, find_runtime("litert")):
        pushed = archive().stat().st_mtime_ns
    with AgentSession(device, find_runtime("litert")):
        assert archive().stat().st_mtime_ns == pushed
    archive().write_bytes(b"damaged")
    with AgentSession(device, find_runtime("litert")) as agent:
        assert agent.hello.agent_version


def test_a_killed_agent_is_noticed_and_leaves_nothing(device: LocalDevice) -> None:
    with AgentSession(device, find_runtime("onnxruntime")) as agent:
        (pid,) = agents_of(os.getpid())
        os.kill(pid, signal.SIGKILL)
        answers = agent.measure([MeasureJob(agent.place([b"whatever"]))])
        with pytest.raises(AgentError, match="onnxruntime agent on local died with status -9"):
            next(answers)
    assert session_folders(device) == []
    assert agents_of(os.getpid()) == []


def test_an_agent_that_hangs_is_killed(
    device: LocalDevice, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session, "_JOB_TIMEOUT_S", 0.2)
    monkeypatch.setattr(session, "_MODEL_TIMEOUT_S", 0)
    with AgentSession(device, find_runtime("litert")) as agent:
        (pid,) = agents_of(os.getpid())
        os.kill(pid, signal.SIGSTOP)
        answers = agent.measure([MeasureJob(agent.place([b"whatever"]))])
        with pytest.raises(DeviceTimeoutError, match=r"0\.2 s"):
            next(answers)
    assert agents_of(os.getpid()) == []


def test_a_device_without_the_runtime_says_what_to_install(
    device: LocalDevice, tmp_path: Path
) -> None:
    venv.create(tmp_path / "bare", symlinks=True)
    device.python = str(tmp_path / "bare" / "bin" / "python")
    with (
        pytest.raises(RuntimeMissingError, match=r"cannot import litert.*-m pip install ai-edge"),
        AgentSession(device, find_runtime("litert")),
    ):
        pass
    assert session_folders(device) == []


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU here")
def test_torch_without_a_gpu_says_so(device: LocalDevice) -> None:
    with (
        pytest.raises(RuntimeMissingError, match=r"torch .* finds no GPU to run on; check nvidia"),
        AgentSession(device, find_runtime("torch"), options="device=cuda"),
    ):
        pass
    assert session_folders(device) == []


def test_onnx_runtime_without_cuda_says_so(device: LocalDevice) -> None:
    if "CUDAExecutionProvider" in onnxruntime.get_available_providers():
        pytest.skip("this ONNX Runtime has CUDA")
    with (
        pytest.raises(RuntimeMissingError, match=r"without CUDA; install onnxruntime-gpu there"),
        AgentSession(device, find_runtime("onnxruntime"), options="provider=cuda"),
    ):
        pass
    assert session_folders(device) == []


@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU here")
@pytest.mark.parametrize(("name", "options"), ON_GPU)
def test_a_gpu_computes_what_torch_computes(device: LocalDevice, name: str, options: str) -> None:
    try:
        check_network(device, name, options, tolerance=1e-2)  # TF32 has ten bits
    except RuntimeMissingError as error:
        pytest.skip(str(error))


@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU here")
@pytest.mark.parametrize(("name", "options"), ON_GPU)
def test_a_gpu_times_models(device: LocalDevice, name: str, options: str) -> None:
    runtime = find_runtime(name)
    try:
        with AgentSession(device, runtime, options=options) as agent:
            models = agent.place([runtime.write(reference_graph())] * 3)
            jobs = [MeasureJob((models[0],)), MeasureJob((models[1], models[2]), evict_mb=5)]
            answers = list(agent.measure(jobs))
    except RuntimeMissingError as error:
        pytest.skip(str(error))
    for timing in (*answers[0], *answers[1]):
        check(timing)


def test_a_full_disk_on_the_host_is_an_error(device: LocalDevice) -> None:
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    with AgentSession(device, find_runtime("litert")) as agent:
        resource.setrlimit(resource.RLIMIT_FSIZE, (1000, limits[1]))
        try:
            with pytest.raises(OutputError, match=r"cannot write a temporary file .* TMPDIR"):
                agent.place([bytes(10_000)])
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, limits)


def test_answers_that_nobody_took_are_not_mistaken_for_others(device: LocalDevice) -> None:
    runtime = find_runtime("litert")
    model = runtime.write(reference_graph())
    with AgentSession(device, runtime) as agent:
        jobs = [MeasureJob(agent.place([model])) for _ in range(4)]
        next(agent.measure(jobs))
        with pytest.raises(AgentError, match="to job 4"):
            next(agent.measure(jobs))


def test_a_device_without_python_is_an_error(device: LocalDevice) -> None:
    device.python = "no-such-python"
    with (
        pytest.raises(CommandFailedError, match="no-such-python"),
        AgentSession(device, find_runtime("litert")),
    ):
        pass
    assert session_folders(device) == []


def test_a_program_that_is_no_agent_is_an_error(device: LocalDevice) -> None:
    device.python = "echo"
    with (
        pytest.raises(AgentError, match="litert agent on local answered '-m sartor_agent"),
        AgentSession(device, find_runtime("litert")),
    ):
        pass


def test_an_unknown_runtime_names_the_known_ones() -> None:
    with pytest.raises(UnknownNameError, match=r"no runtime 'tflite'.*litert, onnxruntime"):
        find_runtime("tflite")
