from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from sartor.specializer.network import BatchStatisticsNorm, RunningNorm
from sartor.specializer.supernets.elastic import ElasticMobileNetV3
from sartor.specializer.supernets.mobilenet_v3 import BATCH_NORM_EPS
from sartor.specializer.supernets.slices import small_kernel
from sartor.specializer.train.sorting import sort_channels
from sartor.tables.errors import FormatError

from .torch_tools import SMALL, random_images, random_supernet, relative_difference

IDENTITIES = {"7to5": torch.eye(25), "5to3": torch.eye(9)}


def drawn(count: int) -> list[tuple[int, ...]]:
    return [tuple(row) for row in SMALL.space.random(count, np.random.default_rng(0)).tolist()]


@pytest.mark.parametrize("size", [3, 5, 7])
def test_with_identities_a_small_kernel_is_the_centre_of_the_large(size: int) -> None:
    large = torch.randn(4, 1, 7, 7)
    margin = (7 - size) // 2
    centre = large[:, :, margin : 7 - margin, margin : 7 - margin]
    assert torch.equal(small_kernel(large, size, IDENTITIES), centre)


def test_the_matrices_are_chained_from_seven_to_five_to_three() -> None:
    large = torch.randn(2, 1, 7, 7, dtype=torch.float64)
    first, second = (torch.randn(n, n, dtype=torch.float64) for n in (25, 9))
    five = torch.stack([first @ kernel[0, 1:6, 1:6].flatten() for kernel in large]).view(2, 5, 5)
    three = torch.stack([second @ kernel[1:4, 1:4].flatten() for kernel in five])
    got = small_kernel(large, 3, {"7to5": first, "5to3": second})
    torch.testing.assert_close(got, three.view(2, 1, 3, 3))


def test_weights_are_named_and_shaped_as_the_graph_wants_them() -> None:
    supernet = ElasticMobileNetV3(SMALL)
    for subnetwork in drawn(20):
        weights = supernet.weights(subnetwork)
        for name, shape in SMALL.graph(subnetwork).weight_shapes.items():
            node, _, weight = name.rpartition(".")
            if weight == "bias" and name not in weights:  # BatchNorm's, or none at all
                assert f"{node}.norm.bias" in weights or node == "head.feature"
            else:
                assert tuple(weights[name].shape) == shape


def test_a_forward_pass_changes_nothing_in_the_supernet() -> None:
    supernet = random_supernet()
    before = {name: value.clone() for name, value in supernet.state_dict().items()}
    supernet(random_images(2, 32), SMALL.space.smallest)
    after = supernet.state_dict()
    assert all(torch.equal(value, after[name]) for name, value in before.items())


def test_gradients_reach_what_the_sub_network_has_and_nothing_else() -> None:
    supernet = random_supernet()
    logits: Tensor = supernet(random_images(4, 32), SMALL.space.smallest)
    torch.autograd.backward(logits.square().sum())
    reached = {name for name, value in supernet.named_parameters() if value.grad is not None}
    assert not any(name.startswith(("blocks.3.", "blocks.4.")) for name in reached)  # absent
    matrices = {name for name in reached if name.endswith("_matrix")}
    assert len(matrices) == 2 * 10  # the smallest has ten blocks of the smallest kernel
    gradient = dict(supernet.named_parameters())["blocks.1.conv.point_linear.conv.conv.weight"].grad
    assert gradient is not None
    middle = SMALL.block(0, 1).middle
    assert gradient[:, :middle].any()
    assert not gradient[:, middle:].any()


def test_a_network_of_another_space_is_refused() -> None:
    with pytest.raises(FormatError, match="no sub-network"):
        ElasticMobileNetV3(SMALL)(random_images(1, 32), (0,) * 21)


@torch.inference_mode()
def test_sorting_channels_leaves_the_widest_networks_function() -> None:
    supernet = random_supernet()
    shapes = {name: tuple(value.shape) for name, value in supernet.state_dict().items()}
    images, norm = random_images(2, 48), RunningNorm(BATCH_NORM_EPS)
    widest = SMALL.space.largest
    before = supernet(images, widest, norm)
    sort_channels(supernet)
    assert relative_difference(supernet(images, widest, norm), before) < 1e-5
    assert shapes == SMALL.state_shapes()


@torch.inference_mode()
def test_sorted_channels_are_in_order_of_importance() -> None:
    supernet = random_supernet()
    before = supernet.state_dict()["blocks.1.conv.depth_conv.bn.bn.weight"].clone()
    sort_channels(supernet)
    state = supernet.state_dict()
    for slot in range(len(SMALL.space.slots)):
        projection = state[f"blocks.{slot + 1}.conv.point_linear.conv.conv.weight"]
        importance = projection.abs().sum((0, 2, 3))
        assert torch.equal(importance, importance.sort(descending=True).values)
    after = state["blocks.1.conv.depth_conv.bn.bn.weight"]
    assert not torch.equal(after, before)
    assert torch.equal(after.sort().values, before.sort().values)
    once = {name: value.clone() for name, value in state.items()}
    sort_channels(supernet)
    assert all(torch.equal(value, once[name]) for name, value in supernet.state_dict().items())


def test_batch_statistics_are_the_default() -> None:
    supernet, images = random_supernet(), random_images(2, 32)
    norm = BatchStatisticsNorm(BATCH_NORM_EPS)
    smallest = SMALL.space.smallest
    assert torch.equal(supernet(images, smallest), supernet(images, smallest, norm))
