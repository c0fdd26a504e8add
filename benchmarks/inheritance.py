"""Does inheriting work, and do several supernets rank sub-networks better than one?

For random sub-networks of a trained supernet, top-1 on images that nothing was trained on:

- *inherited*: cut out of the supernet, BatchNorm recalibrated, nothing trained;
- *tuned*: the same, trained further for itself alone;
- *alone*: trained by itself from what the supernet started from (no supernet), as long;
- *few-shot*: inherited from the supernet of its region, after the space was split along one
  dimension and a copy of the supernet was fine-tuned in each region (Zhao et al., ICML 2021).

Kendall's τ says how well inherited accuracies rank the networks as *alone* does; the intervals are
90 % bootstrap ones over networks. Every training is by Sartor's own trainer, so a recipe on disk
tells all. A killed run goes on where it stopped.

    python benchmarks/inheritance.py --data imagenette2-160 --supernet my.safetensors --out runs
"""

from __future__ import annotations

import argparse
import json
import math
import multiprocessing
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from sartor.specializer.accuracy.fit import kendall_tau
from sartor.specializer.checkpoint import load_supernet
from sartor.specializer.dataset import Dataset, open_dataset
from sartor.specializer.evaluations import Evaluator
from sartor.specializer.images import ImageFolder
from sartor.specializer.region import Region, split
from sartor.specializer.shipped import find_supernet
from sartor.specializer.space import SubNetwork
from sartor.specializer.supernets.elastic import ElasticMobileNetV3
from sartor.specializer.train.finish import calibration_images, random_subnetworks, subnetworks
from sartor.specializer.train.photos import Photos, open_photos
from sartor.specializer.train.process import Process, choose_device
from sartor.specializer.train.recipe import Phase, Recipe
from sartor.specializer.train.recipe_file import recipe_from_text
from sartor.specializer.train.trainer import train


@dataclass(frozen=True)
class Plan:
    """What to do; every process gets a copy."""

    data: Path
    supernet: str
    out: Path
    device: str
    dimension: str
    tune_epochs: int
    alone_epochs: int
    region_epochs: int
    batch_size: int
    torch_threads: int


@dataclass(frozen=True)
class Job:
    """One training: of a sub-network or of a region, from some weights."""

    kind: str
    text: str

    @property
    def name(self) -> str:
        """A file name that tells jobs apart."""
        plain = "".join(c if c.isalnum() else "-" for c in self.text)
        return f"{self.kind}_{plain}"


def main() -> None:
    """Run what is not done yet, and print what all of it shows."""
    options = _options()
    plan = Plan(
        options.data,
        options.supernet,
        options.out,
        options.device,
        options.split,
        options.tune_epochs,
        options.alone_epochs,
        options.region_epochs,
        options.batch_size,
        options.torch_threads,
    )
    recipe, space = (
        _recipe(plan),
        load_supernet(find_supernet(plan.supernet).weights).supernet.spec.space,
    )
    rng = np.random.default_rng(options.seed)
    chosen = [
        space.text(s) for s in subnetworks(random_subnetworks(space, "", options.networks, rng))
    ]
    regions = [str(region) for region in split(space, plan.dimension)]
    tuned = chosen[: options.tuned]
    jobs = [Job("few-shot", region) for region in regions]
    jobs += [Job("alone", text) for text in tuned]
    jobs += [Job("tuned", text) for text in tuned]
    jobs += [Job("alone", text) for text in chosen[options.tuned :]]
    jobs += [Job("inherited", text) for text in chosen]
    waiting = [job for job in jobs if not _result(plan, job).exists()]
    print(f"{len(jobs)} jobs, {len(waiting)} of them still to do, recipe {recipe.name}", flush=True)
    started = time.monotonic()
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(options.jobs, mp_context=context) as pool:
        running = {pool.submit(do, plan, job, chosen): job for job in waiting}
        for done, future in enumerate(as_completed(running), 1):
            future.result()
            seconds = time.monotonic() - started
            print(f"{seconds:6.0f} s  {done}/{len(waiting)}  {running[future].name}", flush=True)
    report = summarise(plan, chosen, tuned, regions)
    (plan.out / "inheritance.json").write_text(json.dumps(report, indent=1) + "\n")
    print(_text(report))


def do(plan: Plan, job: Job, chosen: Sequence[str]) -> None:
    """Do one job and write down its result, whole or not at all."""
    torch.set_num_threads(plan.torch_threads)
    space = _supernet(plan).spec.space
    if job.kind == "inherited":
        answer = {job.text: _accuracy(plan, _supernet(plan), space.parse(job.text))}
    elif job.kind == "few-shot":
        trained = _train(plan, job, plan.region_epochs, plan.supernet, region=job.text)
        inside = Region.parse(job.text, space)
        mine = [
            t for t in chosen if inside.contains(space, np.array([space.parse(t)], np.int16))[0]
        ]
        answer = {text: _accuracy(plan, trained, space.parse(text)) for text in mine}
    else:
        start = plan.supernet if job.kind == "tuned" else _recipe(plan).start
        epochs = plan.tune_epochs if job.kind == "tuned" else plan.alone_epochs
        trained = _train(plan, job, epochs, start, only=(job.text,))
        answer = {job.text: _accuracy(plan, trained, space.parse(job.text))}
    path = _result(plan, job)
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(".part")
    part.write_text(json.dumps(answer))
    part.replace(path)


def summarise(
    plan: Plan, chosen: Sequence[str], tuned: Sequence[str], regions: Sequence[str]
) -> dict[str, object]:
    """Put the accuracies of all jobs side by side, and correlate them."""
    rows: dict[str, dict[str, float]] = {text: {} for text in chosen}
    jobs = [Job("few-shot", r) for r in regions]
    jobs += [Job(kind, t) for kind in ("alone", "inherited") for t in chosen]
    jobs += [Job("tuned", t) for t in tuned]
    for job in jobs:
        for text, accuracy in json.loads(_result(plan, job).read_text()).items():
            rows[text][job.kind] = accuracy
    kinds = ("inherited", "few-shot", "alone")
    columns = {kind: np.array([rows[text][kind] for text in chosen]) for kind in kinds}
    groups = np.array([text.partition(":")[0] for text in chosen])
    taus = {
        kind: _taus(columns[kind], columns["alone"], groups) for kind in ("inherited", "few-shot")
    }
    gain = _gain(columns, groups)
    return {
        "epochs": {
            "tuned": plan.tune_epochs,
            "alone": plan.alone_epochs,
            "few-shot": plan.region_epochs,
        },
        "split": plan.dimension,
        "images": len(_judged(plan)),
        "networks": rows,
        "mean": {kind: float(columns[kind].mean()) for kind in kinds},
        "mean_of_tuned": {
            kind: float(np.mean([rows[text][kind] for text in tuned]))
            for kind in ("inherited", "few-shot", "tuned", "alone")
        },
        "kendall_tau": taus,
        "gain_in_tau": gain,
    }


def _train(
    plan: Plan, job: Job, epochs: int, start: str, *, region: str = "", only: tuple[str, ...] = ()
) -> ElasticMobileNetV3:
    """Train a region of the space, or one sub-network of it."""
    base = _recipe(plan)
    last = base.phases[-1]
    phase = Phase(
        "alone" if only else "region",
        epochs,
        last.learning_rate if job.kind == "alone" else last.learning_rate / 3,
        random_per_step=1 if only else last.random_per_step,
        extremes_per_step=0 if only else last.extremes_per_step,
        only=only,
    )
    recipe = replace(
        base, name=job.kind, phases=(phase,), start=start, region=region, batch_size=plan.batch_size
    )
    process = _process(plan)
    return train(
        recipe,
        _data(plan).trained,
        plan.out / "runs" / job.name,
        process=process,
        photos=_photos(plan),
    ).average


def _accuracy(plan: Plan, supernet: ElasticMobileNetV3, subnetwork: SubNetwork) -> float:
    evaluator = Evaluator(supernet, _calibration(plan), _judged(plan), str(_process(plan).device))
    return evaluator.top1(evaluator.network(subnetwork))


@cache
def _supernet(plan: Plan) -> ElasticMobileNetV3:
    return load_supernet(find_supernet(plan.supernet).weights).supernet


@cache
def _recipe(plan: Plan) -> Recipe:
    """Return the recipe that the supernet's file says it was trained by."""
    return recipe_from_text(load_supernet(find_supernet(plan.supernet).weights).metadata["recipe"])


@cache
def _data(plan: Plan) -> Dataset:
    recipe = _recipe(plan)
    return open_dataset(plan.data, recipe.held_out, recipe.seed)


@cache
def _judged(plan: Plan) -> ImageFolder:
    """Return all images that nothing was trained on: fewer would tell less apart."""
    data = _data(plan)
    return ImageFolder(
        plan.data,
        data.classes,
        data.validation.paths + data.held_out.paths,
        data.validation.labels + data.held_out.labels,
    )


@cache
def _calibration(plan: Plan) -> ImageFolder:
    return calibration_images(_recipe(plan), _data(plan))


@cache
def _process(plan: Plan) -> Process:
    device = choose_device(plan.device)
    return Process(device, "bfloat16" if device.type == "cuda" else "float32")


@cache
def _photos(plan: Plan) -> Photos:
    return open_photos(_recipe(plan), _data(plan).trained, _process(plan), 1)


def _result(plan: Plan, job: Job) -> Path:
    return plan.out / "results" / f"{job.name}.json"


Floats = NDArray[np.float64]
Groups = NDArray[np.str_]


def _taus(first: Floats, second: Floats, groups: Groups) -> dict[str, dict[str, float]]:
    """Correlate two rankings, over all networks and within one resolution, with intervals."""

    def both(index: NDArray[np.intp]) -> tuple[float, float]:
        a, b, g = first[index], second[index], groups[index]
        return kendall_tau(a, b), _tau_within(a, b, g)

    return _intervals(both, len(first))


def _intervals(
    both: Callable[[NDArray[np.intp]], tuple[float, float]], count: int
) -> dict[str, dict[str, float]]:
    """Bootstrap two statistics of some networks, given as indices: 90 % intervals."""
    rng = np.random.default_rng(0)
    draws = [both(rng.integers(0, count, count)) for _ in range(1000)]
    low, high = np.nanquantile(draws, [0.05, 0.95], axis=0)
    values = both(np.arange(count))
    return {
        name: {"value": values[place], "low": float(low[place]), "high": float(high[place])}
        for place, name in enumerate(("all", "within one resolution"))
    }


def _tau_within(first: Floats, second: Floats, groups: Groups) -> float:
    """Average Kendall's τ over groups, weighted by their pairs."""
    total, weight = 0.0, 0.0
    for group in np.unique(groups):
        inside = groups == group
        pairs = math.comb(int(inside.sum()), 2)
        if pairs:
            total += pairs * kendall_tau(first[inside], second[inside])
            weight += pairs
    return total / weight if weight else math.nan


def _gain(columns: dict[str, Floats], groups: Groups) -> dict[str, dict[str, float]]:
    """Tell by how much few-shot supernets rank better, on the same bootstrap samples."""
    alone = columns["alone"]

    def both(index: NDArray[np.intp]) -> tuple[float, float]:
        few, one = (columns[kind][index] for kind in ("few-shot", "inherited"))
        truth, group = alone[index], groups[index]
        return (
            kendall_tau(few, truth) - kendall_tau(one, truth),
            _tau_within(few, truth, group) - _tau_within(one, truth, group),
        )

    return _intervals(both, len(alone))


def _text(report: dict[str, object]) -> str:
    return json.dumps({k: v for k, v in report.items() if k != "networks"}, indent=1)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True, help="folder with train/ and val/")
    parser.add_argument("--supernet", required=True, help="a supernet that `sartor train` wrote")
    parser.add_argument("--out", type=Path, required=True, help="folder for runs and results")
    parser.add_argument("--networks", type=int, default=30)
    parser.add_argument("--tuned", type=int, default=10, help="how many of them are tuned")
    parser.add_argument("--split", default="resolution", help="dimension of the few-shot regions")
    parser.add_argument("--tune-epochs", type=int, default=8)
    parser.add_argument("--alone-epochs", type=int, default=30)
    parser.add_argument("--region-epochs", type=int, default=6)
    parser.add_argument("--batch-size", type=int, default=128)
    parser.add_argument("--jobs", type=int, default=1, help="processes at once")
    parser.add_argument("--torch-threads", type=int, default=1)
    parser.add_argument("--device", default="auto", choices=("auto", "cpu", "cuda"))
    parser.add_argument("--seed", type=int, default=7)
    return parser.parse_args()


if __name__ == "__main__":
    main()
