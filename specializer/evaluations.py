"""Evaluated sub-networks: what accuracy predictors learn from, and what a supernet is judged by."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cache, cached_property
from pathlib import Path
from typing import Protocol

import torch

from .evaluate import LabelledPixels, Score, decode, score
from .extract import WeightSharing, extract
from .images import ImageFolder
from .journal import Journal, Subject
from .network import Network
from .recalibrate import recalibrate
from .space import SubNetwork


class Evaluates(Protocol):
    """Whatever evaluates sub-networks of one supernet on one set of images."""

    @property
    def subject(self) -> Subject:
        """What is evaluated on what, so that journals are not mixed up."""
        ...

    def evaluate(self, subnetworks: Sequence[SubNetwork]) -> Iterator[tuple[SubNetwork, Score]]:
        """Yield each sub-network's score as soon as it is known, in any order."""
        ...


class Evaluator:
    """Tells the accuracy of any sub-network of one supernet, measured on images.

    Args:
        supernet: with trained weights, on the CPU or on ``device``.
        calibration: images to recalibrate BatchNorm with.
        judged: labelled images that were not trained on.
        device: where torch computes, such as ``cpu`` or ``cuda``. Images are decoded once for
            each resolution and stay there as bytes.
    """

    def __init__(
        self,
        supernet: WeightSharing,
        calibration: ImageFolder,
        judged: ImageFolder,
        device: str = "cpu",
    ) -> None:
        self.supernet = supernet
        self._folders = calibration, judged
        self._device = device
        self._calibration: Callable[[int], LabelledPixels] = cache(
            lambda size: decode(calibration, size).to(device)
        )
        self._judged: Callable[[int], LabelledPixels] = cache(
            lambda size: decode(judged, size).to(device)
        )

    @cached_property
    def subject(self) -> Subject:
        """What is evaluated on what."""
        return subject_of(self.supernet, *self._folders)

    def network(self, subnetwork: SubNetwork) -> Network:
        """Extract a sub-network, bring it to the device, and recalibrate its BatchNorm there."""
        network = extract(self.supernet, subnetwork)
        weights = {name: value.to(self._device) for name, value in network.weights.items()}
        network = Network(network.graph, weights, network.eps)
        return recalibrate(network, self._calibration(network.resolution).batches())

    def top1(self, network: Network) -> float:
        """Return a network's share of right answers, 0–1; it is on the evaluator's device."""
        return self.score(network).top1

    def score(self, network: Network) -> Score:
        """Return how a network does; it is on the evaluator's device."""
        return score(network, self._judged(network.resolution))

    def evaluate(self, subnetworks: Sequence[SubNetwork]) -> Iterator[tuple[SubNetwork, Score]]:
        """Yield each sub-network with its score, one after another."""
        for subnetwork in subnetworks:
            yield subnetwork, self.score(self.network(subnetwork))


def subject_of(supernet: WeightSharing, calibration: ImageFolder, judged: ImageFolder) -> Subject:
    """Describe what evaluations of a supernet depend on: its weights, and both sets of images."""
    return Subject(
        supernet=supernet.spec.space.name,
        weights_sha256=weights_sha256(supernet),
        judged_images=len(judged),
        judged_sha256=_names_sha256(judged),
        calibration_images=len(calibration),
        calibration_sha256=_names_sha256(calibration),
    )


def evaluate_all(
    evaluator: Evaluates,
    supernet: WeightSharing,
    subnetworks: Iterable[SubNetwork],
    journal: Path,
    report: Callable[[int], None] = lambda _: None,
) -> dict[SubNetwork, Score]:
    """Evaluate sub-networks, or read from the journal what was evaluated before.

    Args:
        evaluator: of the supernet, in this process or in many.
        supernet: whose space names the sub-networks.
        subnetworks: to be evaluated.
        journal: JSON Lines; gets a line as soon as a sub-network is evaluated.
        report: told how many are done.

    Returns:
        Scores, in the order of ``subnetworks``.

    Raises:
        CheckpointError: the journal is none, or of another supernet or other images.
        DatasetError: an image cannot be read.
        OutputError: the journal cannot be written.
    """
    space = supernet.spec.space
    texts = {subnetwork: space.text(subnetwork) for subnetwork in subnetworks}
    with Journal.open(journal, evaluator.subject) as known:
        waiting = [subnetwork for subnetwork, text in texts.items() if text not in known.scores]
        done = len(texts) - len(waiting)
        report(done)
        for subnetwork, found in evaluator.evaluate(waiting):
            known.add(texts[subnetwork], found)
            done += 1
            report(done)
        return {subnetwork: known.scores[text] for subnetwork, text in texts.items()}


def weights_sha256(supernet: WeightSharing) -> str:
    """Return a digest of everything in a supernet that an evaluation depends on.

    It reads what sub-networks take, so it holds for any supernet: the largest of each context (of
    each value of each axis), then one of each rank of choice. BatchNorm's statistics, which are
    gathered anew, do not count.
    """
    space, digest = supernet.spec.space, hashlib.sha256()
    counts = [int(count) for count in space.choice_counts]
    contexts = space.one_by_one()
    ranks = range(1, max(counts))
    for subnetwork in [
        *((context, *counts) for context in contexts),
        *((space.largest[0], *(min(rank, count) for count in counts)) for rank in ranks),
    ]:
        for name, value in sorted(supernet.weights(subnetwork).items()):
            if not name.endswith((".running_mean", ".running_var")):
                plain = value.detach().to("cpu", torch.float32).contiguous()
                digest.update(f"{name} {tuple(plain.shape)}\n".encode())
                digest.update(plain.numpy().tobytes())
    return digest.hexdigest()


def _names_sha256(folder: ImageFolder) -> str:
    """Return a digest of the images' names below their root, in order."""
    names = [path.relative_to(folder.root).as_posix() for path in folder.paths]
    return hashlib.sha256("\n".join(names).encode()).hexdigest()
