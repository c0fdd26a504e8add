"""The PyPI package ``ofa`` as the oracle of the supernets.

It imports torchvision for data sets that no test touches, and there is no CPU build of that for
every torch: modules with the few names that it mentions stand in where torchvision is absent.
"""

from __future__ import annotations

import functools
import importlib
import importlib.util
import sys
import warnings
from types import ModuleType
from typing import Protocol

import pytest
import torch
from torch import Tensor

from sartor.specializer.space import ABSENT, SubNetwork
from sartor.specializer.supernets.mobilenet_v3 import (
    BATCH_NORM_EPS,
    CHOICES,
    EXPANSIONS,
    KERNELS,
    MAX_DEPTH,
    MIN_DEPTH,
    MobileNetV3,
)


class _OfaNetwork(Protocol):
    def __call__(self, images: Tensor) -> Tensor: ...

    def set_active_subnet(self, ks: list[int], e: list[int], d: list[int]) -> None: ...

    def state_dict(self) -> dict[str, Tensor]: ...


class OfaReference:
    """``OFAMobileNetV3`` with random weights, statistics included.

    Args:
        spec: of the same supernet.
        seed: of the weights.
    """

    def __init__(self, spec: MobileNetV3, seed: int) -> None:
        networks = _import_ofa_networks()
        with torch.random.fork_rng(devices=()):
            torch.manual_seed(seed)
            self._network: _OfaNetwork = networks.OFAMobileNetV3(
                n_classes=spec.classes,
                bn_param=(0.1, BATCH_NORM_EPS),
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
        choices = [CHOICES[choice - 1] for choice in subnetwork[1:]]  # absent ones are not read
        filled = [choice != ABSENT for choice in subnetwork[1:]]
        depths = [sum(filled[i : i + MAX_DEPTH]) for i in range(0, len(filled), MAX_DEPTH)]
        self._network.set_active_subnet(
            ks=[kernel for kernel, _ in choices], e=[ratio for _, ratio in choices], d=depths
        )
        with torch.inference_mode():
            return self._network(images)


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
    if importlib.util.find_spec("torchvision") is None:
        _stand_in_for_torchvision()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the package's own, on import
        return importlib.import_module("ofa.imagenet_classification.elastic_nn.networks")


def _stand_in_for_torchvision() -> None:
    mentioned = {
        "torchvision": (),
        "torchvision.datasets": (),
        "torchvision.transforms": ("RandomResizedCrop", "Compose", "Normalize"),
        "torchvision.transforms.functional": (),
    }
    for name, attributes in mentioned.items():
        module = sys.modules[name] = ModuleType(name)
        for attribute in attributes:
            setattr(module, attribute, type(attribute, (), {}))
        parent, _, child = name.rpartition(".")
        if parent:
            setattr(sys.modules[parent], child, module)
