"""What tells operators apart, whatever the device: how often each runs, its kind, its size."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence

import numpy as np

from ..errors import FormatError
from ..kinds import kind_of, multiply_adds, output_shape
from ..operator import Operator
from ..subject import Network
from .known import Floats

_SMALL = 1000  # added to a size before its logarithm is taken, for some operators have none


def count_operators(networks: Sequence[Network], operators: Sequence[Operator]) -> Floats:
    """Count how often each operator runs in each network: (networks, operators).

    Raises:
        FormatError: a network has an operator that is not among them.
    """
    places = {operator: place for place, operator in enumerate(operators)}
    counts = np.zeros((len(networks), len(operators)))
    for row, network in zip(counts, networks, strict=True):
        for operator, times in Counter(network.operators).items():
            if operator not in places:
                raise FormatError(f"{network} has {operator}, which is not to be estimated")
            row[places[operator]] = times
    return counts


def group_columns(operators: Sequence[Operator]) -> Floats:
    """One column for each kind of operator and kernel size: (operators, groups)."""
    groups = [(one.kind, dict(one.attributes).get("kernel", 0)) for one in operators]
    names = sorted(set(groups))
    return np.array([[group == name for name in names] for group in groups], np.float64)


def size_columns(operators: Sequence[Operator]) -> Floats:
    """Logarithms of multiply-adds, weights and activations, in deviations: (operators, 3)."""
    sizes = np.array(
        [
            (
                multiply_adds(one),
                sum(map(math.prod, kind_of(one).weights(one).values())),
                sum(map(math.prod, one.inputs)) + math.prod(output_shape(one)),
            )
            for one in operators
        ],
        np.float64,
    )
    logs = np.log(sizes + _SMALL)
    deviations = logs.std(axis=0)
    standard: Floats = (logs - logs.mean(axis=0)) / np.where(deviations > 0, deviations, 1.0)
    return standard
