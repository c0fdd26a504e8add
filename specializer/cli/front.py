"""``sartor specialize --front``: what every budget would buy."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from .asked import in_the_users_words
from .output import note, print_json, print_table

if TYPE_CHECKING:
    from ..specialize import Demand, Specializer


def show_front(
    specializer: Specializer,
    demand: Demand,
    points: int,
    seed: int,
    out: Path | None,
    *,
    as_json: bool,
) -> None:
    """Search, print, and write to a folder where there is one.

    Args:
        specializer: of the supernet.
        demand: of one device; its budget is the highest of the front.
        points: how many budgets.
        seed: of the search.
        out: for ``front.json`` and ``front.png``.
        as_json: instead of a table.
    """
    from ..frontier import Frontier

    with in_the_users_words(specializer.problem(demand)):
        found = specializer.front(demand, seed, points)
    front = Frontier.of(demand.budgets[0].aim, found)
    written = [] if out is None else front.save(out)
    if as_json:
        print_json(asdict(front))
    else:
        print_table(
            f"Best networks of {front.title}",
            ("ms", "up to ms", "accuracy", "M mult-adds", "M params", "MB memory"),
            (
                (
                    *(f"{one.latency.latency_ms:.2f}", f"{one.latency.high_ms:.2f}"),
                    *(f"{one.accuracy:.1%}", f"{one.multiply_adds / 1e6:.0f}"),
                    *(f"{one.parameters / 1e6:.1f}", f"{one.memory_bytes / 1e6:.2f}"),
                )
                for one in front.points
            ),
        )
    if written:
        note(f"wrote {' and '.join(map(str, written))}")
