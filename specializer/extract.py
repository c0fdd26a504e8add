"""Extraction: one sub-network out of a supernet, as a value of its own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from torch import Tensor

from .network import Network
from .space import SubNetwork
from .supernets.supernet import SupernetSpec


class WeightSharing(Protocol):
    """Whatever has the weights of every sub-network of a space."""

    @property
    def spec(self) -> SupernetSpec:
        """The space, and the graph of any sub-network."""
        ...

    def weights(self, subnetwork: SubNetwork) -> Mapping[str, Tensor]:
        """Return a sub-network's weights, named as its graph names them."""
        ...


def extract(supernet: WeightSharing, subnetwork: SubNetwork) -> Network:
    """Copy a sub-network's weights out of a supernet; the supernet is left as it was.

    The BatchNorm statistics are the first channels of the supernet's own. They were gathered in
    another network, so the copy is worth little before ``recalibrate``.

    Raises:
        FormatError: the supernet has no such sub-network.
    """
    graph = supernet.spec.graph(subnetwork)
    weights = supernet.weights(subnetwork)
    copies = {name: value.detach().clone().contiguous() for name, value in weights.items()}
    return Network(graph, copies, supernet.spec.batch_norm_eps)
