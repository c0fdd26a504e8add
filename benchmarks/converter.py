"""Our TFLite files against those of Google's converter (litert-torch), for the same networks.

The converter lives in an environment of its own, because it brings 3 GB of dependencies::

    python benchmarks/converter.py --install    # once: makes build/converter
    python benchmarks/converter.py

For every network three files are made: by our writer, by the converter as users get it (channels
first), and by the converter with the input's channels last, as ours has them. All three compute
the same, or the benchmark stops. Each pass loads them into a fresh agent and times them in turns
of short windows, in random order; a pass is one observation of every latency and of the ratios.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import numpy as np
from ai_edge_litert.interpreter import Interpreter
from numpy.typing import NDArray

from sartor.devices import find_device
from sartor.profiler import AgentSession, MeasureJob, Timing, find_runtime
from sartor.profiler.writers.tflite import tflite_bytes
from sartor.profiler.writers.weights import random_weights
from sartor.specializer.supernets.mobilenet_v3 import MobileNetV3
from sartor.tables.graph import Graph

ROOT = Path(__file__).resolve().parent.parent
OURS = "sartor"
CONVERTER = "litert-torch==0.10.0"
WINDOW_MS = 60
TOLERANCE = 1e-4

Files = Mapping[str, bytes]
"""TFLite files of one network, by who made them."""


@dataclass(frozen=True, slots=True)
class Content:
    """What a file holds: operators by name, and the share that XNNPACK runs (0..1)."""

    operators: Counter[str]
    delegated: float


def install(environment: Path) -> None:
    """Make the converter's environment, with a CPU build of torch before anything asks for one."""
    python = environment / "bin" / "python"
    subprocess.run([sys.executable, "-m", "venv", str(environment)], check=True)
    subprocess.run([str(ROOT / ".ci" / "install_torch"), str(python)], check=True)
    subprocess.run([str(python), "-m", "pip", "install", "--quiet", CONVERTER], check=True)


def networks(count: int, resolution: int) -> list[Graph]:
    """Choose sub-networks of Once-for-All MobileNetV3: smallest, largest, then random ones."""
    spec = MobileNetV3(resolutions=(resolution,))
    random = spec.space.random(count, np.random.default_rng(0))
    chosen = [spec.space.smallest, spec.space.largest, *(tuple(map(int, row)) for row in random)]
    graphs = [spec.graph(subnetwork) for subnetwork in chosen[:count]]
    return [Graph(g.name, g.inputs, g.nodes, random_weights(g, seed=0)) for g in graphs]


def convert(graph: Graph, environment: Path) -> Files:
    """Write a network by our writer and by Google's converter."""
    with tempfile.TemporaryDirectory() as folder:
        source, *targets = (Path(folder) / name for name in ("net.pt2", "first", "last"))
        export_program(graph, source)
        child = Path(__file__).with_name("google_converter.py")
        command = [environment / "bin" / "python", child, source, *targets]
        start = time.monotonic()
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            sys.exit(f"the converter failed:\n{done.stderr[-2000:]}")
        google_s = (time.monotonic() - start) / len(targets)
        first, last = (target.read_bytes() for target in targets)
    start = time.monotonic()
    ours = tflite_bytes(graph)
    print(f"  written in {time.monotonic() - start:.2f} s, converted in {google_s:.0f} s each")
    return {OURS: ours, "converter": first, "converter, channels last": last}


def export_program(graph: Graph, path: Path) -> None:
    """Export a network as a torch program, which loads without Sartor."""
    import torch

    from sartor.specializer.network import graph_tensors, run_graph

    class Network(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.names = {name: name.replace(".", "__") for name in graph.weights}
            for name, tensor in graph_tensors(graph).items():
                self.register_buffer(self.names[name], tensor)

        def forward(self, images: torch.Tensor) -> torch.Tensor:
            weights = {name: getattr(self, own) for name, own in self.names.items()}
            return run_graph(graph, weights, images, lambda tensor, _node, _weights: tensor)

    images = torch.zeros(1, *graph.inputs[0][1])
    torch.export.save(torch.export.export(Network().eval(), (images,)), path)


def check_agreement(graph: Graph, files: Files) -> None:
    """Stop unless all files compute the same logits for one random image."""
    shape = graph.inputs[0][1]
    image = np.random.default_rng(0).standard_normal((1, *shape), np.float32)
    logits = {maker: run(content, image) for maker, content in files.items()}
    for maker, found in logits.items():
        difference = float(np.abs(found - logits[OURS]).max() / np.abs(logits[OURS]).max())
        if difference > TOLERANCE:
            sys.exit(f"{maker} computes something else: relative difference {difference:.1e}")


def run(content: bytes, image: NDArray[np.float32]) -> NDArray[np.float32]:
    """Compute logits from (1, 3, size, size), whichever layout the file wants."""
    interpreter = Interpreter(model_content=content)
    interpreter.allocate_tensors()
    (wanted,), (made,) = interpreter.get_input_details(), interpreter.get_output_details()
    fits = tuple(wanted["shape"]) == image.shape
    interpreter.set_tensor(wanted["index"], image if fits else image.transpose(0, 2, 3, 1))
    interpreter.invoke()
    return np.array(interpreter.get_tensor(made["index"]))


def inspect(content: bytes) -> Content:
    """Count a file's operators, and those between the ends of what XNNPACK took over."""
    interpreter = Interpreter(model_content=content, num_threads=1)
    interpreter.allocate_tensors()
    operators = interpreter._get_ops_details()  # noqa: SLF001 (there is no public way)
    written = [operator for operator in operators if operator["op_name"] != "DELEGATE"]
    maker = {int(tensor): operator for operator in written for tensor in operator["outputs"]}
    taken: set[int] = set()
    for delegate in operators[len(written) :]:
        ends = set(map(int, delegate["inputs"]))
        tensors = list(map(int, delegate["outputs"]))
        while tensors:
            tensor = tensors.pop()
            if tensor in maker and tensor not in ends and maker[tensor]["index"] not in taken:
                taken.add(maker[tensor]["index"])
                tensors += map(int, maker[tensor]["inputs"])
    names = Counter(str(operator["op_name"]) for operator in written)
    return Content(names, len(taken) / len(written))


def latencies_ms(files: Files, passes: int, rounds: int, threads: int) -> dict[str, list[float]]:
    """Time all files: by maker, one median per pass, in milliseconds."""
    rng = np.random.default_rng(0)
    found: dict[str, list[float]] = {maker: [] for maker in files}
    for _ in range(passes):
        with AgentSession(find_device("local"), find_runtime("litert"), threads) as session:
            jobs = {
                maker: MeasureJob(session.place([content]), WINDOW_MS, keep=True)
                for maker, content in files.items()
            }
            order = [maker for _ in range(rounds) for maker in rng.permutation(list(files))]
            medians: dict[str, list[float]] = {maker: [] for maker in files}
            answers = session.measure(jobs[maker] for maker in order)
            for maker, (answer,) in zip(order, answers, strict=True):
                if not isinstance(answer, Timing):
                    sys.exit(f"LiteRT cannot run the file of {maker}: {answer.reason}")
                medians[maker].append(median(answer.samples_us) / 1000)
        for maker, windows in medians.items():
            found[maker].append(median(windows))
    return found


def report(files: Files, times_ms: Mapping[str, Sequence[float]]) -> float:
    """Print one network's comparison; return the best of the converter's latencies over ours."""
    ratios = {}
    for maker, content in files.items():
        inside = inspect(content)
        by_pass = [
            theirs / ours for theirs, ours in zip(times_ms[maker], times_ms[OURS], strict=True)
        ]
        ratios[maker] = median(by_pass)
        print(
            f"  {maker:25} {len(content) / 1e6:7.3f} MB  {inside.operators.total():4} operators  "
            f"{inside.operators['TRANSPOSE']} transposes  {inside.delegated:4.0%} on XNNPACK  "
            f"{median(times_ms[maker]):8.3f} ms  "
            f"{ratios[maker]:.3f} × ours ({min(by_pass):.3f}–{max(by_pass):.3f})"
        )
    return min(ratio for maker, ratio in ratios.items() if maker != OURS)


def main() -> None:
    """Compare several networks and sum up."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--environment", type=Path, default=ROOT / "build" / "converter")
    parser.add_argument("--install", action="store_true", help="make the environment first")
    parser.add_argument("--networks", type=int, default=4)
    parser.add_argument("--resolution", type=int, default=160)
    parser.add_argument("--passes", type=int, default=5)
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    if options.install:
        install(options.environment)
    if not (options.environment / "bin" / "python").exists():
        parser.error(f"there is no converter in {options.environment}; add --install to make it")
    health = find_device("local").health()
    print(f"this machine is {health.verdict}", *health.warnings, sep="; ")
    best = []
    for graph in networks(options.networks, options.resolution):
        print(graph.name)
        files = convert(graph, options.environment)
        check_agreement(graph, files)
        times_ms = latencies_ms(files, options.passes, options.rounds, options.threads)
        best.append(report(files, times_ms))
    print(
        f"the faster of the converter's two files takes {median(best):.3f} × the time of ours "
        f"(median of {len(best)} networks; {min(best):.3f}–{max(best):.3f})"
    )


if __name__ == "__main__":
    main()
