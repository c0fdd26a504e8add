"""A new device in a minute: which networks of a supernet to measure on it, and what they tell."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..tables.dtypes import graph_with_dtype, with_dtype
from ..tables.errors import FormatError, MeasurementError
from ..tables.estimate import Transfer
from ..tables.graph import Graph
from ..tables.kinds import kind_of
from ..tables.operator import Operator
from ..tables.subject import Network
from ..tables.table import LatencyTable
from ..tables.transfer import OperatorModel, estimate
from ..tables.transfer.model import FEWEST
from .cost import reachable_operators
from .supernets.supernet import Supernet

_CANDIDATES = 500
"""Random networks among which, with the smallest and the largest, those to measure are chosen."""


@dataclass(frozen=True, eq=False)
class Newcomer:
    """A device whose table is to be estimated.

    Attributes:
        model: what tables of other devices tell of it.
        networks: to measure on it, the most telling first.
    """

    model: OperatorModel
    networks: tuple[Graph, ...]

    @classmethod
    def of(
        cls, supernet: Supernet, tables: Sequence[LatencyTable], count: int, dtype: str = "float32"
    ) -> Newcomer:
        """Choose networks of a supernet by tables of other devices.

        The choice follows from the tables alone. So a collection that was broken off goes on with
        the same networks, and one that is to have more of them keeps those it has.

        Args:
            supernet: gives the space and the graphs.
            tables: of other devices; each covers the space.
            count: how many networks, at least three.
            dtype: of everything.

        Raises:
            FormatError: a table is of another data type, does not cover the space, or is itself
                estimated; no tables; or fewer networks than three.
        """
        if count < FEWEST:
            raise FormatError(
                f"{count} networks are too few to estimate operators from; ask for {FEWEST} or more"
            )
        operators = tuple(with_dtype(one, dtype) for one in reachable_operators(supernet))
        for table in tables:
            _check(table, operators, dtype, supernet.space.name)
        graphs = [graph_with_dtype(graph, dtype) for graph in _candidates(supernet)]
        networks = [Network(graph.name, graph.operators) for graph in graphs]
        model = OperatorModel.learn(tables, operators, networks)
        chosen = model.choose(model.typical, min(count, len(graphs)))
        return cls(model, tuple(graphs[index] for index in chosen))

    def estimate(self, table: LatencyTable) -> Transfer:
        """Estimate all operators from the networks in the device's table.

        Raises:
            MeasurementError: fewer than three could be measured.
        """
        known = set(self.model.operators)
        measured = {
            subject: found.median_ms
            for subject, found in table.measurements.items()
            if isinstance(subject, Network) and known.issuperset(subject.operators)
        }
        if len(measured) < FEWEST:
            why = next(iter(table.failures.values()), "nothing says why")
            raise MeasurementError(
                f"{len(measured)} of {len(self.networks)} networks could be measured and "
                f"estimates take {FEWEST}; the first failed because: {why}"
            )
        return estimate(self.model, measured)


def _check(table: LatencyTable, operators: Sequence[Operator], dtype: str, space: str) -> None:
    """Refuse a table from which nothing can be transferred to this space."""
    found = table.provenance.condition.dtype
    if found != dtype:
        raise FormatError(f"{table.name} is of {found}, not {dtype}; add --dtype {found}")
    if table.transfer is not None:
        raise FormatError(
            f"{table.name} holds estimates itself; transfer from the tables it was estimated from: "
            f"{'; '.join(table.transfer.known)}"
        )
    missing = [operator for operator in operators if operator not in table.rows]
    if not missing:
        return
    blocks = [str(one) for one in table.rows if kind_of(one).parts]
    rows = f"; its rows are whole blocks, such as {blocks[0]}" if blocks else ""
    raise FormatError(
        f"{table.name} lacks {len(missing)} of the {len(operators)} operators of {space}, such as "
        f"{missing[0]}{rows}; leave it out, or profile that device for this supernet"
    )


def _candidates(supernet: Supernet) -> list[Graph]:
    """Draw networks of a supernet, always the same ones."""
    space = supernet.space
    drawn = space.random(_CANDIDATES, np.random.default_rng(0))
    ends = np.array([space.smallest, space.largest], np.int16)
    different = np.unique(np.concatenate([ends, drawn]), axis=0)
    return [supernet.graph(tuple(map(int, row))) for row in different]
