from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from sartor.specializer.verify import TOLERANCE, Comparison, MeasuredLatency, Proof, compare
from sartor.tables.errors import AgentError

EXPECTED = np.array([[1, 2, -4], [3, 0, 1]], np.float32)
PROOF = Proof(
    runtime="litert",
    runtime_version="1",
    device="local",
    threads=1,
    size_bytes=10,
    budget_ms=2.0,
    comparison=Comparison(images=2, difference=1e-6, agreement=1.0, top1=None),
    measured=MeasuredLatency(2.0, 1.9, 2.1),
)


def test_the_difference_is_relative_to_the_largest_logit() -> None:
    logits = EXPECTED + np.array([[0, 0, 0.5], [0, 0, 0]], np.float32)
    comparison = compare(logits, EXPECTED, None)
    assert comparison == Comparison(images=2, difference=0.125, agreement=1.0, top1=None)
    assert not comparison.same


def test_answers_are_compared_with_torch_and_with_labels() -> None:
    logits = np.array([[1, 2, -4], [0, 0, 1]], np.float32)
    comparison = compare(logits, EXPECTED, [0, 2])
    assert comparison.agreement == 0.5
    assert comparison.top1 == 0.5


@pytest.mark.parametrize("wrong", [np.nan, np.inf, -np.inf])
def test_numbers_that_are_none_are_not_the_same(wrong: float) -> None:
    logits = EXPECTED.copy()
    logits[1, 0] = wrong
    comparison = compare(logits, EXPECTED, None)
    assert comparison.difference is None
    assert not comparison.same


def test_logits_of_another_network_are_refused() -> None:
    with pytest.raises(AgentError, match=r"\(2, 2\) logits where torch has \(2, 3\)"):
        compare(EXPECTED[:, :2], EXPECTED, None)


def test_nothing_but_zeros_can_be_the_same() -> None:
    zeros = np.zeros_like(EXPECTED)
    assert compare(zeros, zeros, None).same


@pytest.mark.parametrize(
    ("most_bytes", "verdict"),
    [(None, "holds"), (10.0, "holds"), (9.9, "file too large")],
)
def test_files_are_held_against_their_limit(most_bytes: float | None, verdict: str) -> None:
    proof = replace(PROOF, most_bytes=most_bytes)
    assert proof.verdict == verdict
    assert proof.holds == (verdict == "holds")


@pytest.mark.parametrize(
    ("difference", "latency_ms", "verdict"),
    [
        (TOLERANCE, 2.0, "holds"),
        (2 * TOLERANCE, 2.0, "differs from torch"),
        (None, 1.0, "differs from torch"),
        (0.0, 2.01, "over budget"),
        (1.0, 3.0, "differs from torch, over budget"),
    ],
)
def test_verdicts(difference: float | None, latency_ms: float, verdict: str) -> None:
    proof = replace(
        PROOF,
        comparison=replace(PROOF.comparison, difference=difference),
        measured=replace(PROOF.measured, latency_ms=latency_ms),
    )
    assert proof.verdict == verdict
    assert proof.holds == (verdict == "holds")
