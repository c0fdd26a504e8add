"""The PyPI package ``ofa`` as an oracle for the supernets.

It imports torchvision for data sets that no test touches, and there is no CPU build of that for
every torch; modules with the few names it mentions stand in for those imports, nothing else.
"""

from __future__ import annotations

import sys
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
import torch

from sartor.specializer.supernets.mobilenet_v3 import CHOICES, MAX_DEPTH, MobileNetV3
from sartor.specializer.space import ABSENT, SubNetwork


def import_ofa_mobilenet_v3() -> Any:
    """Import ``ofa``'s OFAMobileNetV3, or skip with the command that installs it."""
    names = ("torchvision", "torchvision.transforms", "torchvision.transforms.functional",
             "torchvision.datasets")
    missing = [name for name in names if name not in sys.modules]
    try:
        import torchvision  # noqa: F401
    except ImportError:
        for name in missing:
            sys.modules[name] = ModuleType(name)
        transforms = sys.modules["torchvision.transforms"]
        placeholder = type("Placeholder", (), {})
        for attribute in ("RandomResizedCrop", "Compose", "Normalize"):
            setattr(transforms, attribute, placeholder)
        transforms.functional = sys.modules["torchvision.transforms.functional"]  # type: ignore[attr-defined]
        sys.modules["torchvision"].transforms = transforms  # type: ignore[attr-defined]
        sys.modules["torchvision"].datasets = sys.modules["torchvision.datasets"]  # type: ignore[attr-defined]
    return pytest.importorskip(
        "ofa.imagenet_classification.elastic_nn.networks", reason="pip install ofa --no-deps"
    ).OFAMobileNetV3
