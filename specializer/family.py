"""A supernet together with those that were fine-tuned for parts of its space.

Source: Zhao et al., Few-shot neural architecture search, ICML 2021.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from torch import Tensor, device

from ..tables.errors import CheckpointError, FormatError
from .checkpoint import Checkpoint, load_supernet
from .region import Region
from .shipped import SupernetFiles
from .space import SubNetwork
from .supernets.elastic import ElasticSupernet
from .supernets.supernet import SupernetSpec

REGION_KEY = "region"
"""Under which a file's metadata name the region that it was fine-tuned for."""


@dataclass(frozen=True, slots=True, eq=False)
class Family:
    """Weights of every sub-network of a space, each from the supernet of its region.

    Attributes:
        whole: the supernet of the whole space; whatever no region holds is taken from it.
        regions: parts of the space, each with the supernet fine-tuned for it.
    """

    whole: Checkpoint
    regions: tuple[tuple[Region, ElasticSupernet[SupernetSpec]], ...] = ()

    @property
    def spec(self) -> SupernetSpec:
        """Everything about the supernet but its weights."""
        return self.whole.supernet.spec

    def supernet_of(self, subnetwork: SubNetwork) -> ElasticSupernet[SupernetSpec]:
        """Return the supernet whose region a sub-network belongs to."""
        row = np.array([subnetwork], np.int16)
        for region, supernet in self.regions:
            if region.contains(self.spec.space, row)[0]:
                return supernet
        return self.whole.supernet

    def weights(self, subnetwork: SubNetwork) -> Mapping[str, Tensor]:
        """Return a sub-network's weights, named as its graph names them."""
        return self.supernet_of(subnetwork).weights(subnetwork)

    def to(self, where: str | device) -> Family:
        """Move every supernet to a device of torch, in place."""
        for supernet in (self.whole.supernet, *(supernet for _, supernet in self.regions)):
            supernet.to(where)
        return self


def load_family(files: SupernetFiles) -> Family:
    """Read a supernet and the supernets of its regions, where there are some beside it.

    Raises:
        CheckpointError: a file cannot be read, or is of another supernet.
    """
    whole = load_supernet(files.weights, files.own)
    regions = []
    for path in files.regions:
        part = load_supernet(path)
        if (part.supernet.spec, part.labels) != (whole.supernet.spec, whole.labels):
            raise CheckpointError(
                f"{path} is of another supernet than {files.weights}; remove it, or train it anew "
                f"with: sartor train --start {files.weights} --split …"
            )
        try:
            region = Region.parse(part.metadata.get(REGION_KEY, ""), whole.supernet.spec.space)
        except FormatError as error:
            raise CheckpointError(
                f"{path} does not say what region it is for; remove it"
            ) from error
        regions.append((region, part.supernet))
    return Family(whole, tuple(regions))
