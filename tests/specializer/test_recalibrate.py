from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.functional import conv2d

from sartor.specializer.extract import extract
from sartor.specializer.network import Network, TensorMap, run_graph
from sartor.specializer.recalibrate import recalibrate
from sartor.tables.errors import DatasetError, FormatError

from .torch_tools import SMALL, random_images, random_supernet

NODES = ("stem", "block0.depthwise", "block5.expand", "block20.project", "head.expand")
"""Convolutions of the largest sub-network that a BatchNorm follows, first to last."""


def largest() -> Network:
    return extract(random_supernet(), SMALL.space.largest)


def statistics(network: Network, node: str) -> tuple[torch.Tensor, torch.Tensor]:
    norm = f"{node}.norm"
    return network.weights[f"{norm}.running_mean"], network.weights[f"{norm}.running_var"]


def torch_statistics(
    activations: torch.Tensor,
) -> tuple[torch.Tensor, torch.Tensor]:
    """What torch's own BatchNorm gathers behind a convolution in one batch, momentum None.

    Its running variance is the unbiased one, ours that of the images themselves.
    """
    norm = nn.BatchNorm2d(activations.shape[1], momentum=None).train()
    norm(activations)
    count = activations.numel() // activations.shape[1]
    assert norm.running_mean is not None
    assert norm.running_var is not None
    return norm.running_mean, norm.running_var * (count - 1) / count


def test_extraction_leaves_the_supernet_as_it_was() -> None:
    supernet = random_supernet()
    before = {name: value.clone() for name, value in supernet.state_dict().items()}
    for row in SMALL.space.random(5, np.random.default_rng(0)).tolist():
        network = recalibrate(extract(supernet, tuple(row)), [random_images(8, 48)])
        for value in network.weights.values():
            value.mul_(2)
    after = supernet.state_dict()
    assert before.keys() == after.keys()
    assert all(torch.equal(before[name], after[name]) for name in before)


def test_extraction_is_a_function_of_supernet_and_sub_network() -> None:
    supernet = random_supernet()
    one = extract(supernet, SMALL.space.largest)
    extract(supernet, SMALL.space.smallest)
    other = extract(supernet, SMALL.space.largest)
    assert one.graph == other.graph
    assert one.weights.keys() == other.weights.keys()
    assert all(torch.equal(one.weights[name], other.weights[name]) for name in one.weights)


def test_extraction_refuses_what_is_no_sub_network() -> None:
    with pytest.raises(FormatError, match="is no sub-network"):
        extract(random_supernet(), (0, *[0] * 20))


def test_the_first_layer_has_torchs_own_statistics() -> None:
    network, images = largest(), random_images(16, 48)
    recalibrated = recalibrate(network, [images])
    convolved = conv2d(images, network.weights["stem.weight"], stride=2, padding=1)
    expected = torch_statistics(convolved)
    torch.testing.assert_close(statistics(recalibrated, "stem"), expected)


def test_every_layer_has_torchs_own_statistics() -> None:
    """A chain of torch's own modules in train mode, fed by our graph's order, is the oracle."""
    network, images = largest(), random_images(16, 48)
    recalibrated = recalibrate(network, [images])
    seen: dict[str, tuple[torch.Tensor, torch.Tensor]] = {}

    def normalise(tensor: torch.Tensor, node: str, _: TensorMap) -> torch.Tensor:
        seen[node] = torch_statistics(tensor)
        norm = nn.BatchNorm2d(tensor.shape[1], eps=network.eps).train()
        norm.weight.data = network.weights[f"{node}.norm.weight"]
        norm.bias.data = network.weights[f"{node}.norm.bias"]
        result: torch.Tensor = norm(tensor)
        return result

    with torch.inference_mode():
        run_graph(network.graph, network.weights, images, normalise)
    assert set(NODES) <= seen.keys()
    for node, expected in seen.items():
        torch.testing.assert_close(statistics(recalibrated, node), expected, rtol=1e-3, atol=1e-4)


def test_batches_pool_to_the_statistics_of_all_images() -> None:
    network, images = largest(), random_images(20, 48)
    at_once = recalibrate(network, [images])
    in_parts = recalibrate(network, images.split([3, 7, 10]))
    torch.testing.assert_close(statistics(in_parts, "stem"), statistics(at_once, "stem"))


def test_only_statistics_change_and_only_in_the_copy() -> None:
    network = largest()
    before = {name: value.clone() for name, value in network.weights.items()}
    recalibrated = recalibrate(network, [random_images(8, 48)])
    assert recalibrated.weights.keys() == network.weights.keys()
    for name, value in before.items():
        assert torch.equal(network.weights[name], value)
        same = torch.equal(recalibrated.weights[name], value)
        assert same != name.endswith(("running_mean", "running_var"))


def test_no_images_are_an_error() -> None:
    with pytest.raises(DatasetError, match="needs images and got none"):
        recalibrate(largest(), [])
