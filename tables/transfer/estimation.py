"""Estimates of all operators from a few measured networks, and how far they are off."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from ..errors import MeasurementError
from ..estimate import Transfer
from ..subject import Network, Subject
from .features import count_operators
from .model import FEWEST
from .operators import OperatorModel

_USUAL, _USUAL_WEIGHT = 0.05, 4  # deviation of networks, and how many measurements it counts as
_LEAST = 1e-3  # of a network's latency: a prediction so wrong shows, and one of 0 or less is none


def estimate(model: OperatorModel, measured: Mapping[Network, float]) -> Transfer:
    """Estimate all operators, and how far the estimates are off.

    Each network is left out in turn, and everything else fitted anew. Its error over the deviation
    that the prior gives it tells how much larger errors are here than the prior says. Networks that
    were chosen to differ are the hardest to predict from each other, so that the errors themselves
    would make intervals twice as wide as typical networks need.

    Args:
        model: of the known devices.
        measured: networks and their latencies on the new device, in milliseconds.

    Raises:
        MeasurementError: fewer than three networks, or one that took no time.
        FormatError: a network of operators that the model does not know.
    """
    if len(measured) < FEWEST:
        raise MeasurementError(
            f"{len(measured)} measured networks are too few to estimate operators from; "
            f"measure at least {FEWEST}"
        )
    networks = sorted(measured, key=str)
    latencies_ms = np.array([measured[network] for network in networks])
    if not (latencies_ms > 0).all():
        raise MeasurementError("a network to estimate operators from took no time; measure it")
    counts = count_operators(networks, model.operators)
    fit = model.fit(counts, latencies_ms)
    left_out_ms, ratios = {}, []
    for index, network in enumerate(networks):
        others = np.arange(len(networks)) != index
        of_others = model.fit(counts[others], latencies_ms[others])
        predicted_ms = float(of_others.predict(counts[index]))
        left_out_ms[network] = max(predicted_ms, _LEAST * measured[network])
        (deviation,) = model.deviations(of_others, counts[index : index + 1])
        ratios.append(math.log(measured[network] / left_out_ms[network]) / deviation)
    typical = math.sqrt(float((model.deviations(fit, model.typical) ** 2).mean()))
    seen = typical * math.sqrt(math.fsum(ratio**2 for ratio in ratios) / len(ratios))
    found: dict[Subject, float] = dict(left_out_ms.items())
    found |= dict(zip(model.operators, fit.operators_ms.tolist(), strict=True))
    deviation = _blended(seen, len(networks))
    return Transfer.of(model.known, fit.offset_ms, deviation, found)


def _blended(deviation: float, networks: int) -> float:
    """Draw a deviation that is smaller than usual towards the usual one."""
    variance = networks * deviation**2 + _USUAL_WEIGHT * max(deviation, _USUAL) ** 2
    return math.sqrt(variance / (networks + _USUAL_WEIGHT))
