"""The Once-for-All MobileNetV3 supernet as a torch module.

Its state dict has the published names, so published checkpoints load. There is no "active"
sub-network: the weights of one are a pure function of (supernet, sub-network), and a forward pass
takes the sub-network as an argument.

Source: Cai et al., Once-for-All, ICLR 2020, section 3.3.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import pairwise

import torch
import torch.nn.functional as functional
from torch import Tensor, nn

from ...tables.channels import make_divisible
from ...tables.operator import Shape
from ..network import BatchStatisticsNorm, Normalise, run_graph
from ..space import SubNetwork
from .mobilenet_v3 import BATCH_NORM_EPS, KERNELS, Block, MobileNetV3, Widths

_STATISTICS = ("running_mean", "running_var")
_NORM = ("weight", "bias", *_STATISTICS)


class ElasticMobileNetV3(nn.Module):
    """Weights shared by every sub-network of a space.

    A sub-network's convolutions are the first channels of the largest one's. Small kernels are
    the centre of large ones, passed through a learned matrix (7 to 5 to 3).

    Args:
        spec: widths, classes and resolutions.
        state: every tensor of ``state_shapes`` by name, taken as it is; random ones by default.
    """

    def __init__(self, spec: MobileNetV3, state: Mapping[str, Tensor] | None = None) -> None:
        super().__init__()
        self.spec = spec
        self._homes: dict[str, tuple[nn.Module, str]] = {}
        for name, shape in state_shapes(spec).items():
            value = _initial_value(name, shape) if state is None else state[name]
            self._homes[name] = _register(self, name, value)

    def forward(
        self, images: Tensor, subnetwork: SubNetwork, normalise: Normalise | None = None
    ) -> Tensor:
        """Compute one sub-network.

        Args:
            images: (N, 3, size, size) at the sub-network's resolution.
            subnetwork: of the supernet's space.
            normalise: what BatchNorm does; by default the batch's own statistics.

        Returns:
            Logits, (N, classes).
        """
        return run_graph(
            self.spec.graph(subnetwork),
            self.weights(subnetwork),
            images,
            normalise or BatchStatisticsNorm(BATCH_NORM_EPS),
        )

    def weights(self, subnetwork: SubNetwork) -> dict[str, Tensor]:
        """Return a sub-network's weights, named as its graph names them.

        They are views of the supernet's, or computed from them (small kernels): gradients reach
        the supernet, and nothing in it changes.
        """
        state = _State(self._homes)
        taken: dict[str, Tensor] = {}
        _take_fixed(taken, state)
        for block in self.spec.blocks(subnetwork):
            _take_block(taken, state, block)
        return taken


def state_shapes(spec: MobileNetV3) -> dict[str, Shape]:
    """List every tensor of a supernet by its published name, with its shape."""
    channels = spec.widths
    shapes = dict(_fixed_shapes(channels, spec.classes))
    for slot, place in enumerate(spec.space.slots):
        block = spec.block(slot, len(place.choices))  # the dearest choice is the widest
        shapes |= dict(_block_shapes(block))
    return shapes


def _fixed_shapes(channels: Widths, classes: int) -> Iterator[tuple[str, Shape]]:
    yield "first_conv.conv.weight", (channels.stem, 3, 3, 3)
    yield from _norm_shapes("first_conv.bn", channels.stem)
    yield "blocks.0.conv.depth_conv.conv.weight", (channels.stem, 1, 3, 3)
    yield from _norm_shapes("blocks.0.conv.depth_conv.bn", channels.stem)
    yield "blocks.0.conv.point_linear.conv.weight", (channels.first, channels.stem, 1, 1)
    yield from _norm_shapes("blocks.0.conv.point_linear.bn", channels.first)
    yield "final_expand_layer.conv.weight", (channels.expand, channels.stages[-1], 1, 1)
    yield from _norm_shapes("final_expand_layer.bn", channels.expand)
    yield "feature_mix_layer.conv.weight", (channels.feature, channels.expand, 1, 1)
    yield "classifier.linear.weight", (classes, channels.feature)
    yield "classifier.linear.bias", (classes,)


def _block_shapes(block: Block) -> Iterator[tuple[str, Shape]]:
    name, middle = f"blocks.{block.index}.conv", block.middle
    yield f"{name}.inverted_bottleneck.conv.conv.weight", (middle, block.in_channels, 1, 1)
    yield from _norm_shapes(f"{name}.inverted_bottleneck.bn.bn", middle)
    yield f"{name}.depth_conv.conv.conv.weight", (middle, 1, KERNELS[-1], KERNELS[-1])
    for small, large in pairwise(KERNELS):
        yield f"{name}.depth_conv.conv.{large}to{small}_matrix", (small**2, small**2)
    yield from _norm_shapes(f"{name}.depth_conv.bn.bn", middle)
    if block.squeeze_excite:
        squeeze = make_divisible(middle // 4)
        yield f"{name}.depth_conv.se.fc.reduce.weight", (squeeze, middle, 1, 1)
        yield f"{name}.depth_conv.se.fc.reduce.bias", (squeeze,)
        yield f"{name}.depth_conv.se.fc.expand.weight", (middle, squeeze, 1, 1)
        yield f"{name}.depth_conv.se.fc.expand.bias", (middle,)
    yield f"{name}.point_linear.conv.conv.weight", (block.out_channels, middle, 1, 1)
    yield from _norm_shapes(f"{name}.point_linear.bn.bn", block.out_channels)


def _norm_shapes(name: str, channels: int) -> Iterator[tuple[str, Shape]]:
    for part in _NORM:
        yield f"{name}.{part}", (channels,)


class _State(Mapping[str, Tensor]):
    """A supernet's tensors by name; looking one up walks no tree of modules, listing all does."""

    def __init__(self, homes: Mapping[str, tuple[nn.Module, str]]) -> None:
        self._homes = homes

    def __getitem__(self, name: str) -> Tensor:
        module, leaf = self._homes[name]
        value: Tensor = getattr(module, leaf)
        return value

    def __iter__(self) -> Iterator[str]:
        return iter(self._homes)

    def __len__(self) -> int:
        return len(self._homes)

    def __contains__(self, name: object) -> bool:
        return name in self._homes


def _register(root: nn.Module, name: str, value: Tensor) -> tuple[nn.Module, str]:
    """Hang a tensor under its dotted name; return the module that holds it, and as what."""
    *path, leaf = name.split(".")
    module = root
    for part in path:
        if part not in dict(module.named_children()):
            module.add_module(part, nn.Module())
        module = module.get_submodule(part)
    if leaf in _STATISTICS:
        module.register_buffer(leaf, value)
    else:
        module.register_parameter(leaf, nn.Parameter(value))
    return module, leaf


def _initial_value(name: str, shape: Shape) -> Tensor:
    """Draw or set a tensor as is usual before training."""
    leaf = name.rpartition(".")[2]
    if leaf.endswith("_matrix"):
        return torch.eye(shape[0])
    if len(shape) == 4:
        return nn.init.kaiming_normal_(torch.empty(shape), mode="fan_out")
    if len(shape) == 2:
        return nn.init.normal_(torch.empty(shape), std=0.01)
    return torch.ones(shape) if leaf in ("weight", "running_var") else torch.zeros(shape)


def _take_norm(
    taken: dict[str, Tensor], state: Mapping[str, Tensor], node: str, name: str, channels: int
) -> None:
    for part in _NORM:
        taken[f"{node}.norm.{part}"] = _first(state[f"{name}.{part}"], channels)


def _take_fixed(taken: dict[str, Tensor], state: Mapping[str, Tensor]) -> None:
    convolutions = {
        "stem": "first_conv",
        "block0.depthwise": "blocks.0.conv.depth_conv",
        "block0.project": "blocks.0.conv.point_linear",
        "head.expand": "final_expand_layer",
        "head.feature": "feature_mix_layer",
    }
    for node, name in convolutions.items():
        weight = state[f"{name}.conv.weight"]
        taken[f"{node}.weight"] = weight
        if f"{name}.bn.weight" in state:
            _take_norm(taken, state, node, f"{name}.bn", len(weight))
    for part in ("weight", "bias"):
        taken[f"classifier.{part}"] = state[f"classifier.linear.{part}"]


def _take_block(taken: dict[str, Tensor], state: Mapping[str, Tensor], block: Block) -> None:
    node, name, middle = f"block{block.index}", f"blocks.{block.index}.conv", block.middle
    taken[f"{node}.expand.weight"] = _first(
        state[f"{name}.inverted_bottleneck.conv.conv.weight"], middle
    )
    _take_norm(taken, state, f"{node}.expand", f"{name}.inverted_bottleneck.bn.bn", middle)
    taken[f"{node}.depthwise.weight"] = small_kernel(
        _first(state[f"{name}.depth_conv.conv.conv.weight"], middle),
        block.kernel,
        {k: state[f"{name}.depth_conv.conv.{k}_matrix"] for k in ("7to5", "5to3")},
    )
    _take_norm(taken, state, f"{node}.depthwise", f"{name}.depth_conv.bn.bn", middle)
    if block.squeeze_excite:
        squeeze, full = block.squeeze_middle, f"{name}.depth_conv.se.fc"
        short = f"{node}.squeeze_excite"
        taken[f"{short}.reduce_weight"] = _first(state[f"{full}.reduce.weight"], squeeze, middle)
        taken[f"{short}.reduce_bias"] = _first(state[f"{full}.reduce.bias"], squeeze)
        taken[f"{short}.expand_weight"] = _first(state[f"{full}.expand.weight"], middle, squeeze)
        taken[f"{short}.expand_bias"] = _first(state[f"{full}.expand.bias"], middle)
    projection = state[f"{name}.point_linear.conv.conv.weight"]
    taken[f"{node}.project.weight"] = _first(projection, len(projection), middle)
    _take_norm(taken, state, f"{node}.project", f"{name}.point_linear.bn.bn", block.out_channels)


def _first(weight: Tensor, *channels: int) -> Tensor:
    """Return the first channels of each leading axis; the very tensor where those are all.

    What is not sliced costs no kernels on a GPU, neither here nor for its gradient.
    """
    for axis, count in enumerate(channels):
        if count < weight.shape[axis]:
            weight = weight.narrow(axis, 0, count)
    return weight


def small_kernel(weight: Tensor, size: int, matrices: dict[str, Tensor]) -> Tensor:
    """Derive a small depthwise kernel from the largest one.

    Args:
        weight: (channels, 1, 7, 7).
        size: 7, 5 or 3.
        matrices: ``"7to5"`` (25, 25) and ``"5to3"`` (9, 9).

    Returns:
        (channels, 1, size, size); gradients reach the weight and the matrices on the way.

    Source: Cai et al., Once-for-All, ICLR 2020, section 3.3 (elastic kernel size).
    """
    for large, small in ((7, 5), (5, 3)):
        if size < large:
            centre = weight[:, :, 1:-1, 1:-1].flatten(2)
            weight = functional.linear(centre, matrices[f"{large}to{small}"])
            weight = weight.reshape(-1, 1, small, small)
    return weight
