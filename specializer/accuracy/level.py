"""Accuracies that were judged on different images, brought to one level."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..space import Population, SearchSpace
from .denoise import Floats
from .ridge import partial_offsets


def series_offsets(
    space: SearchSpace, population: Population, accuracies: Floats, series: Sequence[str]
) -> dict[str, float]:
    """Tell by how much each series lies above what the networks in it are worth.

    A quarter of a validation set is easier than another by half a point, which is as much as
    networks differ by. What a network is worth and how easy its images were are found together, by
    a linear model with a level for each series.

    Args:
        space: of the networks.
        population: different networks: (n, 1 + slots).
        accuracies: as fractions, or any other measure: (n,).
        series: which images, or which host, judged each network; alike labels are comparable.

    Returns:
        Offsets by label, to be subtracted; over all networks they sum up to nothing.
    """
    labels = sorted(set(series))
    member = np.array([[one == label for label in labels] for one in series], np.float64)
    offsets = partial_offsets(space, population, accuracies, member)
    offsets -= float((member @ offsets).mean())
    return dict(zip(labels, offsets.tolist(), strict=True))


def levelled(
    space: SearchSpace, population: Population, accuracies: Floats, series: Sequence[str]
) -> Floats:
    """Return accuracies as if all had been judged on images of the same ease: (n,)."""
    offsets = series_offsets(space, population, accuracies, series)
    level: Floats = accuracies - np.array([offsets[label] for label in series])
    return level
