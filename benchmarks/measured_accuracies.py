"""Published accuracies of sub-networks of Once-for-All MobileNetV3, width 1.0, on ImageNet."""

from __future__ import annotations

import ast
import csv
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sartor.specializer.space import ABSENT, Population
from sartor.specializer.supernets.mobilenet_v3 import CHOICES, MAX_DEPTH, MobileNetV3
from sartor.tables.errors import FormatError

RESOLUTIONS = (128, 160, 192, 224)
SPEC = MobileNetV3(width=1.0, resolutions=RESOLUTIONS)

MOOFA = "ofa_mbv3_w1.0_moofa.json"
"""1,300 networks by chance at 128, 160 and 192 pixels.

Source: github.com/MaximeGirard/memory-optimized-once-for-all.
"""

SERIES_STARTS = 0, 314, 650, 986
"""Rows at which the sizes in ``MOOFA`` start anew: 128, 160, mixed, 160, 192, 160 pixels.

Each of the four series was judged on other images, by all that can be seen: every accuracy is a
multiple of 1/12,500, a quarter of the 50,000 validation images, and what a predictor gets wrong
jumps at these very rows, by up to 0.6 points. Nothing tells a predictor of networks which series
one is in, so only networks of one series are compared.
"""

DYNAS = "mbnv3w10_evonsga2_acc_macs.csv", "mbnv3w10_linasnsga2_acc_macs.csv"
"""What two searches tried at 224 pixels, on all validation images; networks of both agree exactly.

Source: github.com/IntelLabs/DyNAS-T.
"""


@dataclass(frozen=True, slots=True, eq=False)
class Measured:
    """Different networks and their accuracies.

    Attributes:
        population: of ``SPEC``: (n, 1 + slots).
        top1: as fractions: (n,).
        series: which networks were judged on the same images: (n,).
    """

    population: Population
    top1: NDArray[np.float64]
    series: NDArray[np.str_]

    def part(self, chosen: NDArray[np.bool_] | NDArray[np.intp]) -> Measured:
        """Return some of them, in the order given."""
        return Measured(self.population[chosen], self.top1[chosen], self.series[chosen])

    def at(self, resolution: int) -> Measured:
        """Return those of one resolution."""
        return self.part(self.population[:, 0] == RESOLUTIONS.index(resolution))


def read_measured(folder: Path) -> Measured:
    """Read all files; FormatError where one is not there or not as it was published."""
    try:
        rows = [*_moofa(folder / MOOFA), *(row for name in DYNAS for row in _dynas(folder / name))]
    except (OSError, ValueError, KeyError, TypeError, SyntaxError) as error:
        raise FormatError(
            f"cannot read the published accuracies in {folder} ({error}); name their folder with "
            "--data"
        ) from error
    networks = {network: (top1, series) for network, top1, series in reversed(rows)}
    top1, series = zip(*reversed(networks.values()), strict=True)
    population = np.array(list(reversed(networks)), np.int16)
    return Measured(population, np.array(top1), np.array(series))


_Row = tuple[tuple[int, ...], float, str]


def _moofa(path: Path) -> list[_Row]:
    rows = json.loads(path.read_text())
    series = np.searchsorted(SERIES_STARTS, np.arange(len(rows)), side="right").tolist()
    return [
        (_network(row["image_size"], row), row["top1"], f"quarter {number}")
        for row, number in zip(rows, series, strict=True)
    ]


def _dynas(path: Path) -> list[_Row]:
    found = []
    for row in csv.DictReader(path.read_text().splitlines()):
        settings = ast.literal_eval(row["Sub-network"])
        top1 = float(row["Top-1 Acc (%)"]) / 100
        found.append((_network(settings["r"][0], settings), top1, "all"))
    return found


def _network(size: int, settings: Mapping[str, Sequence[int]]) -> tuple[int, ...]:
    """Read a network as Once-for-All's code writes it: kernels, ratios and depths."""
    pairs = zip(settings["ks"], settings["e"], strict=True)
    choices = [
        1 + CHOICES.index(pair) if slot % MAX_DEPTH < settings["d"][slot // MAX_DEPTH] else ABSENT
        for slot, pair in enumerate(pairs)
    ]
    return (RESOLUTIONS.index(size), *choices)
