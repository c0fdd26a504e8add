"""Latencies of a new device from tables of other devices and a few measurements on it.

    SARTOR_DATA=... python benchmarks/transfer.py
    SARTOR_DATA=... python benchmarks/transfer.py --space fbnet --networks 10 --seeds 20

On the whole-network latencies that HELP published (SARTOR_DATA/latency/help), each device in turn
is the new one. Networks are measured on it, chosen among 500 random ones of the first 4,000, and
the last 1,000 are predicted; everything is averaged over devices and over such draws. Other
devices are left out with it: none, those of the same model (the same GPU at another batch size),
or all of the same kind (GPU, CPU, phone).

What is compared, all from the same number of measurements of the new device:
- transfer: sartor.tables.transfer, with networks chosen by it, spread over the expected latency,
  or drawn at random; "blind" is the first of these where no device has timed the 1,000 networks,
  so that of them it knows nothing but the features;
- one scale: the latencies of the known device that agrees best, times one factor;
- linear fit: ridge regression of the log latency on the slots (one-hot), or on how often each
  operator occurs ("counts"), with the resolution where there is one; the penalty by leave-one-out
  error. It knows no other device, so random networks are what it would be given; what it makes of
  those that transfer chose is shown beside;
- own 4,000: the same linear fit to 4,000 measurements of the new device itself, which tells how
  well these labels can be predicted at all.

HELP (Lee et al., NeurIPS 2021, arXiv 2106.08630; tables 2 and 3, as in the README of
HayeonLee/HELP) reports mean Spearman .932 for 10 measurements. That is NAS-Bench-201 with six new
devices (Titan RTX at batch 256 .987, Xeon Gold 6226 .989, Pixel 2 .802, Raspberry Pi 4 .890,
Eyeriss .940, FPGA .985), learned from nine devices and validated on four. Its FBNet figures are
.910 for three new devices (Raspberry Pi 4 .887, Eyeriss .943, FPGA .892); it gives none for
Once-for-All. Neither those devices nor NAS-Bench-201 are in this excerpt of its data, so no figure
here repeats one there: FBNet is the same space with other new devices and at most five known ones.
What its code (loader.py) does, and the figures here do not unless they say so: the test networks
are without the slowest and the fastest tenth of the 1,000, by their true latency ("middle 80 %"
here); no device has timed them ("blind" here); and on top of the 10 measurements it takes 10 of
fixed reference networks for the embedding of the device, 20 in all.

Tried on the same data, with scripts that were not kept, and dropped:
- mixing the raw latencies of known devices (principal components) without smoothing them over
  features: Spearman .78 instead of .88 on FBNet, 10 random networks; features alone, with a prior
  learned from known devices: .27;
- one-hot slots without the counts beside them: Spearman .911 instead of .915 on FBNet with 10
  networks, .85 instead of .90 where the GPU is absent; better only with 5 and all GPUs absent;
- prior covariances by operator, layer or kernel size instead: within .005 on FBNet;
- relative instead of log latencies: MAPE 4.4 instead of 4.8 % on FBNet, 6.5 instead of 4.2 on
  Once-for-All;
- D-optimal instead of variance-reducing choice: Spearman within .01, MAPE worse by up to .8 points;
- noise learned for each new device by the evidence of its measurements: Spearman .910 instead of
  .906 on FBNet, .881 instead of .886 on Once-for-All;
- Gaussian noise: MAPE 4.8 instead of 4.5 % on FBNet with 10 networks, for phones have outliers;
  it is the better one for titan_rtx_1 with 5 (mean Spearman of Once-for-All .84 instead of .82),
  where a tenth of the labels is 20 % high and few measurements cannot tell which tenth.
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sartor.specializer.cli.output import print_json, print_table
from sartor.tables import SartorError
from sartor.tables.errors import DatasetError
from sartor.tables.transfer import KnownDevices, TransferModel
from sartor.tables.transfer.rehearsal import spread_over

Floats = NDArray[np.float64]
Indices = NDArray[np.intp]

COUNTS = 3, 5, 7, 10, 20
POOL, CANDIDATES, RUN = 4000, 500, 500
PENALTIES = 1e-3, 1e-2, 1e-1, 1.0, 10.0
SPACES = "fbnet", "ofa"
LEFT_OUT = "itself", "model", "kind"
KINDS = {"1080ti": "gpu", "titanx": "gpu", "titan": "gpu", "v100": "gpu", "gold": "cpu"}
HELP = (
    "HELP, published: mean Spearman .932 at 10 (+ 10 reference) measurements on NAS-Bench-201, six "
    "other devices; .910 on FBNet, three other devices (Lee et al., NeurIPS 2021, tables 3 and 2)"
)


@dataclass(frozen=True, eq=False)
class Space:
    """Networks of one search space, timed on several devices.

    Attributes:
        name: of the space.
        devices: what the devices tell; features are slots and counts.
        slots: (networks, many), one-hot, and the log resolution with its square.
        counts: (networks, few), how often each operator occurs, and the log resolution.
    """

    name: str
    devices: KnownDevices
    slots: Floats
    counts: Floats

    @classmethod
    def load(cls, folder: Path, name: str) -> Space:
        """Read a space from SARTOR_DATA."""
        path = folder / "latency" / "help" / f"{name}_end_to_end.json.gz"
        try:
            document = json.loads(gzip.decompress(path.read_bytes()))
        except OSError as error:
            raise DatasetError(f"cannot read {path}: {error}; set SARTOR_DATA") from error
        archs = document["archs"]
        chosen_slots = np.array([_slots(network) for network in archs])
        chosen = chosen_slots[:, :, None] == np.arange(chosen_slots.max() + 1)
        slots = chosen.reshape(len(chosen), -1).astype(np.float64)
        counts = chosen.sum(axis=1).astype(np.float64)
        if isinstance(archs[0], Mapping):
            sizes = np.log([network["r"] / 176 for network in archs])
            slots = np.column_stack([slots, sizes, sizes**2])
            counts = np.column_stack([counts, sizes])
        slots, counts = (table[:, table.std(axis=0) > 0] for table in (slots, counts))
        names = tuple(document["latency"])
        latencies_ms = np.array([document["latency"][device] for device in names])
        devices = KnownDevices(names, latencies_ms, np.hstack([slots, counts]))
        return cls(name, devices, slots, counts)


def _slots(network: Mapping[str, Sequence[int]] | Sequence[int]) -> list[int]:
    """The operator of each slot; Once-for-All: 0 for none, else kernel and expansion."""
    if not isinstance(network, Mapping):
        return list(network)
    return [
        3 * (kernel // 2 - 1) + (3, 4, 6).index(expansion) + 1 if place % 4 < depth else 0
        for place, (kernel, expansion, depth) in enumerate(
            zip(network["ks"], network["e"], np.repeat(network["d"], 4), strict=True)
        )
    ]


@dataclass(frozen=True, slots=True)
class Score:
    """How good predictions of one device were.

    Attributes:
        spearman: rank correlation of all test networks.
        spearman_middle: without the slowest and the fastest tenth, as HELP has it.
        mape: mean absolute error, relative to the measured latency.
        within_10: share of networks that were less than 10 % off.
        coverage: share of networks within their interval; None without intervals.
        half_width: median of the upper end over the prediction, less 1; None without intervals.
    """

    spearman: float
    spearman_middle: float
    mape: float
    within_10: float
    coverage: float | None = None
    half_width: float | None = None

    @classmethod
    def of(
        cls, predicted_ms: Floats, measured_ms: Floats, ends_ms: tuple[Floats, Floats] | None = None
    ) -> Score:
        """Judge predictions, (n,), by measurements, (n,)."""
        tenth = len(measured_ms) // 10
        middle = np.argsort(measured_ms, kind="stable")[tenth : len(measured_ms) - tenth]
        errors = np.abs(predicted_ms / measured_ms - 1)
        coverage = half_width = None
        if ends_ms is not None:
            low_ms, high_ms = ends_ms
            coverage = float(((low_ms <= measured_ms) & (measured_ms <= high_ms)).mean())
            half_width = float(np.median(high_ms / predicted_ms) - 1)
        return cls(
            spearman(predicted_ms, measured_ms),
            spearman(predicted_ms[middle], measured_ms[middle]),
            float(errors.mean()),
            float((errors <= 0.10).mean()),
            coverage,
            half_width,
        )


@dataclass(frozen=True, slots=True)
class Row:
    """Mean score of one device.

    Attributes:
        space: of the networks.
        device: the new one.
        left_out: what else was left out, see LEFT_OUT.
        known: how many devices were known.
        method: as described above.
        networks: how many were measured.
        score: mean over draws.
    """

    space: str
    device: str
    left_out: str
    known: int
    method: str
    networks: int
    score: Score


def spearman(first: Floats, second: Floats) -> float:
    """Rank correlation; ties, as whole milliseconds have them, share their mean rank."""
    return float(np.corrcoef(_ranks(first), _ranks(second))[0, 1])


def _ranks(values: Floats) -> Floats:
    _, places, counts = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    mean_rank: Floats = (last - (counts + 1) / 2)[places]
    return mean_rank


def linear_fit(features: Floats, measured: Indices, latencies_ms: Floats) -> Floats:
    """Predict all networks by ridge regression of log latencies, in ms.

    Source: Hastie et al., The Elements of Statistical Learning, 2nd edition, sections 3.4.1 and
    7.10 (leave-one-out errors of linear smoothers in closed form).
    """
    logs = np.log(latencies_ms)
    scale = features.std(axis=0) * np.sqrt(features.shape[1])
    columns = (features - features[measured].mean(axis=0)) / scale
    gram = columns[measured] @ columns[measured].T
    fits = []
    for penalty in PENALTIES:
        inverse = np.linalg.inv(gram + penalty * np.eye(len(measured)))
        pulls = inverse @ (logs - logs.mean())
        fits.append((float(((pulls / inverse.diagonal()) ** 2).sum()), pulls))
    _, pulls = min(fits, key=lambda fit: fit[0])
    predicted: Floats = np.exp(logs.mean() + columns @ (columns[measured].T @ pulls))
    return predicted


def one_scale(known: KnownDevices, measured: Indices, latencies_ms: Floats) -> Floats:
    """Predict all networks by the known device that agrees best, times one factor, in ms."""
    ratios = np.log(latencies_ms) - np.log(known.latencies_ms[:, measured])
    best = int(np.argmin(ratios.std(axis=1)))
    scaled: Floats = known.latencies_ms[best] * np.exp(ratios[best].mean())
    return scaled


def own_fit(features: Floats, latencies_ms: Floats) -> Floats:
    """Predict all networks by least squares over the logs of the first 4,000, in ms."""
    columns = np.column_stack([np.ones(len(features)), features])
    weights, *_ = np.linalg.lstsq(columns[:POOL], np.log(latencies_ms[:POOL]), rcond=None)
    predicted: Floats = np.exp(columns @ weights)
    return predicted


def explained(model: TransferModel, networks: KnownDevices) -> KnownDevices:
    """See networks as known devices would if they had timed none of them: by features alone."""
    basis = model.basis
    logs = basis.levels[:, None] + basis.weights @ (networks.features - basis.center).T
    return KnownDevices(networks.names, np.exp(logs), networks.features)


def also_left_out(devices: Sequence[str], new: str, left_out: str) -> list[int]:
    """Devices that are left out with a new one, itself included."""
    if left_out == "kind":
        return [index for index, name in enumerate(devices) if _kind(name) == _kind(new)]
    if left_out == "model":
        return [index for index, name in enumerate(devices) if _model(name) == _model(new)]
    return [devices.index(new)]


def _model(device: str) -> str:
    """The model of a GPU is what comes before its batch size."""
    return device.rpartition("_")[0] if _kind(device) == "gpu" else device


def _kind(device: str) -> str:
    return KINDS.get(device.partition("_")[0], "phone")


def left_out_sets(devices: Sequence[str]) -> Iterator[tuple[str, str, list[int]]]:
    """Each (new device, what else is left out, devices to leave out) that is a case of its own."""
    for new in devices:
        before: list[int] = []
        for left_out in LEFT_OUT:
            missing = also_left_out(devices, new, left_out)
            if missing != before and len(missing) < len(devices):
                yield new, left_out, missing
            before = missing


def evaluate(
    space: Space, new: str, missing: Sequence[int], counts: Sequence[int], seeds: int
) -> dict[tuple[str, int], Score]:
    """Predict one device from all that are not missing: the mean score by method and count."""
    everything = space.devices
    known = everything
    for device in sorted(missing, reverse=True):
        known = known.without(device)
    truth_ms = everything.latencies_ms[everything.names.index(new)]
    model = TransferModel.learn(known.of_networks(np.arange(POOL)))
    tests = np.arange(POOL, len(truth_ms))
    wanted = known.of_networks(tests)
    blind = explained(model, wanted)
    shape = model.basis.shape(model.known)
    found: dict[tuple[str, int], list[Score]] = {}
    for seed in range(seeds):
        rng = np.random.default_rng(seed)
        candidates = rng.choice(POOL, CANDIDATES, replace=False)
        active = np.array(model.choose(max(counts), candidates.tolist()))
        for count in counts:
            choices = {
                "chosen": active[:count],
                "spread": candidates[spread_over(shape[candidates], count)],
                "random": candidates[:count],
            }
            for choice, measured in choices.items():
                latencies_ms = truth_ms[measured]

                def add(method: str, score: Score, count: int = count) -> None:
                    found.setdefault((method, count), []).append(score)

                def judge(predicted_ms: Floats) -> Score:
                    return Score.of(predicted_ms[tests], truth_ms[tests])

                seen = model.predict(measured.tolist(), latencies_ms, wanted)
                ends_ms = seen.low_ms, seen.high_ms
                add(f"transfer, {choice}", Score.of(seen.latency_ms, truth_ms[tests], ends_ms))
                if choice != "spread":
                    fit = linear_fit(space.slots, measured, latencies_ms)
                    add(f"linear fit, slots, {choice}", judge(fit))
                    fit = linear_fit(space.counts, measured, latencies_ms)
                    add(f"linear fit, counts, {choice}", judge(fit))
                if choice == "chosen":
                    add("one scale, chosen", judge(one_scale(known, measured, latencies_ms)))
                    unseen = model.predict(measured.tolist(), latencies_ms, blind)
                    add("transfer, blind", Score.of(unseen.latency_ms, truth_ms[tests]))
    scores = {case: mean_score(several) for case, several in found.items()}
    own = Score.of(own_fit(space.slots, truth_ms)[tests], truth_ms[tests])
    return scores | {("own 4,000", count): own for count in counts}


def mean_score(scores: Sequence[Score]) -> Score:
    """Average scores, field by field."""

    def mean(field: Callable[[Score], float | None]) -> float | None:
        values = [value for score in scores if (value := field(score)) is not None]
        return float(np.mean(values)) if values else None

    return Score(
        mean(lambda score: score.spearman) or 0.0,
        mean(lambda score: score.spearman_middle) or 0.0,
        mean(lambda score: score.mape) or 0.0,
        mean(lambda score: score.within_10) or 0.0,
        mean(lambda score: score.coverage),
        mean(lambda score: score.half_width),
    )


@dataclass(frozen=True, slots=True)
class Labels:
    """How good the labels of one device are.

    Attributes:
        space: of the networks.
        device: that was measured.
        median_ms: latency.
        distinct: different values among all labels.
        identical: rows that equal another device's to the last digit, at most.
        drift: mean of the last 100 residuals of each 500 rows less that of the first 100, after a
            linear fit of the logs: labels that depend on when they were taken.
        outliers: share of rows more than 15 % off that fit.
    """

    space: str
    device: str
    median_ms: float
    distinct: int
    identical: int
    drift: float
    outliers: float


def inspect(space: Space) -> list[Labels]:
    """Look at the labels of every device."""
    names, latencies_ms = space.devices.names, space.devices.latencies_ms
    columns = np.column_stack([np.ones(len(space.counts)), space.slots])
    found = []
    for index, name in enumerate(names):
        logs = np.log(latencies_ms[index])
        weights, *_ = np.linalg.lstsq(columns, logs, rcond=None)
        residuals = logs - columns @ weights
        runs = residuals[: len(logs) // RUN * RUN].reshape(-1, RUN)
        same = [
            int((latencies_ms[index] == row).sum())
            for row in np.delete(latencies_ms, index, axis=0)
        ]
        found.append(
            Labels(
                space.name,
                name,
                float(np.median(latencies_ms[index])),
                len(np.unique(latencies_ms[index])),
                max(same),
                float(runs[:, -100:].mean() - runs[:, :100].mean()),
                float((np.abs(residuals) > np.log(1.15)).mean()),
            )
        )
    return found


def show(labels: Sequence[Labels], rows: Sequence[Row]) -> None:
    """Print everything for people."""
    print_table(
        "The labels",
        ("space", "device", "median", "distinct", "as another's", "drift", "> 15 % off"),
        (
            (
                *(label.space, label.device, f"{label.median_ms:.1f} ms", label.distinct),
                *(label.identical, f"{label.drift:+.1%}", f"{label.outliers:.1%}"),
            )
            for label in labels
        ),
    )
    for space, left_out in dict.fromkeys((row.space, row.left_out) for row in rows):
        among = [row for row in rows if (row.space, row.left_out) == (space, left_out)]
        counts = sorted({row.networks for row in among})
        numbers = " or ".join(map(str, sorted({row.known for row in among})))
        title = f"{space}, left out: {left_out}; {numbers} known devices"
        devices = list(dict.fromkeys(row.device for row in among))
        print_table(
            f"{title}. Spearman and MAPE by networks measured, mean of {len(devices)} new devices",
            ("method", *map(str, counts)),
            (
                (method, *(_short(_mean(among, method, count)) for count in counts))
                for method in dict.fromkeys(row.method for row in among)
            ),
        )
        print_table(
            f"{title}. Networks as chosen",
            ("networks", "Spearman of the middle 80 %", "± 10 %", "in 90 % interval", "its half"),
            ((count, *_long(_mean(among, "transfer, chosen", count))) for count in counts),
        )
        count = 10 if 10 in counts else counts[-1]
        print_table(
            f"{title}. Each new device, {count} networks: Spearman, MAPE; share in the interval",
            ("method", *devices),
            (
                (method, *(_by_device(among, method, count, device) for device in devices))
                for method in dict.fromkeys(row.method for row in among)
            ),
        )
    print(HELP)


def _mean(rows: Sequence[Row], method: str, count: int) -> Score:
    return mean_score([row.score for row in rows if (row.method, row.networks) == (method, count)])


def _short(score: Score) -> str:
    return f"{score.spearman:.3f} {score.mape:.1%}"


def _long(score: Score) -> tuple[str, ...]:
    return (
        *(f"{score.spearman_middle:.3f}", f"{score.within_10:.0%}"),
        "–" if score.coverage is None else f"{score.coverage:.0%}",
        "–" if score.half_width is None else f"{score.half_width:.1%}",
    )


def _by_device(rows: Sequence[Row], method: str, count: int, device: str) -> str:
    score = _mean([row for row in rows if row.device == device], method, count)
    return _short(score) + ("" if score.coverage is None else f"; {score.coverage:.0%}")


def main() -> None:
    """Read the command line, evaluate, and print."""
    summary, _, details = (__doc__ or "").partition("\n")
    parser = argparse.ArgumentParser(
        description=summary, epilog=details, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--space", action="append", choices=SPACES, help="all if none")
    parser.add_argument(
        "--networks", action="append", type=int, help="to measure; 3, 5, 7, 10 and 20 if none"
    )
    parser.add_argument("--seeds", type=int, default=10, help="draws of 500 candidates (10)")
    parser.add_argument("--json", action="store_true", help="print the result as JSON")
    arguments = parser.parse_args()
    counts = sorted(set(arguments.networks or COUNTS))
    if not 3 <= counts[0] <= counts[-1] <= 100 or arguments.seeds < 1:
        parser.error("--networks takes 3 to 100, and --seeds at least 1")
    labels, rows = [], []
    try:
        folder = Path(os.environ.get("SARTOR_DATA", "."))
        for name in arguments.space or SPACES:
            space = Space.load(folder, name)
            labels += inspect(space)
            for new, left_out, missing in left_out_sets(space.devices.names):
                known = len(space.devices.names) - len(missing)
                scores = evaluate(space, new, missing, counts, arguments.seeds)
                rows += [
                    Row(name, new, left_out, known, method, count, score)
                    for (method, count), score in scores.items()
                ]
    except SartorError as error:
        sys.exit(f"transfer: {error}")
    if arguments.json:
        documents = {"labels": labels, "rows": rows}
        print_json({"help": HELP} | {k: [asdict(row) for row in v] for k, v in documents.items()})
        return
    show(labels, rows)


if __name__ == "__main__":
    main()
