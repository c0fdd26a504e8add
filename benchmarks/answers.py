"""What networks answer: recalibrated, asked on all cores, and kept in a journal."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from itertools import groupby
from pathlib import Path

import numpy as np
import torch

from sartor.benchmarks.paired import Flags
from sartor.specializer.cli.output import progress_bar
from sartor.specializer.evaluate import BATCH, LabelledPixels, decode
from sartor.specializer.evaluations import Evaluator
from sartor.specializer.images import ImageFolder, normalise_pixels
from sartor.specializer.network import Network, RunningNorm, graph_tensors, run_graph
from sartor.specializer.space import SubNetwork
from sartor.specializer.specialize import Specializer
from sartor.tables.errors import CheckpointError

CALIBRATION_IMAGES = 256


@dataclass(frozen=True, slots=True)
class Photos:
    """The images of a run.

    Attributes:
        calibration: from the training split, to recalibrate with.
        judged: from the validation split.
    """

    calibration: ImageFolder
    judged: ImageFolder

    @classmethod
    def find(cls, root: Path, labels: Sequence[str], images: int | None, seed: int) -> Photos:
        """Choose photos at random, of the validation split ``images`` or all.

        Raises:
            DatasetError: a folder is missing, or has other classes than the supernet.
        """
        trained, judged = (ImageFolder.scan(root / part, labels) for part in ("train", "val"))
        if images is not None:
            judged = judged.sample(images, seed)
        return cls(trained.sample(CALIBRATION_IMAGES, seed), judged)


class Answers:
    """A journal: which images each network got right; JSON Lines, one for each network.

    Attributes:
        known: by the text of a sub-network, (images,).

    Raises:
        CheckpointError: the file is no such journal.
    """

    def __init__(self, path: Path, images: int) -> None:
        self._path, self.known = path, dict[str, Flags]()
        if not path.exists():
            return
        # The last line may be torn, when the writer was killed.
        whole, newline, _ = path.read_text().rpartition("\n")
        try:
            for row in map(json.loads, whole.splitlines()):
                packed = np.frombuffer(bytes.fromhex(row["right"]), np.uint8)
                self.known[row["subnetwork"]] = np.unpackbits(packed, count=images).astype(bool)
        except (ValueError, KeyError, TypeError) as error:
            raise CheckpointError(f"{path} is no journal of answers; remove it") from error
        path.write_text(whole + newline)

    def add(self, subnetwork: str, right: Flags) -> None:
        """Write down what a network got right."""
        self.known[subnetwork] = right
        row = {"subnetwork": subnetwork, "right": np.packbits(right).tobytes().hex()}
        with self._path.open("a") as lines:
            lines.write(json.dumps(row) + "\n")


def right_answers(network: Network, images: LabelledPixels) -> Flags:
    """Tell of each image whether a network, as it is deployed, gets it right: (images,)."""
    graph = network.deployed()
    weights, norm, right = graph_tensors(graph), RunningNorm(0.0), []
    with torch.inference_mode():
        batches = zip(images.pixels.split(BATCH), images.labels.split(BATCH), strict=True)
        for pixels, labels in batches:
            logits = run_graph(graph, weights, normalise_pixels(pixels), norm)
            right.append((logits.argmax(1) == labels).numpy())
    return np.concatenate(right)


def answer(
    specializer: Specializer, photos: Photos, subnetworks: Sequence[SubNetwork], journals: Path
) -> dict[SubNetwork, Flags]:
    """Recalibrate networks and put the photos to them, on all cores, or read it in the journal.

    Args:
        specializer: whose supernet has the weights.
        photos: to recalibrate with, and to answer.
        subnetworks: to be evaluated.
        journals: the journal's path, but for what tells weights and photos apart.
    """
    evaluator = Evaluator(specializer.family, photos.calibration, photos.judged)
    digest = hashlib.sha256(repr(evaluator.subject).encode()).hexdigest()
    path = journals.with_name(f"{journals.name}-{digest[:8]}.jsonl")
    journal, space = Answers(path, len(photos.judged)), specializer.spec.space
    waiting = [one for one in subnetworks if space.text(one) not in journal.known]
    with progress_bar() as bar:
        task = bar.add_task("accuracy", total=len(waiting))
        for context, group in groupby(sorted(waiting), lambda subnetwork: subnetwork[0]):
            images = decode(photos.judged, specializer.spec.resolutions[context])
            for subnetwork, right in _answer_at(evaluator, images, list(group)):
                journal.add(space.text(subnetwork), right)
                bar.advance(task)
    return {one: journal.known[space.text(one)] for one in subnetworks}


def _answer_at(
    evaluator: Evaluator, images: LabelledPixels, subnetworks: Sequence[SubNetwork]
) -> Iterator[tuple[SubNetwork, Flags]]:
    """Evaluate networks of one resolution, and yield each as soon as it is done."""

    def job(subnetwork: SubNetwork) -> tuple[SubNetwork, Flags]:
        return subnetwork, right_answers(evaluator.network(subnetwork), images)

    with _workers() as pool:
        for done in as_completed([pool.submit(job, subnetwork) for subnetwork in subnetworks]):
            yield done.result()


@contextmanager
def _workers() -> Iterator[ThreadPoolExecutor]:
    """Give one thread per core, each with its own torch; what waits at the end is dropped."""
    one_each = partial(torch.set_num_threads, 1)
    pool = ThreadPoolExecutor(os.cpu_count(), initializer=one_each)
    try:
        yield pool
    finally:
        pool.shutdown(cancel_futures=True)
