"""BatchNorm recalibration: statistics of the very sub-network that will be shipped.

Source: Yu and Huang, Universally slimmable networks, ICCV 2019, section 3.3; Once-for-All's
published code does the same for every sub-network that it evaluates.
"""

from __future__ import annotations

from collections.abc import Iterable

import torch
import torch.nn.functional as functional
from torch import Tensor

from ..tables.errors import DatasetError
from .network import Network, TensorMap, run_graph


def recalibrate(network: Network, batches: Iterable[Tensor]) -> Network:
    """Gather a network's BatchNorm statistics anew; nothing is trained.

    Every layer normalises by the batch's own statistics while mean and variance of all images
    together are gathered (the variance of the whole is the mean of the variances plus the
    variance of the means).

    Args:
        network: as extracted, on any device; left as it is.
        batches: images, (N, 3, size, size), normalised as in training, on the same device.

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
    """BatchNorm by batch statistics that remembers them, weighted by images.

    torch's own BatchNorm hands out the statistics that it normalises by (as running ones with a
    momentum of 1). Computing them apart took three times as long as everything else about it.
    """

    def __init__(self, eps: float) -> None:
        self._eps = eps
        self._first_node = ""
        self.images = 0
        self.moments: dict[str, tuple[Tensor, Tensor]] = {}

    def __call__(self, tensor: Tensor, node: str, weights: TensorMap) -> Tensor:
        self._first_node = self._first_node or node
        if node == self._first_node:
            self.images += len(tensor)
        gain, shift = weights[f"{node}.norm.weight"], weights[f"{node}.norm.bias"]
        found, unbiased = torch.zeros_like(gain), torch.zeros_like(gain)
        normalised = functional.batch_norm(
            tensor, found, unbiased, gain, shift, training=True, momentum=1.0, eps=self._eps
        )
        count = tensor.numel() // tensor.shape[1]
        mean, variance = found.double(), unbiased.double() * ((count - 1) / count)
        first, second = mean * len(tensor), (variance + mean * mean) * len(tensor)
        before = self.moments.get(node)
        if before is not None:
            first, second = first + before[0], second + before[1]
        self.moments[node] = (first, second)
        return normalised
