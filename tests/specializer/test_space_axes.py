"""Contexts that are the product of several global choices."""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import product
from pathlib import Path

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given, settings

from sartor.specializer.accuracy.container import _description
from sartor.specializer.accuracy.features import feature_starts, one_hot
from sartor.specializer.accuracy.predictor import MlpPredictor
from sartor.specializer.latency import compile_latency
from sartor.specializer.reference import reference_subnetworks
from sartor.specializer.region import dimensions, extremes, split
from sartor.specializer.search.evolution import search
from sartor.specializer.search.methods.method import run
from sartor.specializer.search.methods.named import METHODS, uniform_networks
from sartor.specializer.search.nsga2 import NsgaSettings, trade_offs, undominated
from sartor.specializer.search.problem import Limit, Problem
from sartor.specializer.space import HEAD, STEM, Axis, SearchSpace, Slot
from sartor.specializer.supernets.resnet50 import ResNet50
from sartor.tables.errors import FormatError, MissingOperatorError

from .made_up_tables import made_up_table, plain_us
from .toy import every_network, latency, random_cost, random_predictor, space_of, spaces

seeds = st.integers(0, 2**32 - 1)
PARTS = ("slot1", "slot2", STEM, HEAD)
STAGE = (Slot("slot1", ("a", "b")), Slot("slot2", ("a",), optional=True))
TWO = SearchSpace.of_axes(
    "two",
    (Axis("resolution", ("96", "128")), Axis("width", ("w50", "w75", "w100"), ("slot2", HEAD))),
    (STAGE,),
)


@st.composite
def spaces_of_axes(draw: st.DrawFn) -> SearchSpace:
    """Any space of up to three axes, each of which some parts depend on."""
    counts = draw(st.lists(st.integers(1, 3), min_size=2, max_size=3))
    parts = st.one_of(st.none(), st.lists(st.sampled_from(PARTS), unique=True).map(tuple))
    axes = tuple(
        Axis(f"axis{index}", tuple(f"{index}{value}" for value in range(count)), draw(parts))
        for index, count in enumerate(counts)
    )
    return SearchSpace.of_axes("axes", axes, draw(spaces()).stages)


@given(spaces_of_axes())
def test_genes_name_the_same_networks_and_axes_stand_apart(space: SearchSpace) -> None:
    networks = every_network(space)
    genes = space.genes(networks)
    axes = len(space.axes)
    assert np.array_equal(space.networks(genes), networks)
    assert np.array_equal(genes[:, axes:], networks[:, 1:])
    for row, gene in zip(networks.tolist(), genes.tolist(), strict=True):
        labels = [axis.labels[place] for axis, place in zip(space.axes, gene, strict=False)]
        assert ".".join(labels) == space.contexts[row[0]]
    low, high = space.gene_bounds
    assert np.array_equal(genes.min(axis=0), low)
    assert np.array_equal(genes.max(axis=0), high)


@given(spaces())
def test_one_axis_changes_nothing(space: SearchSpace) -> None:
    networks = every_network(space)
    assert space.genes(networks) is networks
    assert space.networks(networks) is networks
    assert np.array_equal(space.alike(STEM), np.arange(len(space.contexts)))
    assert space.one_by_one() == list(range(len(space.contexts)))
    assert "axes" not in _description(space)


@settings(max_examples=20)
@given(spaces_of_axes())
def test_text_round_trips(space: SearchSpace) -> None:
    for row in every_network(space).tolist():
        assert space.parse(space.text(tuple(row))) == tuple(row)


def test_a_text_names_a_value_of_every_axis() -> None:
    assert TWO.text((4, 2, 1)) == "128.w75:b.a"


@given(spaces_of_axes(), st.sampled_from(PARTS))
def test_contexts_are_alike_where_a_parts_axes_are(space: SearchSpace, part: str) -> None:
    values = list(product(*(axis.labels for axis in space.axes)))
    seen = [
        tuple(
            value
            for axis, value in zip(space.axes, row, strict=True)
            if axis.parts is None or part in axis.parts
        )
        for row in values
    ]
    assert space.alike(part).tolist() == [seen.index(row) for row in seen]


def test_one_by_one_shows_every_value_of_every_axis() -> None:
    labels = [TWO.contexts[context] for context in TWO.one_by_one()]
    assert labels == ["96.w100", "128.w100", "128.w50", "128.w75"]


@given(spaces_of_axes())
def test_features_are_one_for_each_axis_and_each_filled_slot(space: SearchSpace) -> None:
    networks = every_network(space)
    features = one_hot(space, networks)
    assert len(np.unique(features, axis=0)) == space.size
    starts = feature_starts(space)
    assert starts[0] == sum(len(axis.labels) for axis in space.axes)
    assert np.all(features[:, : starts[0]].sum(axis=1) == len(space.axes))
    assert np.array_equal(features[:, starts[0] :].sum(axis=1), (networks[:, 1:] != 0).sum(axis=1))


def test_features_of_one_network_by_hand() -> None:
    # 96 and 128; w50, w75 and w100; slot1 a and b; slot2 a
    assert one_hot(TWO, np.array([[4, 2, 0]], np.int16)).tolist() == [[0, 1, 0, 1, 0, 0, 1, 0]]


@settings(max_examples=30)
@given(spaces_of_axes(), seeds, st.floats(0, 1), st.sampled_from([(), (6,)]))
def test_the_optimum_of_a_small_space_is_found(
    space: SearchSpace, seed: int, share: float, hidden: tuple[int, ...]
) -> None:
    rng = np.random.default_rng(seed)
    cost, predictor = random_cost(space, rng), random_predictor(space, rng, hidden)
    networks = every_network(space)
    costs, accuracies = cost.evaluate(networks), predictor.predict(networks)
    budget_ms = float(costs.min() + share * np.ptp(costs))
    problem = Problem(space, predictor, (Limit("latency", "ms", cost, budget_ms),))
    result = search(problem, rng)
    assert result.accuracy == pytest.approx(accuracies[costs <= budget_ms].max(), abs=1e-6)
    if not hidden:
        assert result.accuracy_bound == pytest.approx(result.accuracy, abs=1e-6)


@pytest.mark.parametrize("name", METHODS)
@settings(max_examples=4)
@given(spaces_of_axes(), seeds)
def test_every_method_stays_in_a_space_of_axes(name: str, space: SearchSpace, seed: int) -> None:
    rng = np.random.default_rng(seed)
    cost, predictor = random_cost(space, rng), random_predictor(space, rng, hidden=(4,))
    costs = cost.evaluate(every_network(space))
    problem = Problem(space, predictor, (latency(cost, float(np.median(costs))),))
    trace = run(METHODS[name](problem), problem, 300, rng)
    for network in trace.networks.tolist():
        space.check(network)
    assert problem.meets(trace.networks).all()


def test_people_try_one_width_throughout() -> None:
    texts = list(map(TWO.text, uniform_networks(TWO)))
    assert texts[:4] == ["96.w50:a.-", "96.w50:b.-", "96.w50:a.a", "96.w50:b.a"]
    assert {text.partition(":")[0] for text in texts} == set(TWO.contexts)


@settings(max_examples=15)
@given(spaces_of_axes(), seeds)
def test_trade_offs_of_a_space_of_axes_are_found(space: SearchSpace, seed: int) -> None:
    rng = np.random.default_rng(seed)
    cost, predictor = random_cost(space, rng), random_predictor(space, rng, hidden=(4,))
    networks = every_network(space)
    problem = Problem(space, predictor, (latency(cost, math.inf),))
    objectives = np.column_stack([-predictor.predict(networks), cost.evaluate(networks)])
    best = objectives[undominated(objectives)]
    results = trade_offs(problem, rng, NsgaSettings(population=100, generations=15))
    found = np.array([(-one.accuracy, one.costs[0]) for one in results])
    apart = np.abs(best[:, None] - found[None]).max(axis=2).min(axis=1)
    assert np.mean(apart < 1e-5) >= 0.9


def test_a_predictor_is_of_one_space_and_its_axes(tmp_path: Path) -> None:
    predictor = random_predictor(TWO, np.random.default_rng(0))
    predictor.save(tmp_path / "accuracy.npz")
    networks = every_network(TWO)
    loaded = MlpPredictor.load(tmp_path / "accuracy.npz", TWO)
    assert np.array_equal(loaded.predict(networks), predictor.predict(networks))


def test_a_space_is_split_along_any_axis() -> None:
    assert dimensions(TWO) == ("resolution", "width", "slot1.depth", "slot1")
    networks = every_network(TWO)
    regions = split(TWO, "width")
    assert [str(region) for region in regions] == ["width=w50", "width=w75", "width=w100"]
    held = np.stack([region.contains(TWO, networks) for region in regions])
    assert np.all(held.sum(axis=0) == 1)
    assert np.array_equal(held.argmax(axis=0), TWO.genes(networks)[:, 1])
    ends = [TWO.text(network) for network in extremes(TWO, "width=w50,w75")]
    assert ends == ["128.w75:b.a", "96.w50:a.-"]


def test_statistics_are_of_both_ends_at_each_resolution() -> None:
    texts = list(map(TWO.text, reference_subnetworks(TWO)))
    assert texts == ["96.w100:b.a", "96.w50:a.-", "128.w100:b.a", "128.w50:a.-"]


def test_a_table_that_lacks_much_names_an_operator_that_is_missing() -> None:
    spec = ResNet50(0.25, 10, (64,))
    table = made_up_table(spec, "made-up", plain_us)
    gone = spec.head_graph(spec.space.largest[0]).operators[-1]
    with pytest.raises(MissingOperatorError, match=str(gone)):
        compile_latency(spec, table.without({gone}))


def test_contexts_that_are_no_product_are_refused() -> None:
    with pytest.raises(FormatError, match="not the product of its axes"):
        replace(TWO, contexts=TWO.contexts[:-1])
    with pytest.raises(FormatError, match="more than a sub-network can name"):
        space_of(40_000, ((1,), 1))
