"""Supernets as torch modules: one module for every family.

Its state dict has the published names, so published checkpoints load. There is no "active"
sub-network: the weights of one are a pure function of (supernet, sub-network), and a forward pass
takes the sub-network as an argument. Which tensors there are, and what a sub-network takes of
them, the spec says (``supernet.SupernetSpec``).

Source: Cai et al., Once-for-All, ICLR 2020, section 3.3.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Generic, TypeVar

import torch
from torch import Tensor, nn

from ...tables.operator import Shape
from ..network import BatchStatisticsNorm, Normalise, run_graph
from ..space import SubNetwork
from .mobilenet_v3 import MobileNetV3
from .supernet import SupernetSpec

_STATISTICS = ("running_mean", "running_var")

Spec_co = TypeVar("Spec_co", bound=SupernetSpec, covariant=True)


class ElasticSupernet(nn.Module, Generic[Spec_co]):
    """Weights shared by every sub-network of a space.

    Args:
        spec: of the supernet, of any family.
        state: every tensor of ``spec.state_shapes()`` by name, taken as it is; random ones by
            default.
    """

    def __init__(self, spec: Spec_co, state: Mapping[str, Tensor] | None = None) -> None:
        super().__init__()
        self.spec = spec
        self._homes: dict[str, tuple[nn.Module, str]] = {}
        for name, shape in spec.state_shapes().items():
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
            normalise or BatchStatisticsNorm(self.spec.batch_norm_eps),
        )

    def weights(self, subnetwork: SubNetwork) -> dict[str, Tensor]:
        """Return a sub-network's weights, named as its graph names them.

        They are views of the supernet's, or computed from them (small kernels): gradients reach
        the supernet, and nothing in it changes.
        """
        return self.spec.weights(subnetwork, _State(self._homes))


ElasticMobileNetV3 = ElasticSupernet[MobileNetV3]
"""What ``sartor train`` trains; it knows no other family."""


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
