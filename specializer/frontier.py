"""A front for people and programs: the best networks for budgets over the whole range."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

from ..tables.atomic import write_atomically
from ..tables.calibration import Prediction
from .aim import Aim
from .costs.peak import peak_bytes
from .search.result import SearchResult

_FILE = "front"


@dataclass(frozen=True, slots=True)
class Point:
    """One network of a front.

    Attributes:
        subnetwork: as the supernet's space writes it.
        accuracy: predicted top-1, 0–1.
        latency: predicted.
        multiply_adds: of one image.
        parameters: number of weights.
        memory_bytes: peak memory of activations.
    """

    subnetwork: str
    accuracy: float
    latency: Prediction
    multiply_adds: int
    parameters: int
    memory_bytes: int


@dataclass(frozen=True, slots=True)
class Frontier:
    """Networks of which none is both faster, by its interval's upper end, and more accurate.

    Attributes:
        supernet: name or path.
        table: that predicts the latencies.
        device: of the table.
        condition: of the table.
        confidence: coverage of the intervals, 0–1; None where there are none.
        points: latencies and accuracies both ascend.
    """

    supernet: str
    table: str
    device: str
    condition: str
    confidence: float | None
    points: tuple[Point, ...]

    @classmethod
    def of(cls, aim: Aim, found: Iterable[SearchResult]) -> Frontier:
        """Describe what a search for a front found."""
        provenance = aim.table.provenance
        calibration = aim.predicted.estimator.calibration
        return cls(
            aim.called,
            aim.table.name,
            provenance.device,
            str(provenance.condition),
            calibration.coverage if calibration.calibrated else None,
            tuple(_point(aim, result) for result in found),
        )

    @property
    def title(self) -> str:
        """What the front is of."""
        return f"{Path(self.supernet).name} for {self.device}, {self.condition}"

    def save(self, folder: Path) -> list[Path]:
        """Write ``front.json`` and, where matplotlib is installed, ``front.png``.

        Returns:
            What was written.

        Raises:
            OutputError: the folder cannot be written.
        """
        numbers, picture = (folder / f"{_FILE}{suffix}" for suffix in (".json", ".png"))
        write_atomically(numbers, (json.dumps(asdict(self), indent=2) + "\n").encode())
        try:
            from .front_plot import front_png
        except ImportError:  # the picture is an extra; the numbers are in front.json
            return [numbers]
        write_atomically(picture, front_png(self.points, self.title))
        return [numbers, picture]


def _point(aim: Aim, result: SearchResult) -> Point:
    graph = aim.spec.graph(result.subnetwork)
    return Point(
        graph.name,
        result.accuracy,
        aim.predicted.estimator.predict(graph.operators),
        graph.multiply_adds,
        graph.parameters,
        peak_bytes(graph),
    )
