"""What a supernet's weights start from."""

from __future__ import annotations

import torch

from ...tables.errors import CheckpointError
from ..checkpoint import load_supernet
from ..shipped import find_supernet
from ..supernets.elastic import ElasticMobileNetV3
from .known_family import trainable
from .recipe import EFFICIENTNET_LITE, NO_START
from .warm_start import warm_start


@torch.no_grad()
def start(supernet: ElasticMobileNetV3, name: str, classes: tuple[str, ...]) -> None:
    """Fill a supernet with the weights that a recipe starts from, in place.

    Args:
        supernet: with random weights.
        name: ``random``, ``efficientnet-lite0``, or the name or file of a supernet of the same
            width. Where that knows other classes, the classifier keeps its random weights.
        classes: that the supernet will know.

    Raises:
        CheckpointError: the weights do not fit.
        RuntimeMissingError: a package is not installed.
        UnknownNameError: there are no such weights.
    """
    if name == NO_START:
        return
    if name == EFFICIENTNET_LITE:
        warm_start(supernet)
        return
    checkpoint = load_supernet(find_supernet(name).weights)
    width = trainable(name, checkpoint.supernet.spec).width
    if width != supernet.spec.width:
        raise CheckpointError(
            f"{name} has width {width:g}, the recipe "
            f"{supernet.spec.width:g}; choose the same, or another --start"
        )
    given, same_classes = checkpoint.supernet.state_dict(), checkpoint.labels == classes
    for key, value in supernet.state_dict().items():
        if same_classes or not key.startswith("classifier"):
            value.copy_(given[key])
