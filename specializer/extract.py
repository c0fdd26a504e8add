"""Extraction: one sub-network out of a supernet, as a value of its own."""

from __future__ import annotations

from .network import Network
from .space import SubNetwork
from .supernets.elastic import ElasticMobileNetV3
from .supernets.mobilenet_v3 import BATCH_NORM_EPS


def extract(supernet: ElasticMobileNetV3, subnetwork: SubNetwork) -> Network:
    """Copy a sub-network's weights out of a supernet; the supernet is left as it was.

    The BatchNorm statistics are the first channels of the supernet's own. They were gathered in
    another network, so the copy is worth little before ``recalibrate``.

    Raises:
        FormatError: the supernet has no such sub-network.
    """
    graph = supernet.spec.graph(subnetwork)
    weights = supernet.weights(subnetwork)
    copies = {name: value.detach().clone().contiguous() for name, value in weights.items()}
    return Network(graph, copies, BATCH_NORM_EPS)
