"""Several sub-networks computed on one batch: what a step of training is made of.

Source: Yu et al., BigNAS, ECCV 2020, section 3.1 (sandwich rule, in-place distillation).
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as functional
from torch import Tensor, nn

from ..space import SubNetwork
from ..supernets.elastic import ElasticMobileNetV3


class Sandwich(nn.Module):
    """A supernet, seen as one module that computes several of its sub-networks.

    ``DistributedDataParallel`` wraps this, because it wants one forward pass for each backward.
    """

    def __init__(self, supernet: ElasticMobileNetV3) -> None:
        super().__init__()
        self.supernet = supernet

    def forward(
        self,
        images: Tensor,
        subnetworks: Sequence[SubNetwork],
        target: Tensor,
        inplace_share: float,
    ) -> tuple[Tensor, Tensor]:
        """Compute each sub-network's loss.

        Args:
            images: (N, 3, size, size), normalised.
            subnetworks: k of them, all of that resolution.
            target: probabilities, (N, classes).
            inplace_share: of the others' target, how much is the first one's answer.

        Returns:
            Cross-entropy, (k,), and top-1 against the target's most likely class, (k,).
        """
        answer = target.argmax(1)
        losses, right = [], []
        for index, subnetwork in enumerate(subnetworks):
            logits = self.supernet(images, subnetwork).float()
            losses.append(functional.cross_entropy(logits, target))
            right.append((logits.detach().argmax(1) == answer).float().mean())
            if index == 0 and inplace_share:
                target = torch.lerp(target, logits.detach().softmax(1), inplace_share)
        return torch.stack(losses), torch.stack(right)
