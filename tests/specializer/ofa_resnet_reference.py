"""The PyPI package ``ofa`` as the oracle of ResNet50."""

from __future__ import annotations

from itertools import islice
from typing import Protocol, cast

import numpy as np
import torch
from torch import Tensor, nn

from sartor.specializer.space import ABSENT, SubNetwork
from sartor.specializer.supernets.resnet50 import DEPTHS, EXPANSIONS, ResNet50

from .ofa_reference import OfaNetwork, _import_ofa_networks, _randomise


class _OfaResNet(Protocol):
    def __call__(self, images: Tensor) -> Tensor: ...

    def set_active_subnet(self, d: list[int], e: list[float], w: list[int]) -> None: ...

    def get_active_subnet(self) -> nn.Module: ...

    def state_dict(self) -> dict[str, Tensor]: ...


class OfaResNetReference:
    """``OFAResNets`` with random weights, statistics included.

    Args:
        spec: of the same supernet.
        seed: of the weights.
    """

    def __init__(self, spec: ResNet50, seed: int) -> None:
        networks = _import_ofa_networks()
        self._spec = spec
        with torch.random.fork_rng(devices=()):
            torch.manual_seed(seed)
            self._network: _OfaResNet = networks.OFAResNets(
                n_classes=spec.classes,  # the epsilon of BatchNorm is its own default
                dropout_rate=0,
                depth_list=[0, 1, 2],
                expand_ratio_list=list(EXPANSIONS),
                width_mult_list=list(spec.multipliers),
            ).eval()
            for name, value in self._network.state_dict().items():
                _randomise(name, value)

    @property
    def state(self) -> dict[str, Tensor]:
        """The weights by the names that the package itself has for them."""
        return self._network.state_dict()

    def __call__(self, images: Tensor, subnetwork: SubNetwork) -> Tensor:
        """Compute the logits of a sub-network."""
        self._activate(subnetwork)
        with torch.inference_mode():
            return self._network(images)

    def counts(self, subnetwork: SubNetwork) -> tuple[int, int, int]:
        """Return multiply-adds of one image, and how many weights there are, trained and deployed.

        They are counted in the network that the package extracts: its own count of multiply-adds
        is rounded to single precision. Deployed, a convolution has a bias in place of BatchNorm.
        """
        self._activate(subnetwork)
        network = self._network.get_active_subnet().eval()
        layers = [one for one in network.modules() if isinstance(one, (nn.Conv2d, nn.Linear))]
        multiply_adds = 0

        def count(layer: nn.Module, _: object, result: Tensor) -> None:
            nonlocal multiply_adds
            assert isinstance(layer, (nn.Conv2d, nn.Linear))
            multiply_adds += result.numel() * layer.weight[0].numel()

        for layer in layers:
            layer.register_forward_hook(count)
        size = self._spec.resolution(subnetwork)
        with torch.inference_mode():
            network(torch.zeros(1, 3, size, size))
        trained = sum(value.numel() for value in network.parameters())
        deployed = sum(layer.weight.numel() + len(layer.weight) for layer in layers)
        return multiply_adds, trained, deployed

    def extracted(self, subnetwork: SubNetwork) -> OfaNetwork:
        """Return a sub-network as a network of its own, which is how single ones are published."""
        self._activate(subnetwork)
        return cast("OfaNetwork", self._network.get_active_subnet().eval())

    def _activate(self, subnetwork: SubNetwork) -> None:
        genes = self._spec.space.genes(np.array([subnetwork], np.int16))[0].tolist()
        _, *widths, stem = genes[:8]
        blocks = genes[8:]
        taken = iter(blocks)
        depths = [
            sum(choice != ABSENT for choice in islice(taken, most)) - least
            for least, most in DEPTHS
        ]
        self._network.set_active_subnet(
            d=[2 if stem else 0, *depths],  # of the stem, anything but the most skips its block
            e=[EXPANSIONS[choice - 1] for choice in blocks],  # those of absent ones are not read
            w=widths,
        )
