from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sartor.tables import LatencyTable, Network, Operator, Subject, Window, multiply_adds
from sartor.tables.errors import FormatError, MeasurementError, MissingOperatorError
from sartor.tables.transfer import OperatorModel, count_operators, estimate
from sartor.tables.transfer.known import Floats

from .children import PROVENANCE

SIZES = ((16, 56), (24, 28), (48, 14), (96, 7))


def pointwise(channels: int, size: int, ratio: int) -> Operator:
    attributes = (("kernel", 1), ("out", channels * ratio), ("stride", 1))
    return Operator("conv2d", ((channels, size, size),), attributes, "relu")


def depthwise(channels: int, size: int, kernel: int) -> Operator:
    attributes = (("kernel", kernel), ("stride", 1))
    return Operator("depthwise_conv2d", ((channels, size, size),), attributes, "relu")


def add(channels: int, size: int) -> Operator:
    return Operator("add", ((channels, size, size),) * 2)


STAGES = tuple(
    (
        tuple(pointwise(*stage, ratio) for ratio in (1, 2, 3, 4)),
        tuple(depthwise(*stage, kernel) for kernel in (3, 5, 7)),
        (add(*stage),),
    )
    for stage in SIZES
)
OPERATORS = tuple(sorted(one for stage in STAGES for kind in stage for one in kind))


def draw_networks(count: int, seed: int) -> tuple[Network, ...]:
    """Networks that take one operator of each kind, once or more, at each size."""
    rng = np.random.default_rng(seed)
    return tuple(
        Network(
            f"{seed}-{index}",
            tuple(
                kind[rng.integers(len(kind))]
                for stage in STAGES
                for _ in range(rng.integers(1, 4))
                for kind in stage
            ),
        )
        for index in range(count)
    )


NETWORKS = draw_networks(150, 0)
COUNTS = count_operators(NETWORKS, OPERATORS)


@dataclass(frozen=True)
class World:
    """A device: what each operator takes, and what networks save."""

    operators_ms: Floats
    offset_ms: float = 0.0

    @property
    def networks_ms(self) -> Floats:
        """What each of NETWORKS takes."""
        latencies_ms: Floats = COUNTS @ self.operators_ms + self.offset_ms
        return latencies_ms

    def table(self, name: str) -> LatencyTable:
        """Its table: some 10 % off, as cold operators are, with networks that say so."""
        truth: dict[Subject, float] = {
            one: 1000 * ms / 1.1
            for one, ms in zip(OPERATORS, self.operators_ms.tolist(), strict=True)
        }
        for network, ms in zip(NETWORKS[:8], self.networks_ms.tolist(), strict=False):
            truth[network] = 1000 * ms
        windows = {subject: [Window(0, (us,), 0, 1.0, "now")] for subject, us in truth.items()}
        return LatencyTable.from_windows(name, PROVENANCE, windows, {})


def device(seed: int, per_kernel: Callable[[int], float] = lambda _: 1.0) -> World:
    """One whose operators grow with their multiply-adds, each with a whim of its own."""
    rng = np.random.default_rng(seed)
    work = np.array([multiply_adds(one) / 1e6 + 0.02 for one in OPERATORS])
    kernels = np.array(
        [per_kernel(one["kernel"]) if one.kind == "depthwise_conv2d" else 1.0 for one in OPERATORS]
    )
    speed, whim = np.exp(rng.normal(0, 1)), np.exp(rng.normal(0, 0.1, len(OPERATORS)))
    return World(speed * whim * kernels * work ** rng.uniform(0.7, 1.0))


KNOWN = device(1), device(2)
MODEL = OperatorModel.learn(
    [world.table(f"known {index}") for index, world in enumerate(KNOWN)], OPERATORS, NETWORKS
)
CHOSEN = list(MODEL.choose(COUNTS, 10))


def errors_of(model: OperatorModel, new: World, measured: list[int]) -> Floats:
    fit = model.fit(COUNTS[measured], new.networks_ms[measured])
    errors: Floats = np.abs(fit.predict(COUNTS) / new.networks_ms - 1)
    return errors


@settings(max_examples=15)
@given(st.floats(1e-3, 1e3), st.integers(3, 10), st.floats(-0.05, 0.05))
def test_from_one_table_its_scaled_twin_is_exact(factor: float, count: int, offset: float) -> None:
    """Operators and the offset, too, which the known table tells in its calibration."""
    known = replace(KNOWN[0], offset_ms=offset * KNOWN[0].networks_ms.min())
    model = OperatorModel.learn([known.table("twin")], OPERATORS, NETWORKS)
    measured = list(model.choose(COUNTS, count))
    fit = model.fit(COUNTS[measured], factor * known.networks_ms[measured])
    # An offset is known as well as a smooth curve comes near a line.
    assert fit.operators_ms == pytest.approx(factor * known.operators_ms, rel=0.06)
    assert fit.predict(COUNTS) == pytest.approx(factor * known.networks_ms, rel=0.03)


@pytest.mark.parametrize("twin", [0, 1])
def test_of_several_tables_the_one_that_fits_is_recognised(twin: int) -> None:
    new = World(7 * KNOWN[twin].operators_ms)
    spread = np.log(KNOWN[0].networks_ms / KNOWN[1].networks_ms).std()
    assert errors_of(MODEL, new, CHOSEN).mean() < 0.25 * spread


def test_a_kind_that_no_known_device_is_slow_at_is_found_out() -> None:
    """As 7×7 depthwise convolutions, which one runtime takes ten times as long for as others."""
    new = device(3, lambda kernel: 10.0 if kernel == 7 else 1.0)
    known = KNOWN[0].networks_ms
    scaled = known * np.exp(np.log(new.networks_ms[CHOSEN] / known[CHOSEN]).mean())
    errors = errors_of(MODEL, new, CHOSEN)
    assert errors.mean() < 0.3 * np.abs(scaled / new.networks_ms - 1).mean()
    assert errors.mean() < 0.1


def test_estimates_of_operators_are_better_than_known_rows_scaled() -> None:
    new = device(3, lambda kernel: 10.0 if kernel == 7 else 1.0)
    fit = MODEL.fit(COUNTS[CHOSEN], new.networks_ms[CHOSEN])
    ratios = [np.log(rows / new.operators_ms) for rows in (fit.operators_ms, KNOWN[0].operators_ms)]
    estimated, scaled = (np.abs(ratio - np.median(ratio)).mean() for ratio in ratios)
    assert estimated < 0.85 * scaled


def test_the_fit_is_the_most_likely_one() -> None:
    """No small change of any weight makes prior and measurements together more likely."""
    new = device(4)
    counts, latencies_ms = COUNTS[CHOSEN], new.networks_ms[CHOSEN]
    fit = MODEL.fit(counts, latencies_ms)
    seen = counts, np.log(latencies_ms), fit.noises
    best = MODEL._unlikeliness(fit.weights, seen)
    for column in range(len(fit.weights)):
        for change in (-1e-4, 1e-4):
            moved = fit.weights.copy()
            moved[column] += change
            assert MODEL._unlikeliness(moved, seen) > best


def test_no_network_is_left_with_nothing_by_the_offset() -> None:
    model = replace(MODEL, offset=-10.0)
    fit = model.fit(COUNTS[CHOSEN], device(4).networks_ms[CHOSEN])
    assert fit.offset_ms == pytest.approx(-(COUNTS @ fit.operators_ms).min() / 2)
    assert (fit.predict(COUNTS) > 0).all()
    assert np.isfinite(model.deviations(fit, COUNTS)).all()


@settings(max_examples=40)
@given(st.lists(st.floats(1e-3, 1e3), min_size=3, max_size=10))
def test_whatever_was_measured_estimates_are_latencies(latencies_ms: list[float]) -> None:
    model = replace(MODEL, offset=-0.1)
    measured = {NETWORKS[one]: ms for one, ms in zip(CHOSEN, latencies_ms, strict=False)}
    transfer = estimate(model, measured)  # which refuses what is no latency
    assert transfer.operators.keys() == set(OPERATORS)
    assert np.isfinite(transfer.deviation)


def test_one_network_at_half_the_clock_decides_little() -> None:
    new = device(4)
    latencies_ms = new.networks_ms[CHOSEN]
    clean = MODEL.fit(COUNTS[CHOSEN], latencies_ms)
    spoilt_ms = latencies_ms.copy()
    spoilt_ms[4] *= 2
    spoilt = MODEL.fit(COUNTS[CHOSEN], spoilt_ms)
    moved = np.log(spoilt.predict(COUNTS) / clean.predict(COUNTS))
    assert np.abs(moved).mean() < 0.1 * np.log(2)
    assert int(spoilt.noises.argmax()) == 4


@pytest.mark.parametrize("offset", [-0.1, -10.0, 0.3])
def test_slopes_are_those_of_small_changes(offset: float) -> None:
    """Of an offset, too, that would take more than there is."""
    model = replace(MODEL, offset=offset)
    weights = np.random.default_rng(0).normal(0, 0.3, (model.columns.shape[1],))
    _, slopes = model._networks(weights, COUNTS)
    for column in range(len(weights)):
        up, down = weights.copy(), weights.copy()
        up[column] += 1e-6
        down[column] -= 1e-6
        change = model._networks(up, COUNTS)[0] - model._networks(down, COUNTS)[0]
        assert change / 2e-6 == pytest.approx(slopes[:, column], rel=1e-5, abs=1e-6)


def test_choices_are_the_same_again_nested_and_better_than_chance() -> None:
    assert list(MODEL.choose(COUNTS, 10)) == CHOSEN
    assert list(MODEL.choose(COUNTS, 4)) == CHOSEN[:4]
    rng = np.random.default_rng(0)
    chosen, drawn = [], []
    for seed in range(3, 9):
        new = device(seed, float)
        chosen.append(errors_of(MODEL, new, CHOSEN).mean())
        for _ in range(5):
            measured = rng.choice(len(NETWORKS), 10, replace=False).tolist()
            drawn.append(errors_of(MODEL, new, measured).mean())
    assert np.mean(chosen) < 0.95 * np.mean(drawn)


@pytest.mark.parametrize("count", [3, 5, 10])
def test_intervals_hold_what_they_promise_on_average(count: int) -> None:
    held = []
    for seed in range(20, 32):
        new = device(seed, float)
        table = transferred(new, CHOSEN[:count])
        others = draw_networks(30, seed)
        truth_ms = count_operators(others, OPERATORS) @ new.operators_ms
        for network, ms in zip(others, truth_ms, strict=True):
            prediction = table.predict(network.operators)
            held.append(prediction.low_ms <= ms <= prediction.high_ms)
    assert np.mean(held) > 0.85


def transferred(new: World, measured: list[int]) -> LatencyTable:
    found = {NETWORKS[one]: float(new.networks_ms[one]) for one in measured}
    windows: dict[Subject, list[Window]] = {
        network: [Window(0, (1000 * ms,), 0, 1.0, "now")] for network, ms in found.items()
    }
    transfer = estimate(MODEL, found)
    return LatencyTable.from_windows("new", PROVENANCE, windows, {}, transfer=transfer)


def test_a_left_out_network_has_no_part_in_what_is_said_of_it() -> None:
    new = device(5)
    found = {NETWORKS[one]: float(new.networks_ms[one]) for one in CHOSEN[:6]}
    first = next(iter(found))
    honest, spoilt = (
        estimate(MODEL, found | {first: factor * found[first]}).left_out_ms for factor in (1, 1.5)
    )
    assert spoilt[first] == pytest.approx(honest[first], rel=1e-6)
    others = [network for network in found if network != first]
    assert all(abs(spoilt[one] / honest[one] - 1) > 1e-3 for one in others)


def test_networks_that_contradict_each_other_widen_the_intervals() -> None:
    new = device(6)
    found = {NETWORKS[one]: float(new.networks_ms[one]) for one in CHOSEN}
    last = list(found)[-1]
    calm = estimate(MODEL, found).deviation
    assert estimate(MODEL, found | {last: 2 * found[last]}).deviation > 1.5 * calm


def test_the_order_of_measurements_does_not_matter() -> None:
    new = device(7)
    found = {NETWORKS[one]: float(new.networks_ms[one]) for one in CHOSEN}
    turned = dict(reversed(found.items()))
    assert estimate(MODEL, turned) == estimate(MODEL, found)


def test_operators_that_a_runtime_merges_are_taken_for_very_small() -> None:
    """Measured in a frame, they may take a little less than nothing."""
    free = {one: Window(0, (1e-9,), 0, 1.0, "now") for one in OPERATORS if one.kind == "add"}
    windows = dict(KNOWN[0].table("merging").windows) | {one: (w,) for one, w in free.items()}
    table = LatencyTable.from_windows("merging", PROVENANCE, windows, {})
    model = OperatorModel.learn([table], OPERATORS, NETWORKS)
    fit = model.fit(COUNTS[CHOSEN], KNOWN[0].networks_ms[CHOSEN])
    merged = np.array([one.kind == "add" for one in OPERATORS])
    assert (fit.operators_ms > 0).all()
    assert fit.operators_ms[merged].max() < 0.01 * np.median(fit.operators_ms)


def test_what_makes_no_sense_is_refused() -> None:
    new = device(8)
    two = {NETWORKS[one]: float(new.networks_ms[one]) for one in CHOSEN[:2]}
    with pytest.raises(MeasurementError, match="2 measured networks are too few"):
        estimate(MODEL, two)
    with pytest.raises(MeasurementError, match="took no time"):
        estimate(MODEL, two | {NETWORKS[0]: 0.0})
    stranger = Network("strange", (Operator("dense", ((8, 1, 1),), (("out", 1),)),))
    with pytest.raises(FormatError, match=r"network strange has dense/.* not to be estimated"):
        estimate(MODEL, two | {stranger: 1.0})
    with pytest.raises(FormatError, match="at least one known table"):
        OperatorModel.learn([], OPERATORS, NETWORKS)
    with pytest.raises(MeasurementError, match="cannot choose 151 of 150"):
        MODEL.choose(COUNTS, 151)
    with pytest.raises(MissingOperatorError, match="no latency for dense"):
        OperatorModel.learn([KNOWN[0].table("a")], (*OPERATORS, *stranger.operators), NETWORKS)


def test_deviations_are_those_of_the_posterior_of_all_weights() -> None:
    """Two ways to the same variance: networks × networks there, columns × columns here."""
    new = device(9)
    fit = MODEL.fit(COUNTS[CHOSEN], new.networks_ms[CHOSEN])
    _, known = MODEL._networks(fit.weights, COUNTS[CHOSEN])
    _, others = MODEL._networks(fit.weights, COUNTS)
    precision = np.eye(known.shape[1]) + known.T @ (known / fit.noises[:, None])
    variances = np.einsum("nc,cd,nd->n", others, np.linalg.inv(precision), others) + 0.02**2
    assert MODEL.deviations(fit, COUNTS) == pytest.approx(np.sqrt(variances), rel=1e-6)
