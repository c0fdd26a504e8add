from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pytest

from sartor.tables import LatencyTable, Network, Operator, Subject
from sartor.tables.errors import MissingOperatorError
from sartor.tables.estimator import Estimator, Standing, standings
from sartor.tables.granularity import BLOCKS, OPERATORS
from sartor.tables.kinds import multiply_adds, parts
from sartor.tables.quotation import Quotation

from .children import PROVENANCE, window

STEM = Operator.parse("conv2d/3x16x16/kernel=3,out=16,stride=2/hswish/float32")
CHAIN = tuple(
    Operator.parse(
        f"mbconv/16x8x8/expand={expand},kernel={kernel},out=16,se=0,skip=1,stride=1/relu/float32"
    )
    for expand in (32, 48, 64)
    for kernel in (3, 5)
)
NETWORKS = [
    Network(f"n{count}", (STEM, *(part for block in CHAIN[:count] for part in parts(block))))
    for count in range(1, len(CHAIN) + 1)
]
UNITS = (STEM, *CHAIN, *sorted({part for block in CHAIN for part in parts(block)}))


def truth_us(operator: Operator) -> float:
    return 10.0 + sum(multiply_adds(part) / 100 for part in parts(operator))


def table(
    operators_off: float = 0.0,
    blocks_off: float = 0.0,
    *,
    units: Sequence[Operator] = UNITS,
    networks: Sequence[Network] = NETWORKS,
    failures: Mapping[Subject, str] | None = None,
) -> LatencyTable:
    """A table of both whose rows are off by up to some share, each by another.

    Networks take what their blocks take, and a block half of the time of its operators less.
    """
    rng = np.random.default_rng(0)
    block_us = {block: 0.5 * sum(map(truth_us, parts(block))) for block in CHAIN}
    windows: dict[Subject, list[object]] = {}
    for unit in units:
        off = blocks_off if unit in block_us else operators_off if unit != STEM else 0.0
        right = block_us.get(unit, truth_us(unit))
        windows[unit] = [window(0, right * (1 + off * rng.uniform(-1, 1)))]
    for network in networks:
        blocks = BLOCKS.units(network.operators)[1:]
        windows[network] = [window(0, truth_us(STEM) + sum(block_us[each] for each in blocks))]
    return LatencyTable.from_windows("both", PROVENANCE, windows, failures or {})  # type: ignore[arg-type]


def names(found: LatencyTable) -> list[str]:
    return [estimator.granularity.name for estimator in found.estimators]


def only(found: LatencyTable) -> Estimator:
    (estimator,) = found.estimators
    return estimator


@pytest.mark.parametrize(
    ("off", "better"),
    [((0.3, 0.0), ["blocks", "operators"]), ((0.0, 0.5), ["operators", "blocks"])],
)
def test_the_rows_with_the_lower_error_predict(off: tuple[float, float], better: list[str]) -> None:
    found = table(*off)
    best, other = found.estimators
    assert names(found) == better
    assert best.calibration.mean_square_error < other.calibration.mean_square_error
    assert best.calibration.networks == other.calibration.networks == len(NETWORKS)
    assert found.calibration == best.calibration
    for network in NETWORKS:
        assert found.predict(network.operators) == best.predict(network.operators)
        assert found.sum_ms(network.operators) == best.sum_ms(network.operators)
        assert other.sum_ms(network.operators) != best.sum_ms(network.operators)


def test_each_sums_its_own_rows() -> None:
    found = {each.granularity: each for each in table().estimators}
    operators = NETWORKS[2].operators
    assert found[OPERATORS].sum_ms(operators) * 1000 == pytest.approx(sum(map(truth_us, operators)))
    blocks = BLOCKS.units(operators)
    assert len(blocks) == 4
    assert found[BLOCKS].sum_ms(operators) == sum(table().latency_ms(each) for each in blocks)
    assert found[BLOCKS].sum_ms(blocks) == found[BLOCKS].sum_ms(operators)
    assert found[OPERATORS].sum_ms(blocks) == found[OPERATORS].sum_ms(operators)


def test_a_network_that_only_the_others_cover_is_predicted_by_them() -> None:
    found = table(0.3, units=[each for each in UNITS if each != CHAIN[-1]], networks=NETWORKS[:-1])
    assert names(found) == ["blocks", "operators"]
    whole = NETWORKS[-1].operators
    assert found.covers(whole)
    assert found.estimator(whole).granularity is OPERATORS
    assert found.predict(whole) == found.estimators[1].predict(whole)
    assert found.estimator(NETWORKS[0].operators).granularity is BLOCKS


def test_rows_that_know_fewer_networks_are_not_better() -> None:
    """Two networks that happen to agree prove little."""
    known = (STEM, *CHAIN[:2])
    found = table(0.3, units=[each for each in UNITS if each.kind != "mbconv" or each in known])
    assert [(each.granularity, each.calibration.networks) for each in found.estimators] == [
        (OPERATORS, len(NETWORKS)),
        (BLOCKS, 2),
    ]
    best, other = found.estimators
    assert other.calibration.mean_square_error < best.calibration.mean_square_error


def test_a_table_of_one_sort_has_one_estimator() -> None:
    operators = [each for each in UNITS if each.kind != "mbconv"]
    assert only(table(units=operators)).granularity is OPERATORS
    assert only(table(units=CHAIN)).granularity is BLOCKS
    assert only(table(units=(), networks=())).granularity is OPERATORS


def test_an_operator_that_nobody_covers_says_why() -> None:
    failed = CHAIN[0]
    left = [each for each in UNITS if each not in (failed, *parts(failed))]
    found = table(units=left, failures={failed: "out of memory"})
    assert not found.covers(NETWORKS[0].operators)
    with pytest.raises(MissingOperatorError) as caught:
        found.estimators[names(found).index("blocks")].predict(NETWORKS[0].operators)
    assert caught.value.operator == str(failed)
    assert caught.value.failure == "out of memory"
    assert caught.value.near[0].startswith("mbconv/")
    with pytest.raises(MissingOperatorError):
        found.predict(NETWORKS[0].operators)


def test_a_published_table_of_blocks_predicts_by_them() -> None:
    rows: dict[Subject, Quotation] = {each: Quotation(1.0) for each in (STEM, *CHAIN)}
    found = LatencyTable.from_windows("published", PROVENANCE, {}, {}, rows)
    assert names(found) == ["blocks", "operators"]
    prediction = found.predict(NETWORKS[-1].operators)
    assert (prediction.latency_ms, prediction.calibrated) == (1.0 + len(CHAIN), False)


def test_how_both_stand() -> None:
    found = table(0.3, 0.0)
    better, worse = standings(found.estimators, found.estimators[0])
    assert (better.rows, better.used, better.networks) == ("blocks", True, len(NETWORKS))
    assert (worse.rows, worse.used) == ("operators", False)
    assert worse.leave_one_out_error == found.estimators[1].calibration.leave_one_out_error
    bare = table(networks=NETWORKS[:1])
    assert standings(bare.estimators, bare.estimators[0]) == (
        Standing("blocks", used=True, networks=1, leave_one_out_error=None),
        Standing("operators", used=False, networks=1, leave_one_out_error=None),
    )
