"""The memory of a search: every network that it scored, each scored once."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..accuracy.predictor import AccuracyPredictor
from ..space import Population, SearchSpace


class Archive:
    """Scores networks with a predictor, and asks it about none twice.

    Asking once also keeps a search deterministic and finite: the last digits of a prediction
    depend on the batch in which it was made, and a climb that saw two scores of one network could
    go round in circles.

    Attributes:
        scores: accuracy by the network's row as bytes, in the order in which they were scored.
    """

    def __init__(self, predictor: AccuracyPredictor) -> None:
        self.scores: dict[bytes, float] = {}
        self._predictor = predictor
        self._populations: list[Population] = []
        self._accuracies: list[NDArray[np.float64]] = []

    def score(self, population: Population) -> NDArray[np.float64]:
        """Return each network's predicted accuracy: (n,)."""
        keys = _keys(population)
        unknown = {key: index for index, key in enumerate(keys) if key not in self.scores}
        if unknown:
            fresh = population[list(unknown.values())]
            accuracies = self._predictor.predict(fresh).astype(np.float64)
            self.scores.update(zip(unknown, accuracies.tolist(), strict=True))
            self._populations.append(fresh)
            self._accuracies.append(accuracies)
        return np.array([self.scores[key] for key in keys])

    def unseen(self, population: Population) -> Population:
        """Keep the networks that were not scored yet, each once, in order."""
        keys = _keys(population)
        fresh = {key: index for index, key in enumerate(keys) if key not in self.scores}
        return population[list(fresh.values())]

    def networks(self, space: SearchSpace) -> tuple[Population, NDArray[np.float64]]:
        """Return all networks scored so far, (n, 1 + slots), and their scores, (n,)."""
        none = np.zeros((0, 1 + len(space.slots)), np.int16)
        population = np.concatenate([none, *self._populations])
        scores = np.concatenate([np.zeros(0), *self._accuracies])
        self._populations, self._accuracies = [population], [scores]
        return population, scores


def _keys(population: Population) -> list[bytes]:
    """Return each row as bytes, much faster than one row at a time."""
    rows = np.ascontiguousarray(population)
    packed, width = rows.tobytes(), rows.itemsize * rows.shape[1]
    return [packed[start : start + width] for start in range(0, len(packed), width)]
