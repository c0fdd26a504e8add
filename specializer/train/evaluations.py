"""Evaluated sub-networks: what accuracy predictors learn from, and what a supernet is judged by."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from functools import cache
from pathlib import Path

from ...tables.errors import CheckpointError
from ..evaluate import LabelledPixels, decode, top1
from ..extract import extract
from ..images import ImageFolder
from ..network import Network
from ..recalibrate import recalibrate
from ..space import SubNetwork
from ..supernets.elastic import ElasticMobileNetV3


class Evaluator:
    """Tells the accuracy of any sub-network of one supernet, measured on images.

    Args:
        supernet: with trained weights.
        calibration: images to recalibrate BatchNorm with.
        judged: labelled images that were not trained on.
    """

    def __init__(
        self, supernet: ElasticMobileNetV3, calibration: ImageFolder, judged: ImageFolder
    ) -> None:
        self._supernet = supernet
        self._calibration = cache(lambda size: decode(calibration, size).batches())
        self._judged: Callable[[int], LabelledPixels] = cache(lambda size: decode(judged, size))

    def network(self, subnetwork: SubNetwork) -> Network:
        """Extract a sub-network and recalibrate its BatchNorm."""
        network = extract(self._supernet, subnetwork)
        return recalibrate(network, self._calibration(network.resolution))

    def top1(self, network: Network) -> float:
        """Return a network's share of right answers, 0–1."""
        return top1(network, self._judged(network.resolution))


def evaluate_all(
    evaluator: Evaluator,
    supernet: ElasticMobileNetV3,
    subnetworks: Iterable[SubNetwork],
    journal: Path,
    report: Callable[[int], None] = lambda _: None,
) -> dict[SubNetwork, float]:
    """Evaluate sub-networks, or read from the journal what was evaluated before.

    Args:
        evaluator: of the supernet.
        supernet: whose space names the sub-networks.
        subnetworks: to be evaluated.
        journal: JSON Lines; gets a line as soon as a sub-network is evaluated.
        report: told how many are done.

    Raises:
        CheckpointError: the journal is not one.
    """
    space = supernet.spec.space
    known = _read(journal)
    accuracies: dict[SubNetwork, float] = {}
    for subnetwork in subnetworks:
        text = space.text(subnetwork)
        if text not in known:
            known[text] = evaluator.top1(evaluator.network(subnetwork))
            with journal.open("a") as lines:
                lines.write(json.dumps({"subnetwork": text, "top1": known[text]}) + "\n")
        accuracies[subnetwork] = known[text]
        report(len(accuracies))
    return accuracies


def _read(journal: Path) -> dict[str, float]:
    """Read a journal; its last line may be torn, when the writer was killed."""
    if not journal.exists():
        return {}
    whole, _, _ = journal.read_text().rpartition("\n")
    try:
        rows = [json.loads(line) for line in whole.splitlines()]
        known = {str(row["subnetwork"]): float(row["top1"]) for row in rows}
    except (ValueError, KeyError, TypeError) as error:
        raise CheckpointError(f"{journal} is no journal of evaluations; remove it") from error
    journal.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return known
