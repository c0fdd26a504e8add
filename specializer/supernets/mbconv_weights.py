"""The weights of a sub-network of MBConv blocks, taken out of its supernet's tensors.

A sub-network's convolutions are the first channels of the largest one's. Small kernels are the
centre of large ones, passed through a learned matrix (7 to 5 to 3).

Source: Cai et al., Once-for-All, ICLR 2020, section 3.3.
"""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from ..space import SubNetwork
from .mbconv import Block, Convolution, convolutions, gate_tensors
from .mbconv_supernet import CLASSIFIER, MbconvSupernet
from .slices import first_channels, small_kernel

_MATRICES = ("7to5", "5to3")


def take_weights(
    spec: MbconvSupernet, subnetwork: SubNetwork, state: Mapping[str, Tensor]
) -> dict[str, Tensor]:
    """Take a sub-network's weights, as ``SupernetSpec.weights`` says."""
    taken: dict[str, Tensor] = {}
    for convolution in spec.fixed_convolutions():
        for ours, published in convolution.tensors():
            taken[ours] = state[published]
    for part in ("weight", "bias"):
        taken[f"classifier.{part}"] = state[f"{CLASSIFIER}.{part}"]
    for block in spec.blocks(subnetwork):
        _take_block(taken, state, block)
    return taken


def _take_block(taken: dict[str, Tensor], state: Mapping[str, Tensor], block: Block) -> None:
    found, middle, out = convolutions(block, elastic=True), block.middle, block.out_channels
    _take(taken, state, found["expand"], middle)
    _take(taken, state, found["depthwise"], middle)
    kernels, layer = f"{found['depthwise'].node}.weight", f"blocks.{block.index}.conv.depth_conv"
    taken[kernels] = small_kernel(
        taken[kernels],
        block.kernel,
        {pair: state[f"{layer}.conv.{pair}_matrix"] for pair in _MATRICES},
    )
    for ours, published, shape in gate_tensors(block):
        taken[ours] = first_channels(state[published], *shape)
    _take(taken, state, found["project"], out, middle)


def _take(
    taken: dict[str, Tensor], state: Mapping[str, Tensor], layer: Convolution, *channels: int
) -> None:
    """Take a convolution's first output (and input) channels, and as much of its BatchNorm."""
    for ours, published in layer.tensors():
        tensor = state[published]
        taken[ours] = first_channels(tensor, *channels[: tensor.dim()])
