"""What a user asks ``sartor specialize`` for, in their words and in those of the search."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ...tables.errors import BudgetError, ContradictionError
from .amounts import count_text

if TYPE_CHECKING:
    from ...tables import LatencyTable
    from ..search.problem import Limit, Problem
    from ..specialize import Demand, Specializer

_BY, _SIZE = "latency by ", "size of "

_OPTIONS: Mapping[str, Callable[[float], str]] = {
    "latency": lambda most: f"--latency-ms {most:g}",
    "multiply-adds": lambda most: f"--max-multiply-adds {count_text(round(most * 1e6))}",
    "parameters": lambda most: f"--max-parameters {count_text(round(most * 1e6))}",
    "activation memory": lambda most: f"--max-memory-mb {most:g}",
}


@dataclass(frozen=True, slots=True)
class Asked:
    """What was typed.

    Attributes:
        supernet: name or path.
        store: file or URL.
        budgets_ms: by the names of tables; None is the usual one, and may be infinite for a front.
        multiply_adds: at most, of one image.
        parameters: at most.
        memory_mb: of activations, at most.
        file_mb: of the model's file, at most.
        confidence: in per cent; None where nobody asked.
    """

    supernet: str
    store: str
    budgets_ms: Mapping[str, float | None]
    multiply_adds: int | None
    parameters: int | None
    memory_mb: float | None
    file_mb: float | None
    confidence: float | None

    def tables(self) -> list[LatencyTable]:
        """Load the tables; UnknownNameError where there is none of a name."""
        from ...tables import Store

        with Store.open(self.store) as opened:
            return [opened.load(name) for name in self.budgets_ms]

    def demand(self, tables: Sequence[LatencyTable]) -> tuple[Specializer, Demand]:
        """Load the supernet, and say what is asked of its networks."""
        from ..costs.ceilings import Ceilings
        from ..specialize import Budget, Demand, Specializer

        specializer = Specializer.open(self.supernet)
        budgets = []
        for table in tables:
            aim, most_ms = specializer.aim(table), self.budgets_ms[table.name]
            if self.confidence is not None:
                aim = aim.at(self.confidence / 100)
            budgets.append(Budget(aim, aim.usual_budget_ms if most_ms is None else most_ms))
        ceilings = Ceilings(self.multiply_adds, self.parameters, self.memory_mb, self.file_mb)
        return specializer, Demand(tuple(budgets), ceilings)


def option_of(limit: Limit) -> str:
    """Return the option that sets a limit, such as ``--max-parameters 5M``."""
    if limit.what.startswith(_BY):
        return f"--target {limit.what.removeprefix(_BY)}={limit.most:g}ms"
    if limit.what.startswith(_SIZE):
        return f"--max-file-mb {limit.most:g}"
    return _OPTIONS[limit.what](limit.most)


@contextmanager
def in_the_users_words(problem: Problem) -> Iterator[None]:
    """Name limits that contradict each other by the options that set them."""
    try:
        yield
    except ContradictionError as error:
        options = {limit.text: option_of(limit) for limit in problem.limits}
        asked = dict.fromkeys(options[text] for text in error.limits)
        raise BudgetError(f"{' and '.join(asked)} contradict each other: {error}") from error
