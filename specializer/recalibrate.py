"""BatchNorm recalibration: statistics of the very sub-network that will be shipped.

Source: Yu and Huang, Universally slimmable networks, ICCV 2019, section 3.3; Once-for-All's
published code does the same for every sub-network that it evaluates.
"""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor

from ..tables.errors import DatasetError
from .network import BatchStatisticsNorm, Network, TensorMap, run_graph


def recalibrate(network: Network, batches: Iterable[Tensor]) -> Network:
    """Gather a network's BatchNorm statistics anew; nothing is trained.

    Every layer normalises by the batch's own statistics while mean and variance of all images
    together are gathered (the variance of the whole is the mean of the variances plus the
    variance of the means).

    Args:
        network: as extracted; left as it is.
        batches: images, (N, 3, size, size), normalised as in training.

    Returns:
        The same network with new running means and variances.

    Raises:
        DatasetError: there are no images.
    """
    gather = _GatheringNorm(network.eps)
    with torch.inference_mode():
        for images in batches:
            run_graph(network.graph, network.weights, images, gather)
    if not gather.images:
        raise DatasetError("recalibration needs images and got none; name a folder with --data")
    weights = dict(network.weights)
    for node, (total, square_total) in gather.moments.items():
        mean, square = total / gather.images, square_total / gather.images
        weights[f"{node}.norm.running_mean"] = mean.float()
        weights[f"{node}.norm.running_var"] = (square - mean * mean).clamp_min(0).float()
    return Network(network.graph, weights, network.eps)


class _GatheringNorm:
    """BatchNorm by batch statistics that remembers them, weighted by images."""

    def __init__(self, eps: float) -> None:
        self._norm = BatchStatisticsNorm(eps)
        self._first_node = ""
        self.images = 0
        self.moments: dict[str, tuple[Tensor, Tensor]] = {}

    def __call__(self, tensor: Tensor, node: str, weights: TensorMap) -> Tensor:
        self._first_node = self._first_node or node
        if node == self._first_node:
            self.images += len(tensor)
        variance, mean = torch.var_mean(tensor, (0, 2, 3), correction=0)
        mean, variance = mean.double(), variance.double()
        first, second = mean * len(tensor), (variance + mean * mean) * len(tensor)
        before = self.moments.get(node)
        if before is not None:
            first, second = first + before[0], second + before[1]
        self.moments[node] = (first, second)
        return self._norm(tensor, node, weights)
