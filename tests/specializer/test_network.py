from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from sartor.specializer.network import (
    BatchStatisticsNorm,
    RunningNorm,
    fold_batch_norm,
    graph_tensors,
    run_graph,
)
from sartor.tables.errors import GraphError
from sartor.tables.graph import Graph, GraphBuilder, single_operator_graph
from sartor.tables.operator import Operator

from .torch_tools import random_images, relative_difference

EPS = 1e-3
NORM = ("weight", "bias", "running_mean", "running_var")


class SqueezeExcite(nn.Module):
    def __init__(self, channels: int, middle: int) -> None:
        super().__init__()
        self.reduce, self.expand = nn.Conv2d(channels, middle, 1), nn.Conv2d(middle, channels, 1)

    def forward(self, tensor: Tensor) -> Tensor:
        gate = self.expand(self.reduce(tensor.mean((2, 3), keepdim=True)).relu())
        return tensor * nn.functional.hardsigmoid(gate)


class PlainNetwork(nn.Module):
    """What the graph of ``described`` says, in the modules that anybody would use."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 3, stride=2, padding=1, bias=False)
        self.stem_norm = nn.BatchNorm2d(8, eps=EPS)
        self.depthwise = nn.Conv2d(8, 8, 5, padding=2, groups=8, bias=False)
        self.depthwise_norm = nn.BatchNorm2d(8, eps=EPS)
        self.gate = SqueezeExcite(8, 4)
        self.project = nn.Conv2d(8, 8, 1)
        self.head = nn.Conv2d(8, 12, 1, bias=False)
        self.classifier = nn.Linear(12, 5)

    def forward(self, images: Tensor) -> Tensor:
        before = nn.functional.hardswish(self.stem_norm(self.stem(images)))
        tensor = nn.functional.relu6(self.depthwise_norm(self.depthwise(before)))
        tensor = before + self.project(self.gate(tensor))
        tensor = nn.functional.relu(self.head(tensor.mean((2, 3), keepdim=True)))
        logits: Tensor = self.classifier(tensor.flatten(1))
        return logits


def described() -> Graph:
    build = GraphBuilder("plain", (3, 17, 17))
    stem = build.add("stem", "conv2d", build.input, kernel=3, out=8, stride=2, activation="hswish")
    tensor = build.add(
        "depthwise", "depthwise_conv2d", stem, kernel=5, stride=1, activation="relu6"
    )
    tensor = build.add("gate", "squeeze_excite", tensor, middle=4)
    tensor = build.add("project", "conv2d", tensor, kernel=1, out=8, stride=1)
    tensor = build.add("sum", "add", stem, tensor)
    tensor = build.add("pool", "global_average_pool", tensor)
    tensor = build.add("head", "conv2d", tensor, kernel=1, out=12, stride=1, activation="relu")
    build.add("classifier", "dense", tensor, out=5)
    return build.graph()


def weights_of(plain: PlainNetwork) -> dict[str, Tensor]:
    names = {
        "stem_norm.": "stem.norm.",
        "depthwise_norm.": "depthwise.norm.",
        "gate.reduce.": "gate.reduce_",
        "gate.expand.": "gate.expand_",
    }
    weights = {}
    for name, value in plain.state_dict().items():
        for theirs, ours in names.items():
            name = name.replace(theirs, ours)  # noqa: PLW2901 (one of them fits)
        weights[name] = value
    return weights


@pytest.fixture(scope="module")
def plain() -> PlainNetwork:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = PlainNetwork()
        for norm in (network.stem_norm, network.depthwise_norm):
            for part in NORM:
                nn.init.uniform_(getattr(norm, part), 0.5, 1.5)
    return network


@torch.inference_mode()
def test_a_graph_computes_what_the_plain_modules_compute(plain: PlainNetwork) -> None:
    images = random_images(4, 17)
    logits = run_graph(described(), weights_of(plain), images, RunningNorm(EPS))
    assert relative_difference(logits, plain.eval()(images)) < 1e-6


@torch.inference_mode()
def test_batch_statistics_are_those_of_training(plain: PlainNetwork) -> None:
    images = random_images(4, 17)
    before = {name: value.clone() for name, value in weights_of(plain).items()}
    logits = run_graph(described(), before, images, BatchStatisticsNorm(EPS))
    assert relative_difference(logits, plain.train()(images)) < 1e-6


@torch.inference_mode()
def test_folding_changes_no_answer(plain: PlainNetwork) -> None:
    images, weights = random_images(4, 17), weights_of(plain)
    folded = fold_batch_norm(described(), weights, EPS)
    assert folded.weights.keys() == folded.weight_shapes.keys()
    logits = run_graph(folded, graph_tensors(folded), images, BatchStatisticsNorm(EPS))
    expected = run_graph(described(), weights, images, RunningNorm(EPS))
    assert relative_difference(logits, expected) < 1e-6


def test_gradients_reach_every_weight(plain: PlainNetwork) -> None:
    weights = {
        name: value.clone().requires_grad_()
        for name, value in weights_of(plain).items()
        if value.is_floating_point()
    }
    logits = run_graph(described(), weights, random_images(4, 17), BatchStatisticsNorm(EPS))
    torch.autograd.backward(logits.square().sum())
    without = {name for name, value in weights.items() if value.grad is None}
    assert without == {name for name in weights if ".running_" in name}


def test_a_block_is_refused_with_what_it_is_made_of() -> None:
    block = Operator.parse("pooled_dense/8x7x7/out=10/none/float32")
    with pytest.raises(GraphError, match=r"torch takes no block, .* made of: global_average_pool"):
        run_graph(single_operator_graph(block), {}, torch.zeros(1, 8, 7, 7), RunningNorm(EPS))
