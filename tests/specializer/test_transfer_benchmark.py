from __future__ import annotations

import gzip
import json
from pathlib import Path

import numpy as np
import pytest

from sartor.benchmarks import transfer
from sartor.benchmarks.help_latencies import Space, inspect, left_out_sets
from sartor.tables.errors import DatasetError
from sartor.tables.transfer import KnownDevices


def test_spearman_of_a_published_example_and_of_ties() -> None:
    # Wikipedia, Spearman's rank correlation coefficient: IQ against hours of television.
    iq = np.array([106, 100, 86, 101, 99, 103, 97, 113, 112, 110], float)
    hours = np.array([7, 27, 2, 50, 28, 29, 20, 12, 6, 17], float)
    assert transfer.spearman(iq, hours) == pytest.approx(-29 / 165)
    # Ranks 1.5, 1.5, 3, 4 against 1, 2, 3, 4: covariance 4.5, variances 4.5 and 5.
    assert transfer.spearman(
        np.array([2.0, 2.0, 3.0, 4.0]), np.array([1.0, 2.0, 3.0, 4.0])
    ) == pytest.approx(4.5 / np.sqrt(4.5 * 5))


def test_the_middle_leaves_out_the_slowest_and_the_fastest_tenth() -> None:
    measured_ms = np.arange(1.0, 21.0)
    predicted_ms = measured_ms.copy()
    predicted_ms[[0, 19]] = 20.0, 1.0
    score = transfer.Score.of(predicted_ms, measured_ms)
    assert score.spearman < 0.5
    assert score.spearman_middle == pytest.approx(1.0)


def test_means_are_taken_field_by_field() -> None:
    scores = [transfer.Score(0.5, 0.3, 0.1, 0.8, 0.9, 0.2), transfer.Score(0.7, 0.5, 0.3, 1, 0.7)]
    mean = transfer.mean_score(scores)
    assert (mean.spearman, mean.mape, mean.coverage) == pytest.approx((0.6, 0.2, 0.8))
    assert mean.half_width is None


def test_a_linear_fit_finds_a_line_and_one_scale_a_factor() -> None:
    rng = np.random.default_rng(0)
    features = rng.normal(size=(50, 2))
    latencies_ms = np.exp(1 + features @ [0.3, -0.2])
    measured = np.arange(12)
    fit = transfer.linear_fit(features, measured, latencies_ms[measured])
    assert np.abs(fit / latencies_ms - 1).max() < 0.01
    others_ms = np.stack([np.exp(rng.normal(size=50)), latencies_ms / 7])
    known = KnownDevices(("other", "twin"), others_ms, features)
    scaled = transfer.one_scale(known, measured, latencies_ms[measured])
    assert scaled == pytest.approx(latencies_ms)


def test_whatever_is_like_the_new_device_is_left_out_with_it() -> None:
    devices = "1080ti_1", "1080ti_64", "titanx_32", "gold_6226", "pixel2", "samsung_a50"
    cases = {(new, left_out): missing for new, left_out, missing in left_out_sets(devices)}
    assert cases["1080ti_64", "itself"] == [1]
    assert cases["1080ti_64", "model"] == [0, 1]
    assert cases["1080ti_64", "kind"] == [0, 1, 2]
    assert cases["pixel2", "kind"] == [4, 5]
    assert ("pixel2", "model") not in cases  # the same as itself
    assert ("gold_6226", "kind") not in cases
    gpus = {
        left_out for _, left_out, _ in left_out_sets(("titan_rtx_1", "titan_rtx_32", "v100_64"))
    }
    assert gpus == {"itself", "model"}  # without its kind nothing would be known


def excerpt(folder: Path, archs: object, latency: dict[str, list[float]]) -> Path:
    """Networks in the format of the data set, under the name of one."""
    (folder / "latency" / "help").mkdir(parents=True)
    path = folder / "latency" / "help" / "fbnet_end_to_end.json.gz"
    path.write_bytes(gzip.compress(json.dumps({"archs": archs, "latency": latency}).encode()))
    return folder


def test_once_for_all_networks_become_slots_and_counts(tmp_path: Path) -> None:
    small = {"ks": [3] * 4, "e": [3] * 4, "d": [2], "r": 176}
    large = {"ks": [3, 5, 7, 7], "e": [3, 4, 6, 6], "d": [4], "r": 224}
    space = Space.load(excerpt(tmp_path, [small, large], {"a_1": [1.0, 2.0]}), "fbnet")
    # Of 10 operators 0 (none), 1 (3×3, expansion 3), 5 and 9 differ in number, and the resolution.
    sizes = np.log([1, 224 / 176])
    assert space.counts.tolist() == [[2, 2, 0, 0, sizes[0]], [0, 1, 1, 2, sizes[1]]]
    assert space.slots.shape == (2, 2 * 3 + 2)  # in slots 2 to 4 one for another, and r, r²


def test_labels_that_drift_or_were_copied_are_told(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    archs = rng.integers(0, 3, (1000, 4))
    exact = np.exp(archs.sum(axis=1) * 0.1)
    drifting = exact * np.exp(0.1 * (np.arange(1000) % 500) / 500)
    drifting[7] = exact[7]
    latency = {"a_1": exact.tolist(), "b_1": drifting.tolist()}
    clean, bad = inspect(Space.load(excerpt(tmp_path, archs.tolist(), latency), "fbnet"))
    assert clean.drift == pytest.approx(0, abs=1e-9)
    assert bad.drift == pytest.approx(0.08, abs=0.005)
    assert clean.distinct == len(set((archs.sum(axis=1)).tolist()))
    assert clean.identical == bad.identical == 3  # rows 0, 500 (no drift yet) and 7


def test_data_that_are_not_there_are_named(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="set SARTOR_DATA"):
        Space.load(tmp_path, "ofa")
