"""What a supernet's file says of itself, readable without torch.

A ``.safetensors`` file begins with the length of its header (8 bytes, little-endian) and the
header, JSON that lists every tensor; strings of our own choice stand in it under
``__metadata__``. Ours is one string, because safetensors writes several in no fixed order.

Source: https://github.com/huggingface/safetensors, section Format.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..tables.errors import CheckpointError, FormatError
from .supernets.families import FAMILIES
from .supernets.mobilenet_v3 import MobileNetV3
from .supernets.supernet import SupernetSpec

SUFFIX = ".safetensors"
METADATA_KEY = "sartor"
FORMAT_VERSION = 2
"""Version 1 knew no family but MobileNetV3, and wrote its width in place of settings."""
MEAN = (0.485, 0.456, 0.406)
STD = (0.229, 0.224, 0.225)
"""ImageNet's mean and deviation of the channels, 0–1, by which every supernet's images go in."""

_MAX_HEADER_BYTES = 100_000_000  # safetensors' own limit


@dataclass(frozen=True, slots=True)
class Description:
    """Everything about a supernet but its weights.

    Attributes:
        name: of the supernet.
        spec: of any family.
        labels: names of the classes, in the classifier's order.
        metadata: where the weights come from: the recipe, the data, the date; any strings.

    Raises:
        FormatError: there is not one label for each class.
    """

    name: str
    spec: SupernetSpec
    labels: tuple[str, ...]
    metadata: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if len(self.labels) != self.spec.classes:
            raise FormatError(f"{len(self.labels)} labels cannot name {self.spec.classes} classes")

    def text(self) -> str:
        """Write the description as the JSON that stands in a file."""
        return json.dumps(
            {
                "format": FORMAT_VERSION,
                "name": self.name,
                "family": self.spec.family,
                "settings": dict(self.spec.settings),
                "resolutions": self.spec.resolutions,
                "labels": self.labels,
                "mean": MEAN,
                "std": STD,
                "metadata": dict(self.metadata),
            },
            sort_keys=True,
        )

    @classmethod
    def parse(cls, text: str) -> Description:
        """Read back what ``text`` wrote.

        Raises:
            CheckpointError: a newer Sartor wrote it, it is of a family that is not known, or for
                images that go in another way.
            FormatError: it is anything else.
        """
        try:
            values = json.loads(text)
            if (version := int(values["format"])) > FORMAT_VERSION:
                raise CheckpointError(
                    f"a newer Sartor wrote it, in format {version} where this one reads "
                    f"{FORMAT_VERSION}; update Sartor"
                )
            if (tuple(values["mean"]), tuple(values["std"])) != (MEAN, STD):
                raise CheckpointError("it wants images normalised in another way than ImageNet's")
            labels = tuple(map(str, values["labels"]))
            family, settings = _family_and_settings(version, values)
            spec = FAMILIES[family].describe(
                settings, len(labels), [int(size) for size in values["resolutions"]]
            )
            metadata = {str(key): str(value) for key, value in values["metadata"].items()}
            return cls(str(values["name"]), spec, labels, metadata)
        except (AttributeError, KeyError, TypeError, ValueError, OverflowError) as error:
            raise FormatError(f"{text[:80]!r} describes no supernet") from error


def _family_and_settings(version: int, values: Mapping[str, Any]) -> tuple[str, dict[str, float]]:
    if version == 1:
        return MobileNetV3.family, {"width": float(values["width"])}
    if (family := str(values["family"])) not in FAMILIES:
        raise CheckpointError(
            f"it is of the family {family!r}, which this Sartor does not know; update Sartor, or "
            "name the module that has its code: --supernet MODULE:ATTRIBUTE"
        )
    return family, {str(key): float(value) for key, value in values["settings"].items()}


def bare_name(weights: Path) -> str:
    """Return a file's name without its suffix.

    Published files have none, and end in a width that looks like one: ``…_w1.2`` is whole.
    """
    return weights.stem if weights.suffix[1:2].isalpha() else weights.name


def read_description(path: Path) -> Description:
    """Read what a ``.safetensors`` file that Sartor wrote says of itself.

    Raises:
        CheckpointError: there is no such file, or it is not such a file.
    """
    try:
        with path.open("rb") as file:
            length = int.from_bytes(file.read(8), "little")
            header = json.loads(file.read(min(length, _MAX_HEADER_BYTES)))
        return Description.parse(header["__metadata__"][METADATA_KEY])
    except CheckpointError as error:
        raise CheckpointError(f"{path} cannot be used: {error}") from error
    except OSError as error:
        raise CheckpointError(f"cannot read {path}: {error.strerror}; name another file") from error
    except (KeyError, TypeError, ValueError, RecursionError) as error:
        raise CheckpointError(
            f"{path} is damaged, or no supernet that Sartor wrote; copy or download it again"
        ) from error
