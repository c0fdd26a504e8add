"""What a search found."""

from __future__ import annotations

from dataclasses import dataclass

from ..space import SubNetwork


@dataclass(frozen=True, slots=True)
class SearchResult:
    """The best network within the limits of a problem, as far as a search can tell.

    Attributes:
        subnetwork: that network.
        accuracy: its predicted top-1 as a fraction.
        costs: what it costs by each limit of the problem, in their order and units.
        evaluations: different networks whose accuracy was predicted.
        seconds: of wall time.
        accuracy_bound: proven: no network within the limits has a higher predicted accuracy. None
            where nothing could be proven; equal to ``accuracy`` where the network is the optimum.
    """

    subnetwork: SubNetwork
    accuracy: float
    costs: tuple[float, ...]
    evaluations: int
    seconds: float
    accuracy_bound: float | None = None
