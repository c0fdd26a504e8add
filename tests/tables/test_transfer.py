from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given, settings
from numpy.typing import NDArray

from sartor.benchmarks.help_latencies import Space
from sartor.benchmarks.transfer import linear_fit, one_scale, spearman
from sartor.tables import Condition, LatencyTable, Network, Operator, Provenance, Subject, Window
from sartor.tables.errors import FormatError, MeasurementError, MissingOperatorError
from sartor.tables.transfer import KnownDevices, TransferModel, known_devices
from sartor.tables.transfer.choice import choose
from sartor.tables.transfer.posterior import condition
from sartor.tables.transfer.rehearsal import spread_over

Floats = NDArray[np.float64]

NETWORKS, SLOTS, CHOICES = 120, 5, 3
PROVENANCE = Provenance(
    "local", (("cores", "2"),), Condition("litert"), "2.3.0", "ab12", "1", "1", "2026", "0.1.0"
)
SMALL, LARGE = (Operator("dense", ((channels, 1, 1),), (("out", 10),)) for channels in (8, 64))
POOL = Operator("global_average_pool", ((8, 7, 7),))


@dataclass(frozen=True)
class World:
    """Networks of few slots, and devices on which every choice has a cost of its own."""

    known: KnownDevices
    new_ms: Floats


def world(seed: int, devices: int = 3, noise: float = 0.0) -> World:
    """The last of the devices that are drawn is the new one; costs of all have a part in common."""
    rng = np.random.default_rng(seed)
    slots = rng.integers(0, CHOICES, (NETWORKS, SLOTS))
    features = (slots[:, :, None] == np.arange(CHOICES)).reshape(NETWORKS, -1).astype(np.float64)
    common = rng.gamma(2.0, size=features.shape[1])
    own = rng.gamma(2.0, size=(devices + 1, features.shape[1]))
    speeds = np.exp(rng.normal(0, 1, (devices + 1, 1)))
    latencies_ms = speeds * (3 + (common + 0.3 * own) @ features.T)
    latencies_ms *= np.exp(rng.normal(0, noise, latencies_ms.shape))
    names = tuple(f"device {index}" for index in range(devices))
    return World(KnownDevices(names, latencies_ms[:-1], features), latencies_ms[-1])


KNOWN = world(0).known
MODEL = TransferModel.learn(KNOWN)
CHOSEN = MODEL.choose(5), MODEL.choose(40)


def transferred(model: TransferModel, truth_ms: Floats, count: int) -> Floats:
    measured = model.choose(count)
    return model.predict(measured, truth_ms[list(measured)]).latency_ms


@settings(max_examples=15)
@given(st.floats(1e-3, 1e3), st.integers(0, 2), st.integers(5, 15))
def test_a_new_device_that_is_a_known_one_scaled_is_recognised(
    factor: float, device: int, count: int
) -> None:
    truth_ms = factor * KNOWN.latencies_ms[device]
    errors = transferred(MODEL, truth_ms, count) / truth_ms - 1
    assert np.abs(errors).mean() < 0.15 * np.log(truth_ms).std()


@settings(max_examples=10)
@given(st.floats(1e-3, 1e3))
def test_from_one_known_device_its_scaled_twin_is_exact(factor: float) -> None:
    alone = KNOWN.without(2).without(1)
    model = TransferModel.learn(alone)
    truth_ms = factor * np.exp(model.basis.levels[0] + _explained(model))
    measured = model.choose(3)
    prediction = model.predict(measured, truth_ms[list(measured)])
    assert prediction.latency_ms == pytest.approx(truth_ms, rel=1e-6)
    assert prediction.high_ms == pytest.approx(prediction.low_ms, rel=1e-5)


def _explained(model: TransferModel) -> Floats:
    explained: Floats = model.basis.weights[0] @ (model.known.features - model.basis.center).T
    return explained


@settings(max_examples=15)
@given(st.permutations(range(8)))
def test_the_order_of_measurements_does_not_matter(order: list[int]) -> None:
    truth_ms = world(0).new_ms
    measured = MODEL.choose(8)
    shuffled = [measured[index] for index in order]
    first = MODEL.predict(measured, truth_ms[list(measured)])
    second = MODEL.predict(shuffled, truth_ms[shuffled])
    assert second.latency_ms == pytest.approx(first.latency_ms, rel=1e-6)
    assert second.high_ms == pytest.approx(first.high_ms, rel=1e-6)


@settings(max_examples=10)
@given(st.floats(1e-3, 1e3))
def test_a_unit_of_time_is_only_a_unit(factor: float) -> None:
    truth_ms = world(0).new_ms
    measured = list(MODEL.choose(6))
    first = MODEL.predict(measured, truth_ms[measured])
    second = MODEL.predict(measured, factor * truth_ms[measured])
    assert second.latency_ms == pytest.approx(factor * first.latency_ms, rel=1e-9)
    assert second.low_ms == pytest.approx(factor * first.low_ms, rel=1e-9)


@settings(max_examples=25)
@given(st.tuples(*[st.floats(0, 1)] * 3).filter(lambda weights: sum(weights) > 0.5))
def test_more_exact_measurements_narrow_the_intervals(weights: tuple[float, ...]) -> None:
    """Of a mixture of the known devices; of a stranger, more of them may tell that it is one."""
    truth_ms = np.exp(np.array(weights) @ np.log(KNOWN.latencies_ms))
    few, many = (MODEL.predict(measured, truth_ms[measured]) for measured in map(list, CHOSEN))
    wide, narrow = (np.log(one.high_ms / one.low_ms).mean() for one in (few, many))
    assert narrow < wide / 2


@pytest.mark.parametrize("devices", [1, 2, 4])
def test_intervals_hold_what_they_promise_on_average(devices: int) -> None:
    held = []
    for seed in range(8):
        here = world(seed, devices, noise=0.03)
        model = TransferModel.learn(here.known)
        measured = list(model.choose(8))
        prediction = model.predict(measured, here.new_ms[measured])
        others = np.delete(np.arange(NETWORKS), measured)
        inside = (prediction.low_ms <= here.new_ms) & (here.new_ms <= prediction.high_ms)
        held.append(float(inside[others].mean()))
    assert prediction.coverage == 0.9
    assert np.mean(held) >= 0.8


def test_transfer_beats_a_linear_fit_and_one_scale_on_devices_that_differ() -> None:
    errors = []
    for seed in range(6):
        model, truth_ms = noisy_world(seed)
        measured = np.array(model.choose(8))
        seen_ms = truth_ms[measured]
        predictions = (
            model.predict(measured.tolist(), seen_ms).latency_ms,
            linear_fit(model.known.features, measured, seen_ms),
            one_scale(model.known, measured, seen_ms),
        )
        errors.append([np.abs(np.log(predicted / truth_ms)).mean() for predicted in predictions])
    transfer, linear, scale = np.mean(errors, axis=0)
    assert transfer < min(linear, scale)


def test_one_outlier_among_the_measurements_moves_little() -> None:
    model, truth_ms = noisy_world(3)
    measured = list(model.choose(12))
    clean_ms = truth_ms[measured]
    spoilt_ms = clean_ms.copy()
    spoilt_ms[4] *= 2
    clean, spoilt = (
        model.predict(measured, latencies_ms).latency_ms for latencies_ms in (clean_ms, spoilt_ms)
    )
    assert np.abs(np.log(spoilt / clean)).mean() < 0.1 * math.log(2)


def test_without_features_known_devices_are_mixed_as_they_are() -> None:
    bare = KnownDevices(KNOWN.names, KNOWN.latencies_ms, np.zeros((NETWORKS, 0)))
    model = TransferModel.learn(bare)
    truth_ms = 2 * KNOWN.latencies_ms[1]
    errors = transferred(model, truth_ms, 8) / truth_ms - 1
    assert np.abs(errors).mean() < 0.1 * np.log(truth_ms).std()


def test_networks_that_were_not_learned_from_are_predicted_alike() -> None:
    truth_ms = world(0).new_ms
    measured = list(MODEL.choose(6))
    everything = MODEL.predict(measured, truth_ms[measured])
    few = MODEL.predict(measured, truth_ms[measured], KNOWN.of_networks([7, 3]))
    assert few.latency_ms == pytest.approx(everything.latency_ms[[7, 3]])
    assert few.high_ms == pytest.approx(everything.high_ms[[7, 3]])


def test_choices_are_different_nested_and_among_the_candidates() -> None:
    candidates = list(range(10, 60))
    ten = MODEL.choose(10, candidates)
    assert len(set(ten)) == 10
    assert set(ten) <= set(candidates)
    assert MODEL.choose(4, candidates) == ten[:4]


def test_each_choice_lowers_the_variance_most() -> None:
    """Against brute force: the posterior of every single candidate."""
    rng = np.random.default_rng(1)
    design, noise = rng.normal(size=(30, 6)), 0.1
    chosen: list[int] = []
    for best in choose(design, design, noise, 5):
        totals = [_total_variance(design, noise, [*chosen, other]) for other in range(30)]
        totals = [math.inf if index in chosen else total for index, total in enumerate(totals)]
        assert best == int(np.argmin(totals))
        chosen.append(best)


def _total_variance(design: Floats, noise: float, measured: list[int]) -> float:
    rows = design[measured]
    precision = np.eye(design.shape[1]) + rows.T @ rows / noise
    return float(np.trace(design @ np.linalg.inv(precision) @ design.T))


def test_the_choice_is_better_than_chance() -> None:
    chosen, random = [], []
    for seed in range(6):
        model, truth_ms = noisy_world(seed)
        rng = np.random.default_rng(seed)
        for count in (8, 12):
            chosen.append(log_error(model, truth_ms, list(model.choose(count))))
            draws = [rng.choice(NETWORKS, count, replace=False).tolist() for _ in range(10)]
            random.append(np.mean([log_error(model, truth_ms, drawn) for drawn in draws]))
    assert np.mean(chosen) < 0.95 * np.mean(random)


@cache
def noisy_world(seed: int) -> tuple[TransferModel, Floats]:
    here = world(seed, devices=4, noise=0.02)
    return TransferModel.learn(here.known), here.new_ms


def log_error(model: TransferModel, truth_ms: Floats, measured: list[int]) -> float:
    predicted_ms = model.predict(measured, truth_ms[measured]).latency_ms
    return float(np.abs(np.log(predicted_ms / truth_ms)).mean())


def test_the_posterior_is_that_of_the_weights() -> None:
    """Two ways to the same Gaussian: k × k here, columns × columns there; no outliers."""
    rng = np.random.default_rng(2)
    design, noise = rng.normal(size=(12, 4)), 0.5
    values = design[:3] @ np.full(4, 0.1)
    posterior = condition(design, noise, np.zeros(12), (design[:3], values))
    pulls = np.linalg.solve(_gram(design[:3], noise, values), values)
    assert posterior.mean == pytest.approx(design @ design[:3].T @ pulls, rel=1e-6)
    assert posterior.surprise < 1
    assert (posterior.variance >= noise).all()
    assert (posterior.variance <= (design**2).sum(axis=1) + noise).all()


def _gram(columns: Floats, noise: float, values: Floats) -> Floats:
    """The fixed point of the reweighting of Student's t noise with 4 degrees, by brute force."""
    noises = np.full(len(values), noise)
    for _ in range(200):
        posterior = np.linalg.inv(np.eye(4) + columns.T @ (columns / noises[:, None]))
        errors = values - columns @ posterior @ columns.T @ (values / noises)
        spread = np.einsum("ij,jk,ik->i", columns, posterior, columns)
        noises = (4 * noise + errors**2 + spread) / 5
    gram: Floats = columns @ columns.T + np.diag(noises)
    return gram


def test_items_are_spread_over_all_ranks() -> None:
    values = np.array([5.0, 1.0, 4.0, 2.0, 3.0, 0.0])
    assert values[spread_over(values, 3)].tolist() == [1.0, 3.0, 5.0]
    assert sorted(spread_over(values, 99).tolist()) == list(range(6))


def table(name: str, factor: float) -> LatencyTable:
    subjects: dict[Subject, float] = {SMALL: 1000.0, LARGE: 4000.0, BOTH: 5500.0, TWICE: 8800.0}
    windows: dict[Subject, list[Window]] = {
        subject: [Window(0, (factor * sample_us,), 0, 100.0, "2026-01-01T00:00:00+00:00")]
        for subject, sample_us in subjects.items()
    }
    return LatencyTable.from_windows(name, PROVENANCE, windows, {})


BOTH, TWICE = Network("both", (SMALL, LARGE)), Network("twice", (LARGE, LARGE))


def test_tables_measure_or_else_predict_their_networks() -> None:
    thrice = Network("thrice", (SMALL, SMALL, SMALL))
    known = known_devices([table("fast", 1), table("slow", 3)], [BOTH, TWICE, thrice])
    assert known.names == ("fast", "slow")
    assert known.latencies_ms == pytest.approx(np.outer([1, 3], [5.5, 8.8, 3 * 1.1]))
    assert known.features.tolist() == [[1, 1, 2], [0, 2, 2], [3, 0, 3]]  # SMALL, LARGE, dense


def test_a_table_that_cannot_predict_a_network_says_which_operator_is_missing() -> None:
    with pytest.raises(MissingOperatorError, match="global_average_pool"):
        known_devices([table("fast", 1)], [Network("pooled", (SMALL, POOL))])


def test_no_tables_are_no_devices() -> None:
    with pytest.raises(FormatError, match="at least one known device"):
        known_devices([], [BOTH])


@pytest.mark.parametrize("latency_ms", [0.0, -1.0, math.nan, math.inf])
def test_latencies_are_positive(latency_ms: float) -> None:
    latencies_ms = KNOWN.latencies_ms.copy()
    latencies_ms[1, 5] = latency_ms
    with pytest.raises(MeasurementError, match="device 1 has a latency of"):
        KnownDevices(KNOWN.names, latencies_ms, KNOWN.features)
    with pytest.raises(MeasurementError, match="network 4 was measured at"):
        MODEL.predict([2, 3, 4], [1.0, 2.0, latency_ms])


def test_shapes_and_features_have_to_fit() -> None:
    with pytest.raises(FormatError, match="do not fit 3 known devices"):
        KnownDevices(KNOWN.names, KNOWN.latencies_ms[:, 1:], KNOWN.features)
    with pytest.raises(FormatError, match="not a finite number"):
        KnownDevices(KNOWN.names, KNOWN.latencies_ms, np.full((NETWORKS, 1), math.nan))
    with pytest.raises(FormatError, match="this model takes"):
        MODEL.predict([1, 2, 3], [1.0, 2.0, 3.0], KNOWN.without(0))


@pytest.mark.parametrize(
    ("measured", "latencies_ms", "message"),
    [
        ([1, 2], [1.0, 2.0], "at least 3"),
        ([1, 2, 3], [1.0, 2.0], "one for each"),
        ([1, 2, 1], [1.0, 2.0, 1.0], "comes twice"),
        ([1, 2, NETWORKS], [1.0, 2.0, 1.0], f"no network {NETWORKS}"),
        ([1, 2, -1], [1.0, 2.0, 1.0], "no network -1"),
    ],
)
def test_measurements_that_make_no_sense(
    measured: list[int], latencies_ms: list[float], message: str
) -> None:
    with pytest.raises(MeasurementError, match=message):
        MODEL.predict(measured, latencies_ms)


@pytest.mark.parametrize("count", [0, NETWORKS + 1])
def test_choices_that_make_no_sense(count: int) -> None:
    with pytest.raises(MeasurementError, match="cannot choose"):
        MODEL.choose(count)
    with pytest.raises(MeasurementError, match="no network 999"):
        MODEL.choose(1, [999])


def test_a_known_device_that_knows_no_difference_is_refused() -> None:
    latencies_ms = KNOWN.latencies_ms.copy()
    latencies_ms[2] = 7.0
    with pytest.raises(MeasurementError, match="all networks take device 2 the same time"):
        TransferModel.learn(KnownDevices(KNOWN.names, latencies_ms, KNOWN.features))


def test_three_networks_are_too_few_to_learn_from() -> None:
    with pytest.raises(MeasurementError, match="too few"):
        TransferModel.learn(KNOWN.of_networks([0, 1, 2]))


@pytest.mark.data
def test_left_out_devices_are_ranked_better_than_by_a_linear_fit(data_folder: Path) -> None:
    """FBNet's devices in HELP's data, from the same 10 measurements each.

    Of two linear fits, to slots and to counts, the better one is taken by the truth itself. It may
    win on one device: a GPU at batch 1, where launches of kernels count and little else does.
    """
    space = Space.load(data_folder, "fbnet")
    ranks, linear_ranks = [], []
    for device in range(len(space.devices.names)):
        truth_ms = space.devices.latencies_ms[device]
        model = TransferModel.learn(space.devices.without(device).of_networks(range(1000)))
        measured = np.array(model.choose(10))
        seen_ms = truth_ms[measured]
        predicted_ms = model.predict(measured.tolist(), seen_ms).latency_ms
        ranks.append(spearman(predicted_ms, truth_ms[:1000]))
        fits = [linear_fit(table, measured, seen_ms) for table in (space.slots, space.counts)]
        linear_ranks.append(max(spearman(fit[:1000], truth_ms[:1000]) for fit in fits))
    assert np.mean(ranks) > 0.85
    assert np.mean(ranks) > np.mean(linear_ranks) + 0.2
    assert sum(np.greater(ranks, linear_ranks)) >= 5
