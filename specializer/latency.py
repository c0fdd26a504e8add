"""Latencies of all of a supernet's networks, as a table predicts them."""

from __future__ import annotations

from dataclasses import dataclass

from ..tables import lookup
from ..tables.estimator import Estimator
from ..tables.operator import Operator
from ..tables.table import LatencyTable
from .cost import CostTensor, compile_cost, reachable_operators
from .supernets.supernet import Supernet


@dataclass(frozen=True, slots=True, eq=False)
class PredictedLatency:
    """The predicted latency of every network of a supernet.

    Attributes:
        estimator: of the table, by which all of them are predicted.
        cost: in milliseconds; infinite in contexts that the table does not cover.
    """

    estimator: Estimator
    cost: CostTensor

    @property
    def bound(self) -> CostTensor:
        """The upper end of every prediction's interval, in milliseconds."""
        return self.cost.through(self.estimator.calibration.high)


def compile_latency(supernet: Supernet, table: LatencyTable) -> PredictedLatency:
    """Predict every network of a supernet by the best rows that cover it.

    A table that was measured has to cover the whole space: what is missing can be measured. To a
    published one, which is often made for a single resolution, nothing can be added: it has to
    cover a context, and the others are left out.

    Raises:
        MissingOperatorError: the table does not; names what the context that lacks least lacks.
    """
    found = []
    for estimator in table.estimators:
        found.append(_compiled(supernet, estimator))
        if len(found[-1].cost.contexts) == len(supernet.space.contexts):
            return found[-1]
    most = max(found, key=lambda each: len(each.cost.contexts))
    if not (table.published and most.cost.contexts):
        best = table.estimators[0]
        raise lookup.missing(best.latencies_ms, _lacking(supernet, best), best.reasons)
    return most


def _compiled(supernet: Supernet, estimator: Estimator) -> PredictedLatency:
    cost = compile_cost(supernet, estimator.latency_ms, estimator.granularity, partial=True)
    return PredictedLatency(estimator, cost.through(estimator.calibration.middle))


def _lacking(supernet: Supernet, estimator: Estimator) -> Operator:
    """Find what is missing of the context that lacks fewest operators, but lacks some.

    Of contexts with several axes not all are looked at, and then the whole space, which lacks some.
    """
    looked_at = [[context] for context in supernet.space.one_by_one()]
    missing = (
        [
            operator
            for operator in reachable_operators(supernet, estimator.granularity, contexts)
            if operator not in estimator.latencies_ms
        ]
        for contexts in (*looked_at, None)
    )
    return min(filter(None, missing), key=len)[0]
