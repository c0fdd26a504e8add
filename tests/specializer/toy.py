"""Supernets small enough to list every network of."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import accumulate, pairwise, product

import hypothesis.strategies as st
import numpy as np
from numpy.typing import NDArray

from sartor.specializer.accuracy.features import feature_starts
from sartor.specializer.accuracy.fit import Fit, fit
from sartor.specializer.accuracy.predictor import Layer, MlpPredictor
from sartor.specializer.accuracy.ridge import train_ridge
from sartor.specializer.cost import CostTensor
from sartor.specializer.search.problem import Cost, Limit
from sartor.specializer.space import ABSENT, Population, SearchSpace, Slot, SubNetwork
from sartor.tables.graph import Graph, GraphBuilder, Weights


@dataclass(frozen=True)
class Toy:
    """A chain of convolutions: a choice's number gives its kernel."""

    space: SearchSpace
    channels: int = 4

    def _size(self, context: int) -> int:
        return 6 + 2 * context

    def _start(self, name: str, context: int) -> GraphBuilder:
        return GraphBuilder(name, (self.channels, self._size(context), self._size(context)))

    def _convolve(self, builder: GraphBuilder, tensor: str, slot: int, choice: int) -> str:
        kernel = 2 * choice + 1
        name = f"slot{slot}"
        return builder.add(name, "conv2d", tensor, kernel=kernel, out=self.channels, stride=1)

    def stem_graph(self, context: int) -> Graph:
        builder = self._start("stem", context)
        builder.add("stem", "depthwise_conv2d", builder.input, kernel=3, stride=1)
        return builder.graph()

    def block_graph(self, context: int, slot: int, choice: int) -> Graph:
        builder = self._start("block", context)
        self._convolve(builder, builder.input, slot, choice)
        return builder.graph()

    def head_graph(self, context: int) -> Graph:
        builder = self._start("head", context)
        builder.add("head", "global_average_pool", builder.input)
        return builder.graph()

    def graph(self, subnetwork: SubNetwork, weights: Weights | None = None) -> Graph:
        context, *choices = subnetwork
        builder = self._start(self.space.text(subnetwork), context)
        tensor = builder.add("stem", "depthwise_conv2d", builder.input, kernel=3, stride=1)
        for slot, choice in enumerate(choices):
            if choice != ABSENT:
                tensor = self._convolve(builder, tensor, slot, choice)
        builder.add("head", "global_average_pool", tensor)
        return builder.graph(weights)


def space_of(contexts: int, *stages: tuple[tuple[int, ...], int]) -> SearchSpace:
    """Describe a space: of each stage the numbers of choices, and how many slots are required."""
    starts = accumulate((len(counts) for counts, _ in stages), initial=1)
    return SearchSpace(
        "toy",
        tuple(f"c{context}" for context in range(contexts)),
        tuple(
            tuple(
                Slot(f"slot{start + place}", tuple("abc"[:count]), place >= required)
                for place, count in enumerate(counts)
            )
            for start, (counts, required) in zip(starts, stages, strict=False)
        ),
    )


@st.composite
def spaces(draw: st.DrawFn) -> SearchSpace:
    """Any space of some hundred networks at most."""
    stages = []
    for _ in range(draw(st.integers(1, 2))):
        counts = tuple(draw(st.lists(st.integers(1, 3), min_size=1, max_size=3)))
        stages.append((counts, draw(st.integers(0, len(counts)))))
    return space_of(draw(st.integers(1, 2)), *stages)


def random_cost(space: SearchSpace, rng: np.random.Generator) -> CostTensor:
    """Costs without any order between choices; some choices even save what others cost."""
    shape = (len(space.contexts), len(space.slots), int(space.choice_counts.max()) + 1)
    choice = rng.uniform(-0.2, 1, shape)
    choice[:, :, ABSENT] = 0
    for slot, (low, high) in enumerate(_bounds(space)):
        choice[:, slot, :low] = choice[:, slot, high + 1 :] = np.inf
    return CostTensor(rng.uniform(3, 4, len(space.contexts)), choice)


def every_network(space: SearchSpace) -> Population:
    """List a space by brute force: every vector of choices that has no gap in a stage."""
    ranges = (range(low, high + 1) for low, high in _bounds(space))
    vectors = product(range(len(space.contexts)), *ranges)
    return np.array([vector for vector in vectors if not _has_gap(space, vector)], np.int16)


def _bounds(space: SearchSpace) -> Iterator[tuple[int, int]]:
    return zip(space.lowest_choices.tolist(), space.choice_counts.tolist(), strict=True)


def _has_gap(space: SearchSpace, vector: SubNetwork) -> bool:
    taken = iter(vector[1:])
    for stage in space.stages:
        choices = [next(taken) for _ in stage]
        filled = len(choices) - choices.count(ABSENT)
        if ABSENT in choices[:filled]:
            return True
    return False


def random_predictor(
    space: SearchSpace, rng: np.random.Generator, hidden: tuple[int, ...] = ()
) -> MlpPredictor:
    """A predictor of accuracies around 0.7, linear unless it has hidden layers."""
    widths = [int(feature_starts(space)[-1]), *hidden, 1]
    layers = tuple(
        Layer(
            rng.normal(size=(inputs, outputs)).astype(np.float32),
            rng.normal(size=outputs).astype(np.float32),
        )
        for inputs, outputs in pairwise(widths)
    )
    return MlpPredictor(space, layers, 0.7, 0.05)


def latency(cost: Cost, most_ms: float) -> Limit:
    """A limit on what counts as latency."""
    return Limit("latency", "ms", cost, most_ms)


def fit_ridge(
    space: SearchSpace,
    population: Population,
    accuracies: NDArray[np.float64],
    rng: np.random.Generator,
) -> Fit[MlpPredictor]:
    """Fit the plainest of predictors."""
    return fit(train_ridge, space, population, accuracies, rng)
