"""The problem that Once-for-All published its search for: a Samsung Note10, and ImageNet."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from sartor.specializer.accuracy.official import load_official
from sartor.specializer.accuracy.predictor import MlpPredictor
from sartor.specializer.cost import CostTensor, compile_cost
from sartor.specializer.search.problem import Limit, Problem
from sartor.specializer.supernets.mobilenet_v3 import MobileNetV3
from sartor.tables.formats.lookup_yaml import read_lookup_yaml
from sartor.tables.formats.origin import Origin
from sartor.tables.granularity import BLOCKS

RESOLUTIONS = (160, 192, 224)
"""Of which the tables are at hand; the official predictor learnt 176 and 208 pixels too."""

SUPERNET = MobileNetV3(width=1.2, resolutions=RESOLUTIONS)


@dataclass(frozen=True, slots=True, eq=False)
class Note10:
    """What is to be searched.

    Attributes:
        cost: latency of every sub-network in milliseconds, by the published tables.
        predictor: of top-1 on ImageNet, as published.
    """

    cost: CostTensor
    predictor: MlpPredictor

    @classmethod
    def load(cls, folder: Path) -> Note10:
        """Read the tables and the predictor.

        Args:
            folder: the data sets, as SARTOR_DATA names them.

        Raises:
            CheckpointError, FormatError: a file is not what it should be.
        """
        # Operators behind the pooling are the same at every size, yet each table timed them itself.
        costs = []
        for size, path in table_files(folder).items():
            table = read_lookup_yaml(Origin(path.stem, path.name, path.read_bytes(), "", "")).table
            one = replace(SUPERNET, resolutions=(size,))
            costs.append(compile_cost(one, table.latencies_ms.__getitem__, BLOCKS))
        fixed = np.concatenate([cost.fixed for cost in costs])
        cost = CostTensor(fixed, np.concatenate([cost.choice for cost in costs]))
        return cls(cost, load_official(predictor_file(folder), SUPERNET))

    def problem(self, budget_ms: float) -> Problem:
        """Ask for the best network within a budget."""
        limit = Limit("latency", "ms", self.cost, budget_ms)
        return Problem(SUPERNET.space, self.predictor, (limit,))


def table_files(folder: Path) -> dict[int, Path]:
    """Return the published table of each resolution."""
    return {size: folder / "ofa" / "note10" / f"{size}_lookup_table.yaml" for size in RESOLUTIONS}


def predictor_file(folder: Path) -> Path:
    """Return where the official predictor lies."""
    return folder / "ofa" / "acc_predictor.pth"
