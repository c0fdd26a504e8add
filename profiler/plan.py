"""Plans: what to measure, and how much of it is there."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

from ..tables.called import CALLS
from ..tables.dtypes import common_dtype, graph_with_dtype, with_dtype
from ..tables.errors import FormatError
from ..tables.expansion import expanded
from ..tables.framing import Part, framing, subject_graph
from ..tables.granularity import OPERATORS, Granularity
from ..tables.graph import Graph
from ..tables.operator import Operator
from ..tables.subject import Network, Subject

Done = Collection[tuple[str, int]]
"""(text of the subject, pass) of each window that there is, as a store lists them."""

_BYTES = {"float32": 4, "float16": 2, "int8": 1}


@dataclass(frozen=True, slots=True)
class Target:
    """A subject of measurement, with the graph to run for it."""

    subject: Subject
    graph: Graph

    @property
    def memory_mb(self) -> float:
        """How much memory its weights and activations take, in megabytes, for one sample."""
        activations = sum(map(math.prod, self.graph.shapes.values()))
        return (
            _BYTES[common_dtype(self.graph.operators)] * (self.graph.parameters + activations) / 1e6
        )


@dataclass(frozen=True)
class Plan:
    """What a latency table is to hold.

    Attributes:
        operators: each once, sorted, blocks among them or not; there may be none, where estimates
            are made of networks.
        networks: whole networks that calibrate the table, by name.
        passes: windows of each subject, every one in another process.
        framed: whether operators are measured between neighbours (``tables.framing``).
        most_passes: how many a subject gets while its latency is not steady.

    Raises:
        FormatError: nothing to measure, no passes, or two networks of one name.
        GraphError: operators of different data types.
    """

    operators: tuple[Operator, ...]
    networks: tuple[Graph, ...] = ()
    passes: int = 3
    framed: bool = False
    most_passes: int = 0

    def __post_init__(self) -> None:
        if self.passes < 1:
            raise FormatError(f"{self.passes} passes measure nothing; ask for 1 or more")
        if not (self.operators or self.networks):
            raise FormatError("a plan without operators or networks measures nothing")
        names = [graph.name for graph in self.networks]
        if twice := [name for name in names if names.count(name) > 1]:
            raise FormatError(f"two networks are called {twice[0]!r}")
        common_dtype(
            (*self.operators, *(one for graph in self.networks for one in graph.operators))
        )

    @property
    def dtype(self) -> str:
        """The data type of everything in the plan."""
        return (self.operators or self.networks[0].operators)[0].dtype

    @cached_property
    def targets(self) -> tuple[Target, ...]:
        """All subjects with their graphs: operators first, then calls, then networks.

        What is timed for a block is the graph of what it is made of.
        """
        single = [(subject, subject_graph(subject, self.dtype)) for subject in self._subjects]
        whole = [(Network(graph.name, graph.operators), graph) for graph in self.networks]
        return tuple(Target(subject, expanded(graph)) for subject, graph in (*single, *whole))

    @property
    def windows(self) -> int:
        """How many windows the whole plan takes."""
        return self.passes * len(self.targets)

    @property
    def _subjects(self) -> list[Part]:
        """What is measured for the operators, each once, in a fixed order; calls come last."""
        if not self.operators:
            return []
        if not self.framed:
            return [*self.operators, *CALLS]
        framings = [framing(operator) for operator in self.operators]
        found = [part for framed in framings for part in (framed.whole, *framed.parts)]
        return [*dict.fromkeys(found), *CALLS]


def make_plan(
    operators: Iterable[Operator],
    networks: Iterable[Graph] = (),
    passes: int = 3,
    *,
    framed: bool = False,
    most_passes: int = 0,
    dtype: str | None = None,
    rows: Sequence[Granularity] = (OPERATORS,),
) -> Plan:
    """Plan to measure operators, and networks with all that they are made of.

    Args:
        operators: in any order, as often as you like.
        networks: to calibrate by. Only a network whose operators all have a row can do that, so
            they are added, or the blocks that they make.
        passes: windows of each subject.
        framed: whether operators are measured between neighbours (``tables.framing``).
        most_passes: how many a subject gets while its latency is not steady.
        dtype: to convert everything to; None to measure it as it is.
        rows: which the networks are to calibrate: those for operators, for blocks, or both.
    """
    graphs = tuple(sorted(networks, key=lambda graph: graph.name))
    if dtype is not None:
        operators = [with_dtype(operator, dtype) for operator in operators]
        graphs = tuple(graph_with_dtype(graph, dtype) for graph in graphs)
    units = [each.units(graph.operators) for graph in graphs for each in rows]
    wanted = set(operators).union(*units)
    return Plan(tuple(sorted(wanted)), graphs, passes, framed, most_passes)


@dataclass(frozen=True, slots=True)
class Coverage:
    """How much of a plan has been measured.

    Attributes:
        windows: that are there, of all the plan's.
        subjects: that have at least one window.
        of_windows: that the plan has.
        of_subjects: that the plan has.
    """

    windows: int
    subjects: int
    of_windows: int
    of_subjects: int

    @property
    def share(self) -> float:
        """The share of windows that are there: 0..1."""
        return self.windows / self.of_windows


def coverage(plan: Plan, done: Done) -> Coverage:
    """Compare a plan with the windows that there are."""
    subjects = {str(target.subject) for target in plan.targets}
    present = [(text, index) for text, index in done if text in subjects and index < plan.passes]
    return Coverage(
        windows=len(present),
        subjects=len({text for text, _ in present}),
        of_windows=plan.windows,
        of_subjects=len(subjects),
    )
