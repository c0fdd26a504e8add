"""The PyPI package ``ofa`` as the oracle of the supernets.

It imports torchvision for data sets that no test touches, and there is no CPU build of that for
every torch: a stand-in is made where it is absent.
"""

from __future__ import annotations

import functools
import importlib
import importlib.util
import warnings
from types import ModuleType
from typing import Any, Protocol, cast

import pytest
import torch
from torch import Tensor, nn

from sartor.benchmarks.ofa_search import torchvision_or_a_stand_in
from sartor.specializer.space import ABSENT, SubNetwork
from sartor.specializer.supernets.mbconv_supernet import (
    CHOICES,
    EXPANSIONS,
    KERNELS,
    MbconvSupernet,
)
from sartor.specializer.supernets.mobilenet_v3 import MAX_DEPTH, MIN_DEPTH, MobileNetV3
from sartor.specializer.supernets.proxylessnas import ProxylessNAS

_CLASSES = {
    MobileNetV3.family: "OFAMobileNetV3",
    ProxylessNAS.family: "OFAProxylessNASNets",
}


class OfaNetwork(Protocol):
    """Any network of the package."""

    @property
    def config(self) -> dict[str, Any]: ...

    def __call__(self, images: Tensor) -> Tensor: ...

    def state_dict(self) -> dict[str, Tensor]: ...


class _OfaSupernet(OfaNetwork, Protocol):
    def set_active_subnet(self, ks: list[int], e: list[int], d: list[int]) -> None: ...

    def get_active_subnet(self) -> nn.Module: ...


class OfaReference:
    """The published supernet of a family with random weights, statistics included.

    Args:
        spec: of the same supernet.
        seed: of the weights.
    """

    def __init__(self, spec: MbconvSupernet, seed: int) -> None:
        networks = _import_ofa_networks()
        self._spec = spec
        with torch.random.fork_rng(devices=()):
            torch.manual_seed(seed)
            self._network: _OfaSupernet = getattr(networks, _CLASSES[spec.family])(
                n_classes=spec.classes,  # the epsilon of BatchNorm is its own default
                dropout_rate=0,
                width_mult=spec.width,
                ks_list=list(KERNELS),
                expand_ratio_list=list(EXPANSIONS),
                depth_list=list(range(MIN_DEPTH, MAX_DEPTH + 1)),
            ).eval()
            for name, value in self._network.state_dict().items():
                _randomise(name, value)

    @property
    def state(self) -> dict[str, Tensor]:
        """The weights by their published names, as a checkpoint has them."""
        return self._network.state_dict()

    def __call__(self, images: Tensor, subnetwork: SubNetwork) -> Tensor:
        """Compute the logits of a sub-network."""
        self._activate(subnetwork)
        with torch.inference_mode():
            return self._network(images)

    def counts(self, subnetwork: SubNetwork) -> tuple[int, int]:
        """Return multiply-adds of one image, and weights once BatchNorm is folded.

        Multiply-adds are those that the package counts, of convolutions and of the classifier.
        Every convolution has a bias when it is deployed, so of BatchNorm nothing else is left.
        """
        self._activate(subnetwork)
        network = self._network.get_active_subnet().eval()
        size = self._spec.resolution(subnetwork)
        flops = importlib.import_module("ofa.utils.pytorch_utils").count_net_flops
        multiply_adds = int(flops(network, (1, 3, size, size)))
        weights = 0
        for module in network.modules():
            if isinstance(module, (nn.Conv2d, nn.Linear)):
                weights += module.weight.numel() + module.weight.shape[0]
        return multiply_adds, weights

    def extracted(self, subnetwork: SubNetwork) -> OfaNetwork:
        """Return a sub-network as a network of its own, which is how single ones are published."""
        self._activate(subnetwork)
        return cast("OfaNetwork", self._network.get_active_subnet().eval())

    def _activate(self, subnetwork: SubNetwork) -> None:
        choices = [CHOICES[choice - 1] for choice in subnetwork[1:]]  # absent ones are not read
        taken = iter(subnetwork[1:])
        stages = self._spec.space.stages
        depths = [sum(next(taken) != ABSENT for _ in stage) for stage in stages]
        self._network.set_active_subnet(
            ks=[kernel for kernel, _ in choices], e=[ratio for _, ratio in choices], d=depths
        )


def published_network(config: dict[str, Any], seed: int) -> OfaNetwork:
    """Build what a configuration says with random weights, statistics included."""
    _import_ofa_networks()
    networks = importlib.import_module("ofa.imagenet_classification.networks")
    with torch.random.fork_rng(devices=()):
        torch.manual_seed(seed)
        network = networks.get_net_by_name(config["name"]).build_from_config(config).eval()
        for name, value in network.state_dict().items():
            _randomise(name, value)
    return cast("OfaNetwork", network)


def _randomise(name: str, value: Tensor) -> None:
    """Give every tensor that would start as zeros, ones or the identity random values instead."""
    if name.endswith("running_var") or (".bn." in name and name.endswith("weight")):
        value.uniform_(0.5, 1.5)
    elif name.endswith(("running_mean", "bias")):
        value.normal_(0, 0.1)
    elif name.endswith("_matrix"):
        value.add_(torch.randn_like(value), alpha=0.1)


@functools.cache
def _import_ofa_networks() -> ModuleType:
    if importlib.util.find_spec("ofa") is None:
        pytest.skip("the oracle is not installed: pip install --no-deps ofa")
    with torchvision_or_a_stand_in(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the package's own, on import
        return importlib.import_module("ofa.imagenet_classification.elastic_nn.networks")
