"""Which supernets can be trained: so far those of one family."""

from __future__ import annotations

from ...tables.errors import CheckpointError
from ..supernets.mobilenet_v3 import MobileNetV3
from ..supernets.supernet import SupernetSpec


def trainable(name: str, spec: SupernetSpec) -> MobileNetV3:
    """Return a supernet's spec as one that recipes are for.

    Args:
        name: of the supernet, for people.
        spec: of any family.

    Raises:
        CheckpointError: it is of another family.
    """
    if not isinstance(spec, MobileNetV3):
        raise CheckpointError(
            f"{name} is of the family {spec.family}, and only {MobileNetV3.family} can be trained; "
            "train it with its own code, and use what comes of it with: sartor evaluate, then "
            "sartor specialize"
        )
    return spec
