"""Tables of made-up samples, whose truth is known."""

from __future__ import annotations

import numpy as np

from sartor.tables import LatencyTable, Network, Operator, Subject, Window

from .children import PROVENANCE, operator

OPERATORS = tuple(map(operator, range(1, 101)))
NETWORKS = [Network(f"n{start}", OPERATORS[start : start + 40]) for start in range(0, 60, 10)]
FACTOR = {OPERATORS[0]: 1.3, OPERATORS[1]: 0.8}


def table(
    seed: int,
    factors: dict[Operator, float] | None = None,
    *,
    noise: float = 0.01,
    passes: int = 4,
    networks: list[Network] | None = None,
) -> LatencyTable:
    """A table of made-up samples with noise from pass to pass."""
    rng = np.random.default_rng(seed)
    level = {one: 100.0 + index for index, one in enumerate(OPERATORS)}
    truth: dict[Subject, float] = {
        one: latency_us * (factors or {}).get(one, 1.0) for one, latency_us in level.items()
    }
    for network in NETWORKS if networks is None else networks:
        truth[network] = 1.1 * sum(truth[one] for one in network.operators)
    windows = {
        subject: [
            Window(index, (latency_us * float(np.exp(rng.normal(0, noise))),), 0, 100.0, "now")
            for index in range(passes)
        ]
        for subject, latency_us in truth.items()
    }
    return LatencyTable.from_windows(f"t{seed}", PROVENANCE, windows, {})
