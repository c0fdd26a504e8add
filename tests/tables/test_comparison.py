from __future__ import annotations

from dataclasses import replace

import pytest

from sartor.tables import LatencyTable
from sartor.tables.comparison import compare_tables
from sartor.tables.errors import StoreError
from sartor.tables.merge import merge_tables
from sartor.tables.student import tail
from sartor.tables.verdict import Trust, judge

from .children import PROVENANCE
from .made_up import FACTOR, NETWORKS, OPERATORS, table


def test_operators_that_moved_are_found_and_hardly_any_other() -> None:
    found = compare_tables(table(1), table(2, FACTOR))
    assert {change.operator for change in found.moved} >= set(FACTOR)
    assert len(found.moved) <= 4
    assert [change.operator for change in found.changes[:2]] == list(OPERATORS[:2])
    assert found.changes[0].difference_ms == pytest.approx(0.030, rel=0.2)
    assert found.typical_ratio == pytest.approx(1, abs=0.01)
    assert len(found.network_ratios) == len(NETWORKS)
    assert found.disagreement is not None
    assert found.disagreement < 0.02


def test_chance_moves_nothing() -> None:
    moved = [len(compare_tables(table(seed), table(seed + 50)).moved) for seed in range(20)]
    assert sum(count > 0 for count in moved) <= 4


def test_one_pass_proves_nothing_and_equal_passes_are_equal() -> None:
    found = compare_tables(table(1, passes=1), table(2, FACTOR))
    assert found.moved == ()
    assert {change.p_value for change in found.changes} == {1.0}
    same = compare_tables(table(1, noise=0), table(1, FACTOR, noise=0))
    assert {change.operator for change in same.moved} == set(FACTOR)


def test_operators_of_one_table_only_are_named() -> None:
    lacking = table(1).without({OPERATORS[5]})
    assert compare_tables(lacking, table(2)).only_after == (OPERATORS[5],)
    assert compare_tables(table(2), lacking).only_before == (OPERATORS[5],)
    nothing = compare_tables(lacking.without(set(lacking.measurements)), table(2))
    assert (nothing.changes, nothing.typical_ratio, nothing.disagreement) == ((), 1.0, None)


def test_merged_tables_keep_every_pass() -> None:
    one, other = table(1), table(2, passes=3)
    merged = merge_tables("both", [one, other])
    assert merged.name == "both"
    for subject, found in merged.windows.items():
        assert [window.pass_index for window in found] == list(range(7))
        kept = [window.samples_us for window in (*one.windows[subject], *other.windows[subject])]
        assert [window.samples_us for window in found] == kept
    assert merged.calibration.margin <= max(one.calibration.margin, other.calibration.margin)


def test_failures_are_forgotten_where_another_table_has_the_subject() -> None:
    failed = table(1).without({OPERATORS[0]})
    failed = LatencyTable("f", PROVENANCE, failed.measurements, {OPERATORS[0]: "out of memory"})
    assert merge_tables("both", [failed, table(2)]).failures == {}
    assert merge_tables("one", [failed]).failures == {OPERATORS[0]: "out of memory"}


def test_tables_of_different_circumstances_do_not_merge() -> None:
    elsewhere = replace(table(2), provenance=replace(PROVENANCE, device="elsewhere"))
    with pytest.raises(StoreError, match=r"'elsewhere'.*do not mix; compare them with"):
        merge_tables("both", [table(1), elsewhere])


def test_a_good_table_is_trusted() -> None:
    verdict = judge(table(1, noise=0.001))
    assert (verdict.trust, verdict.doubts, verdict.unsteady) == (Trust.GOOD, (), ())
    assert verdict.steady == 1


def test_what_speaks_against_a_table_is_said() -> None:
    uncalibrated = judge(table(1, noise=0.001, networks=[]))
    assert uncalibrated.trust is Trust.NONE
    assert "no whole networks" in uncalibrated.doubts[0].sentence
    few = judge(table(1, noise=0.001, passes=2, networks=NETWORKS[:3]))
    assert few.trust is Trust.DOUBTFUL
    assert {doubt.sentence.split()[1] for doubt in few.doubts} == {"3", "operators"}
    noisy = judge(table(1, noise=0.3))
    assert noisy.trust is Trust.NONE
    assert len(noisy.unsteady) > 80
    assert noisy.steady < 0.1


def test_an_empty_table_is_not_trusted() -> None:
    assert judge(LatencyTable("empty", PROVENANCE, {})).trust is Trust.NONE


@pytest.mark.parametrize(("t", "degrees", "share"), [(2.776, 4, 0.05), (1.96, 10**4, 0.05)])
def test_tails_are_those_of_the_tables(t: float, degrees: int, share: float) -> None:
    assert tail(t, degrees) == pytest.approx(share, rel=1e-3)
    assert tail(-t, degrees) == tail(t, degrees)
    assert tail(0, degrees) == 1
