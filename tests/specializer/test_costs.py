from __future__ import annotations

from functools import cache

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given, settings

from sartor.profiler.runtimes import find_runtime
from sartor.specializer.cost import CostTensor
from sartor.specializer.costs.counted import compile_multiply_adds, compile_parameters
from sartor.specializer.costs.file_size import compile_file_size
from sartor.specializer.costs.peak import PeakTensor, compile_peak, peak_bytes
from sartor.specializer.space import Population, SearchSpace, SubNetwork
from sartor.specializer.supernets.mobilenet_v3 import MobileNetV3
from sartor.specializer.supernets.proxylessnas import ProxylessNAS
from sartor.specializer.supernets.resnet50 import ResNet50
from sartor.specializer.supernets.supernet import SupernetSpec
from sartor.tables.graph import Graph, GraphBuilder

from .toy import Toy, every_network, space_of, spaces

MOBILE = MobileNetV3(classes=10, resolutions=(32, 50, 64))
PROXYLESS = ProxylessNAS(classes=10, resolutions=(32, 50, 64))
RESNET = ResNet50(0.25, 10, (64, 97))
SUPERNETS: dict[str, SupernetSpec] = {"mobilenet": MOBILE, "proxyless": PROXYLESS, "resnet": RESNET}
PEAK = compile_peak(MOBILE)
seeds = st.integers(0, 2**32 - 1)


def some_of(supernet: SupernetSpec, seed: int) -> tuple[Population, list[Graph]]:
    population = supernet.space.random(3, np.random.default_rng(seed))
    return population, [supernet.graph(tuple(row)) for row in population.tolist()]


@cache
def compiled(name: str) -> tuple[CostTensor, CostTensor, PeakTensor]:
    supernet = SUPERNETS[name]
    return compile_multiply_adds(supernet), compile_parameters(supernet), compile_peak(supernet)


def peak_by_brute_force(graph: Graph) -> int:
    """At each step, list every tensor and ask whether it is there yet and still read."""
    born = {name: -1 for name, _ in graph.inputs}
    born |= {node.name: step for step, node in enumerate(graph.nodes)}
    steps = range(len(graph.nodes))
    return max(
        sum(
            4 * int(np.prod(shape))
            for name, shape in graph.shapes.items()
            if born[name] == step
            or (born[name] < step and any(name in graph.nodes[at].inputs for at in steps[step:]))
        )
        for step in steps
    )


@pytest.mark.parametrize("name", SUPERNETS)
@settings(max_examples=30)
@given(seeds)
def test_costs_are_exactly_those_of_the_graph(name: str, seed: int) -> None:
    multiply_adds, parameters, peak = compiled(name)
    population, graphs = some_of(SUPERNETS[name], seed)
    assert multiply_adds.evaluate(population).tolist() == [one.multiply_adds for one in graphs]
    assert parameters.evaluate(population).tolist() == [one.parameters for one in graphs]
    assert peak.evaluate(population).tolist() == list(map(peak_by_brute_force, graphs))
    assert list(map(peak_bytes, graphs)) == list(map(peak_by_brute_force, graphs))


@settings(max_examples=30)
@given(spaces())
def test_every_network_of_a_small_space_costs_what_its_graph_does(space: SearchSpace) -> None:
    supernet, population = Toy(space), every_network(space)
    graphs = [supernet.graph(tuple(row)) for row in population.tolist()]
    assert compile_parameters(supernet).evaluate(population).tolist() == [
        graph.parameters for graph in graphs
    ]
    assert compile_peak(supernet).evaluate(population).tolist() == [
        peak_by_brute_force(graph) for graph in graphs
    ]


@given(seeds, st.floats(0, 1))
def test_a_limit_on_the_peak_forbids_exactly_the_choices_that_exceed_it(
    seed: int, share: float
) -> None:
    population = MOBILE.space.random(50, np.random.default_rng(seed))
    peaks = PEAK.evaluate(population)
    most = float(peaks.min() + share * np.ptp(peaks))
    allowed = PEAK.allowed(most)
    slots = np.arange(population.shape[1] - 1)
    kept = allowed[population[:, :1], slots, population[:, 1:]].all(axis=1)
    assert kept.tolist() == (peaks <= most).tolist()
    assert not PEAK.allowed(float(PEAK.fixed.min()) - 1).any()


def test_what_a_slot_cannot_be_has_no_peak() -> None:
    peak = compile_peak(Toy(space_of(1, ((1, 3), 1))))
    assert np.isinf(peak.evaluate(np.array([[0, 0, 0], [0, 2, 0]], np.int16))).all()
    assert not peak.allowed(1e12)[0, 0, 0]


def test_a_tensor_that_is_read_again_later_stays_alive() -> None:
    builder = GraphBuilder("skip", (2, 4, 4))  # 128 bytes
    wide = builder.add("wide", "conv2d", builder.input, kernel=1, out=6, stride=1)  # 384 bytes
    narrow = builder.add("narrow", "conv2d", wide, kernel=1, out=2, stride=1)
    assert peak_bytes(builder.graph()) == 128 + 384
    builder.add("add", "add", builder.input, narrow)
    assert peak_bytes(builder.graph()) == 128 + 384 + 128


@pytest.mark.parametrize("runtime", ["litert", "onnxruntime"])
@pytest.mark.parametrize(
    "spec", [MOBILE, MobileNetV3(0.25, 3, (64, 96)), RESNET], ids=["w1.0", "w0.25", "resnet"]
)
def test_files_are_as_large_as_expected(spec: SupernetSpec, runtime: str) -> None:
    space, found = spec.space, find_runtime(runtime)
    population = space.random(4, np.random.default_rng(1))
    expected = compile_file_size(spec, found).evaluate(population)
    really = [len(found.write(spec.graph(tuple(row)))) for row in population.tolist()]
    assert expected == pytest.approx(really, rel=0.002)
    deep: SubNetwork = space.largest
    assert compile_file_size(spec, found).evaluate(np.array([deep], np.int16)) == pytest.approx(
        [len(found.write(spec.graph(deep)))], abs=64
    )


def test_files_of_a_space_whose_networks_all_have_as_many_operators() -> None:
    supernet, runtime = Toy(space_of(1, ((3, 2), 2))), find_runtime("onnxruntime")
    population = every_network(supernet.space)
    expected = compile_file_size(supernet, runtime).evaluate(population)
    really = [len(runtime.write(supernet.graph(tuple(row)))) for row in population.tolist()]
    assert expected == pytest.approx(really, rel=0.01)


def arena_bytes(graph: Graph) -> int:
    """What LiteRT plans for activations, with its own kernels in place of XNNPACK's."""
    interpreter_module = pytest.importorskip("ai_edge_litert.interpreter")
    content = find_runtime("litert").write(graph)
    interpreter = interpreter_module.Interpreter(
        model_content=content,
        experimental_op_resolver_type=(
            interpreter_module.OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
        ),
    )
    interpreter.allocate_tensors()
    stored = np.frombuffer(content, np.uint8).ctypes.data
    views = [
        interpreter.tensor(detail["index"])()
        for detail in interpreter.get_tensor_details()
        if detail["name"]
    ]
    starts = [view.__array_interface__["data"][0] for view in views]
    spans = [
        (start, start + view.nbytes)
        for start, view in zip(starts, views, strict=True)
        if not stored <= start < stored + len(content)
    ]
    return int(max(end for _, end in spans) - min(start for start, _ in spans))


def test_a_runtime_takes_at_least_as_much_and_at_most_about_twice() -> None:
    spec = MobileNetV3(classes=10, resolutions=(96, 160))
    population = spec.space.random(3, np.random.default_rng(2)).tolist()
    for row in (spec.space.smallest, *map(tuple, population), spec.space.largest):
        graph = spec.graph(row)
        assert 1 <= arena_bytes(graph) / peak_bytes(graph) <= 2
