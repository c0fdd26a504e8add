"""Evaluated sub-networks as a table, CSV, for people and for predictors."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..tables.atomic import write_atomically
from ..tables.errors import FormatError
from .space import Population, SearchSpace, SubNetwork
from .supernets.supernet import Supernet

COLUMNS = ("subnetwork", "top1", "images", "multiply_adds", "parameters")


def write_evaluations(
    path: Path, spec: Supernet, accuracies: Mapping[SubNetwork, float], images: int
) -> None:
    """Write a row for each sub-network.

    Args:
        path: of the CSV file.
        spec: of the supernet.
        accuracies: top-1 as fractions.
        images: that each was judged on.

    Raises:
        OutputError: the file cannot be written.
    """
    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow(COLUMNS)
    for subnetwork, accuracy in accuracies.items():
        graph = spec.graph(subnetwork)
        name = spec.space.text(subnetwork)
        rows.writerow([name, accuracy, images, graph.multiply_adds, graph.parameters])
    write_atomically(path, text.getvalue().encode())


def read_evaluations(path: Path, space: SearchSpace) -> tuple[Population, NDArray[np.float64]]:
    """Read the columns ``subnetwork`` and ``top1`` of a CSV file; others are not looked at.

    Returns:
        The sub-networks, (n, 1 + slots), and their top-1 as fractions, (n,).

    Raises:
        FormatError: the file cannot be read, or a row makes no sense; says which.
    """
    try:
        rows = list(csv.DictReader(io.StringIO(path.read_text("utf-8-sig")), strict=True))
    except (OSError, UnicodeError, csv.Error) as error:
        raise FormatError(f"cannot read {path} ({error}); want a CSV file") from error
    population, accuracies = [], []
    for number, row in enumerate(rows, 2):
        try:
            population.append(space.parse(row["subnetwork"] or ""))
            accuracies.append(float(row["top1"]))
        except KeyError as error:
            raise FormatError(
                f"{path} has no column {error}; want the columns subnetwork and top1"
            ) from error
        except (TypeError, ValueError) as error:
            raise FormatError(f"{path}, row {number}: {error}") from error
        if not 0 <= accuracies[-1] <= 1:
            raise FormatError(
                f"{path}, row {number}: top1 is {accuracies[-1]:g}; want a fraction, 0 to 1"
            )
    if not rows:
        raise FormatError(f"{path} has no rows; want the columns subnetwork and top1")
    return np.array(population, np.int16), np.array(accuracies)
