"""Channel sorting: the channels that narrow sub-networks keep are the important ones.

Source: Cai et al., Once-for-All, ICLR 2020, section 3.3 (elastic width, figure 4).
"""

from __future__ import annotations

import torch

from ..supernets.elastic import ElasticMobileNetV3


@torch.no_grad()
def sort_channels(supernet: ElasticMobileNetV3) -> None:
    """Order every block's middle channels by importance, in place.

    Importance is the L1 norm of what the projection reads of a channel. The largest sub-network
    computes the same function before and after.
    """
    state = supernet.state_dict()
    for slot in range(len(supernet.spec.space.slots)):
        name = f"blocks.{slot + 1}.conv"
        projection = state[f"{name}.point_linear.conv.conv.weight"]
        order = torch.argsort(projection.abs().sum((0, 2, 3)), descending=True, stable=True)
        projection.copy_(projection[:, order])
        by_channel = [f"{name}.inverted_bottleneck.conv.conv.weight"]
        by_channel += [f"{name}.depth_conv.conv.conv.weight"]
        for layer in ("inverted_bottleneck", "depth_conv"):
            by_channel += [
                f"{name}.{layer}.bn.bn.{part}"
                for part in ("weight", "bias", "running_mean", "running_var")
            ]
        gate = f"{name}.depth_conv.se.fc"
        if f"{gate}.reduce.weight" in state:
            by_channel += [f"{gate}.expand.weight", f"{gate}.expand.bias"]
            reduce = state[f"{gate}.reduce.weight"]
            reduce.copy_(reduce[:, order])
            squeeze_use = state[f"{gate}.expand.weight"].abs().sum((0, 2, 3))
            squeeze = torch.argsort(squeeze_use, descending=True, stable=True)
            state[f"{gate}.expand.weight"].copy_(state[f"{gate}.expand.weight"][:, squeeze])
            for part in ("weight", "bias"):
                tensor = state[f"{gate}.reduce.{part}"]
                tensor.copy_(tensor[squeeze])
        for key in by_channel:
            state[key].copy_(state[key][order])
