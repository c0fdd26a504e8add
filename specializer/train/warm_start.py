"""A warm start of the MobileNetV3 supernet from EfficientNet-Lite0.

Four stages of the two networks have the same widths (24, 40, 80, 112 channels); of the wider ones
the most used channels are kept. What the supernet has and the source has not starts as nearly
nothing: squeeze-and-excite with a constant gate, further blocks with a small last gain.
"""

from __future__ import annotations

import torch
from torch import Tensor

from ...tables.errors import CheckpointError
from ..supernets.elastic import ElasticMobileNetV3
from ..supernets.mobilenet_v3 import MAX_DEPTH
from .efficientnet_lite import lite_weights, pretrained_state

SOURCES = (
    # EfficientNet-Lite0's blocks that fill each stage of width 1.0; the last one is repeated
    (1, 2),
    (3, 4),
    (5, 6, 7),
    (8, 9, 10),
    (11, 12, 13, 14),
)
EXTRA_BLOCK_GAIN = 0.1
GATE_BIAS = 2.0
"""Keeps the gate of squeeze-and-excite constant at 5/6, where its gradient is not yet zero."""

_NORM = ("weight", "bias")
"""Statistics are not taken over: training uses the batch's, and deployment recalibrates."""


@torch.no_grad()
def warm_start(supernet: ElasticMobileNetV3) -> None:
    """Fill a supernet of width 1.0 with EfficientNet-Lite0's weights, in place.

    The last layers (feature mix and classifier) keep their random values.

    Raises:
        CheckpointError: the supernet has another width.
        RuntimeMissingError: the package with the weights is not installed.
    """
    if supernet.spec.width != 1.0:
        raise CheckpointError(
            f"EfficientNet-Lite0 warms up width 1.0 only, not {supernet.spec.width:g}; "
            "choose that width, or --start random"
        )
    source = lite_weights(pretrained_state())
    state = supernet.state_dict()
    kept = _kept_residual_channels(source, supernet.spec.widths.stages[-1])
    _fill_stem(state, source)
    for slot in range(len(supernet.spec.space.slots)):
        stage, place = divmod(slot, MAX_DEPTH)
        blocks = SOURCES[stage]
        _fill_block(
            state,
            source,
            target=f"blocks.{slot + 1}.conv",
            origin=f"block{blocks[min(place, len(blocks) - 1)]}",
            inputs=kept if stage == 4 and place > 0 else None,
            outputs=kept if stage == 4 else None,
            gain=EXTRA_BLOCK_GAIN if place >= len(blocks) else 1.0,
        )
    _fill_last_expansion(state, source, kept)


def _fill_stem(state: dict[str, Tensor], source: dict[str, Tensor]) -> None:
    """Keep the stem's channels that the first block's projection uses most."""
    use = source["block0.project.weight"].abs().sum((0, 2, 3))
    kept = _most(use, len(state["first_conv.conv.weight"]))
    for target, origin in (
        ("first_conv", "stem"),
        ("blocks.0.conv.depth_conv", "block0.depthwise"),
    ):
        state[f"{target}.conv.weight"].copy_(source[f"{origin}.weight"][kept])
        for part in _NORM:
            state[f"{target}.bn.{part}"].copy_(source[f"{origin}.norm.{part}"][kept])
    target = "blocks.0.conv.point_linear"
    state[f"{target}.conv.weight"].copy_(source["block0.project.weight"][:, kept])
    for part in _NORM:
        state[f"{target}.bn.{part}"].copy_(source[f"block0.project.norm.{part}"])


def _fill_block(
    state: dict[str, Tensor],
    source: dict[str, Tensor],
    *,
    target: str,
    origin: str,
    inputs: Tensor | None,
    outputs: Tensor | None,
    gain: float,
) -> None:
    expand, project = source[f"{origin}.expand.weight"], source[f"{origin}.project.weight"]
    if inputs is not None:
        expand = expand[:, inputs]
    if outputs is not None:
        project = project[outputs]
    middle = len(state[f"{target}.inverted_bottleneck.conv.conv.weight"])
    kept = _most(project.abs().sum((0, 2, 3)), middle)

    state[f"{target}.inverted_bottleneck.conv.conv.weight"].copy_(expand[kept])
    large = state[f"{target}.depth_conv.conv.conv.weight"].zero_()
    small = source[f"{origin}.depthwise.weight"][kept]
    margin = (large.shape[-1] - small.shape[-1]) // 2
    large[:, :, margin : margin + small.shape[-1], margin : margin + small.shape[-1]] = small
    state[f"{target}.point_linear.conv.conv.weight"].copy_(project[:, kept])
    for layer, node in (("inverted_bottleneck", "expand"), ("depth_conv", "depthwise")):
        for part in _NORM:
            state[f"{target}.{layer}.bn.bn.{part}"].copy_(
                source[f"{origin}.{node}.norm.{part}"][kept]
            )
    for part in _NORM:
        value = source[f"{origin}.project.norm.{part}"]
        value = value if outputs is None else value[outputs]
        state[f"{target}.point_linear.bn.bn.{part}"].copy_(value * gain)
    gate = f"{target}.depth_conv.se.fc.expand"
    if f"{gate}.weight" in state:
        state[f"{gate}.weight"].zero_()
        state[f"{gate}.bias"].fill_(GATE_BIAS)


def _fill_last_expansion(
    state: dict[str, Tensor], source: dict[str, Tensor], inputs: Tensor
) -> None:
    target = state["final_expand_layer.conv.weight"]
    kept = _most(source["block15.project.weight"].abs().sum((0, 2, 3)), len(target))
    target.copy_(source["block15.expand.weight"][kept][:, inputs])
    for part in _NORM:
        state[f"final_expand_layer.bn.{part}"].copy_(source[f"block15.expand.norm.{part}"][kept])


def _kept_residual_channels(source: dict[str, Tensor], count: int) -> Tensor:
    """Choose channels of the last, wider stage by how much the blocks behind it read them."""
    readers = [source[f"block{index}.expand.weight"] for index in range(12, 16)]
    return _most(torch.cat(readers).abs().sum((0, 2, 3)), count)


def _most(use: Tensor, count: int) -> Tensor:
    """Return the indices of the largest values, the largest first."""
    return torch.argsort(use, descending=True, stable=True)[:count]
