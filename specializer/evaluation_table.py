"""Evaluated sub-networks as a table, CSV, for people and for predictors."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..tables.atomic import write_atomically
from ..tables.errors import FormatError
from .accuracy.denoise import Floats, denoised
from .accuracy.level import levelled
from .evaluate import Score
from .space import Population, SearchSpace, SubNetwork
from .supernets.supernet import Supernet

COLUMNS = (
    *("subnetwork", "top1", "log_likelihood", "images", "round"),
    *("multiply_adds", "parameters"),
)


@dataclass(frozen=True, slots=True)
class Evaluated:
    """One really evaluated sub-network.

    Attributes:
        score: on the judged images.
        round: in which it was a predictor's favourite; 0 where no predictor chose it.
    """

    score: Score
    round: int = 0


@dataclass(frozen=True, slots=True, eq=False)
class Evaluations:
    """What a table holds.

    Attributes:
        population: the sub-networks: (n, 1 + slots).
        top1: as fractions: (n,).
        rounds: in which each was the predictor's favourite; 0 where no predictor chose it: (n,).
        targets: what a predictor should learn, top-1 without some of its noise: (n,).
    """

    population: Population
    top1: Floats
    rounds: NDArray[np.intp]
    targets: Floats

    def part(self, chosen: NDArray[np.bool_]) -> Evaluations:
        """Return some of them."""
        return Evaluations(
            self.population[chosen], self.top1[chosen], self.rounds[chosen], self.targets[chosen]
        )


def evaluations_of(evaluated: Mapping[SubNetwork, Evaluated], images: int) -> Evaluations:
    """Bring evaluations, each judged on so many images, into arrays."""
    population = np.array(list(evaluated), np.int16)
    top1 = np.array([one.score.top1 for one in evaluated.values()])
    log_likelihood = np.array([one.score.log_likelihood for one in evaluated.values()])
    rounds = np.array([one.round for one in evaluated.values()])
    return Evaluations(population, top1, rounds, denoised(top1, log_likelihood, images))


def write_evaluations(
    path: Path, spec: Supernet, evaluated: Mapping[SubNetwork, Evaluated], images: int
) -> None:
    """Write a row for each sub-network.

    Args:
        path: of the CSV file.
        spec: of the supernet.
        evaluated: sub-networks.
        images: that each was judged on.

    Raises:
        OutputError: the file cannot be written.
    """
    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow(COLUMNS)
    for subnetwork, one in evaluated.items():
        graph, score = spec.graph(subnetwork), one.score
        rows.writerow(
            [
                *(spec.space.text(subnetwork), score.top1, score.log_likelihood, images, one.round),
                *(graph.multiply_adds, graph.parameters),
            ]
        )
    write_atomically(path, text.getvalue().encode())


def read_evaluations(path: Path, space: SearchSpace) -> Evaluations:
    """Read a CSV file with the columns ``subnetwork`` and ``top1``.

    Where it has ``log_likelihood`` and ``images``, targets are denoised; where it has ``round``,
    favourites are known. Where it has ``series``, a text that tells on which images or by whom a
    network was judged, all are brought to one level; see ``levelled``.

    Raises:
        FormatError: the file cannot be read, or a row makes no sense; says which.
    """
    try:
        rows = list(csv.DictReader(io.StringIO(path.read_text("utf-8-sig")), strict=True))
    except (OSError, UnicodeError, csv.Error) as error:
        raise FormatError(f"cannot read {path} ({error}); want a CSV file") from error
    if not rows:
        raise FormatError(f"{path} has no rows; want the columns subnetwork and top1")
    if missing := {"subnetwork", "top1"} - rows[0].keys():
        raise FormatError(
            f"{path} has no column {min(missing)!r}; want the columns subnetwork and top1"
        )
    read = [_read_row(f"{path}, row {number}", row, space) for number, row in enumerate(rows, 2)]
    subnetworks, top1, log_likelihood, images, rounds = zip(*read, strict=True)
    population, accuracies = np.array(subnetworks, np.int16), np.array(top1)
    likelihoods = np.array(log_likelihood)
    if "series" in rows[0]:
        series = [row["series"] or "" for row in rows]
        accuracies = levelled(space, population, accuracies, series)
        likelihoods = levelled(space, population, likelihoods, series)
    targets = accuracies
    if {"log_likelihood", "images"} <= rows[0].keys():
        targets = denoised(accuracies, likelihoods, min(images))
    return Evaluations(population, accuracies, np.array(rounds), targets)


def _read_row(
    where: str, row: Mapping[str, str], space: SearchSpace
) -> tuple[SubNetwork, float, float, int, int]:
    """Read sub-network, top-1, log-likelihood, images and round."""
    try:
        subnetwork, top1 = space.parse(row["subnetwork"] or ""), float(row["top1"])
        log_likelihood = float(row.get("log_likelihood", 0))
        images, round_ = int(row.get("images", 1)), int(row.get("round", 0))
    except (TypeError, ValueError) as error:
        raise FormatError(f"{where}: {error}") from error
    for value, wanted, holds in (
        (f"top1 is {top1:g}", "a fraction, 0 to 1", 0 <= top1 <= 1),
        (f"log_likelihood is {log_likelihood:g}", "0 or less", -math.inf < log_likelihood <= 0),
        (f"images is {images}", "1 or more", images >= 1),
        (f"round is {round_}", "0 or more", round_ >= 0),
    ):
        if not holds:
            raise FormatError(f"{where}: {value}; want {wanted}")
    return subnetwork, top1, log_likelihood, images, round_
