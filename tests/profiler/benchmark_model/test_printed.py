from __future__ import annotations

import random
import time

import hypothesis.strategies as st
import pytest
from hypothesis import given, settings

from sartor.profiler.benchmark_model import Latencies, read_operators, read_printed
from sartor.profiler.benchmark_model.printed import read_complaint, read_unknown_flags
from sartor.tables.errors import FormatError

from . import samples


def test_litert_tells_percentiles() -> None:
    outcome = read_printed(samples.LITERT)
    assert outcome.inference == Latencies(
        1054, 947.132, 23, 910, 1102, first_us=1015, p5_us=915, median_us=942, p95_us=991
    )
    assert outcome.warmup == Latencies(
        526, 949.861, 68, 910, 2125, first_us=2125, p5_us=915, median_us=939, p95_us=990
    )
    assert outcome.init_us == pytest.approx(5757)
    assert outcome.init_memory_kb == pytest.approx(4.06 * 1024)
    assert outcome.overall_memory_kb == pytest.approx(7.07 * 1024)
    assert outcome.operators == ()


def test_tensorflow_lite_tells_none() -> None:
    outcome = read_printed(samples.TFLITE)
    assert outcome.inference == Latencies(261, 3790.92, 358, 3190, 6333, first_us=3937)
    assert outcome.init_us == 630
    assert outcome.overall_memory_kb is None


def test_an_older_one_tells_its_memory_on_one_line() -> None:
    outcome = read_printed(samples.TFLITE_OLD)
    assert outcome.inference.mean_us == 55043.2
    assert outcome.init_memory_kb == pytest.approx(8.97656 * 1024)
    assert outcome.overall_memory_kb == pytest.approx(18.7227 * 1024)


def test_one_inference_is_its_own_statistics() -> None:
    outcome = read_printed(samples.TFLITE_2019)
    assert outcome.warmup == Latencies(1, 980043, 0, 980043, 980043, first_us=980043)


def test_inferences_that_all_take_the_same_are_told_in_another_way() -> None:
    text = samples.TFLITE.replace(
        "count=261 first=3937 curr=3959 min=3190 max=6333 avg=3790.92 std=358",
        "count=261 curr=4(all same)",
    )
    assert read_printed(text).inference == Latencies(261, 4, 0, 4, 4, first_us=4)
    text = text.replace("(all same)", "(all same) p5=4 median=4 p95=4")
    assert read_printed(text).inference.median_us == 4


def test_operators_of_litert() -> None:
    operators = read_printed(samples.LITERT_PROFILE).operators
    assert [each.kind for each in operators] == [
        "LiteRT::Run[buffer registration]",
        "AllocateTensors",
        "Static Reshape (NC)",
        "Fully Connected (NC, PF32) GEMM",
        "LiteRT::Run[Buffer sync]",
    ]
    largest = operators[3]
    assert largest.mean_us == pytest.approx(382)
    assert largest.first_us == pytest.approx(538)
    assert largest.name == "Delegate/Fully Connected (NC, PF32) GEMM:1"
    assert operators[1].memory_kb == 452
    assert operators[1].times_called == 0


def test_operators_of_2019_have_a_start_too() -> None:
    operators = read_operators(samples.TFLITE_2019)
    assert [each.kind for each in operators] == ["DEPTHWISE_CONV_2D", "CONV_2D", "CONV_2D"]
    assert [each.mean_us for each in operators] == pytest.approx([536830, 20083, 36419])


def test_operators_in_a_csv_file_are_those_of_the_inferences() -> None:
    operators = read_operators(samples.CSV)
    assert [each.kind for each in operators] == ["CONV_2D", "ELU", "FULLY_CONNECTED", "SOFTMAX"]
    assert operators[0].mean_us == pytest.approx(93.0388)
    assert operators[3].name == "[Identity]:11"


def test_a_kind_may_hold_the_commas_that_separate_columns() -> None:
    # As newer tools write it: no start, and commas only in the kind.
    text = (
        "=== Run Order ===\n"
        "node type, first, avg_ms, %, cdf%, mem KB, times called, name\n"
        "Fully Connected (NC, QP8, F32, QC4W), 0.5, 0.38, 92.9%, 97%, 0, 1, Delegate/x:1\n"
        "NOTHING, 0, 0, -nan%, -nan%, 0, 1, [y]\n"
    )
    first, second = read_operators(text)
    assert first.kind == "Fully Connected (NC, QP8, F32, QC4W)"
    assert first.mean_us == pytest.approx(380)
    assert second.mean_us == 0


def test_operators_know_which_part_of_the_model_they_belong_to() -> None:
    head = "=== Run Order ===\nnode type, first, avg_ms, %, cdf%, mem KB, times called, name\n"
    row = "X, 0.5, 0.38, 92.9%, 97%, 0, 1, x\n\n"
    text = (
        f"Primary graph profile:\n{head}{row}"
        f"Subgraph (index: 3) profile:\n{head}{row}"
        f"Delegate internal: \n{head}{row}"
    )
    assert [each.part for each in read_operators(text)] == ["", "subgraph 3", "delegate"]


def test_no_table_is_no_operators() -> None:
    assert read_operators(samples.TFLITE) == ()


@pytest.mark.parametrize(
    ("line", "instead", "message"),
    [
        ("min=3190 max=6333 avg=3790.92", "min=1 max=2 avg=3", "does not lie between 1 and 2"),
        ("avg=3790.92", "avg=nan", "lacks avg, std"),
        ("avg=3790.92", "avg=-5", "no clock"),
        ("std=358", "std=1e+300", "no clock"),
        ("count=261", "count=99999999999999999", "no statistics"),
        ("INFO: Running benchmark for at least 50", "INFO: Running", "2 phases, not 1"),
    ],
)
def test_nonsense_is_refused(line: str, instead: str, message: str) -> None:
    assert line in samples.TFLITE
    with pytest.raises(FormatError, match=message):
        read_printed(samples.TFLITE.replace(line, instead))


def test_a_run_of_no_inferences_is_no_outcome() -> None:
    text = samples.TFLITE.replace(
        "count=261 first=3937 curr=3959 min=3190 max=6333 avg=3790.92 std=358", "count=0"
    )
    with pytest.raises(FormatError, match="ran no inference"):
        read_printed(text)


def test_rows_that_make_no_sense_are_refused() -> None:
    with pytest.raises(FormatError, match="no row of a table"):
        read_operators(samples.CSV.replace("0.0930388", "soon"))
    with pytest.raises(FormatError, match="no head of a table"):
        read_operators(samples.CSV.replace("node type, start", "Knotentyp, start"))
    with pytest.raises(FormatError, match="no clock"):
        read_operators(samples.CSV.replace("0.0930388", "-1"))


def test_text_without_end_is_refused() -> None:
    with pytest.raises(FormatError, match="does not print 4194305 characters"):
        read_printed("x" * ((1 << 22) + 1))


def test_what_the_tool_complains_about() -> None:
    text = "INFO: fine\nERROR: Failed to load model x\nERROR: Failed to load model x\nERROR: bad\n"
    assert read_complaint(text) == "Failed to load model x; bad"
    assert read_complaint("INFO: fine\n") == ""
    assert len(read_complaint("ERROR: " + "x" * 10_000)) == 300
    assert (
        read_unknown_flags("WARN: Unconsumed cmdline flags: --use_npu=true\n") == "--use_npu=true"
    )


@settings(max_examples=200)
@given(st.sampled_from(sorted(samples.PRINTED)), st.randoms(use_true_random=False), st.text())
def test_damaged_text_is_read_or_refused(name: str, rng: random.Random, insert: str) -> None:
    text = samples.PRINTED[name]
    at = rng.randrange(len(text))
    to = min(len(text), at + rng.randrange(60))
    try:
        outcome = read_printed(text[:at] + insert + text[to:])
    except FormatError:
        return
    assert outcome.inference.min_us <= outcome.inference.max_us


@pytest.mark.parametrize(
    "line",
    [
        "memory footprint " * 100_000,
        "count=1 " * 200_000,
        "INFO: Running benchmark for at least 5 iterations count=",
        "=" * 1_000_000,
        "=== Run Order ===\nnode type, \n" + ", 1" * 500_000,
        "=== Run Order ===\n[node type]\n" + "\t 1" * 500_000,
        "Unconsumed cmdline flags: " * 100_000,
        "Subgraph (index: " * 100_000,
    ],
    ids=lambda line: line[:20],
)
def test_hostile_text_takes_no_time(line: str) -> None:
    began = time.process_time()
    with pytest.raises(FormatError):
        read_printed(line)
    assert time.process_time() - began < 5
