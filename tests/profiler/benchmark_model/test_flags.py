from __future__ import annotations

import pytest

from sartor.profiler.benchmark_model import Schedule, read_help
from sartor.profiler.benchmark_model.flags import LITERT, TFLITE
from sartor.tables.errors import FormatError, ModelFileError

from . import samples


def test_tensorflow_lites_tool_is_told_to_use_xnnpack() -> None:
    tool = read_help(samples.HELP_TFLITE)
    assert tool.origin == TFLITE
    assert tool.arguments("m.tflite", 4, Schedule(5, 0.008, 3, 0.005, 20)) == [
        "--graph=m.tflite",
        "--num_threads=4",
        "--num_runs=5",
        "--min_secs=0.008",
        "--max_secs=20",
        "--warmup_runs=3",
        "--warmup_min_secs=0.005",
        "--use_xnnpack=true",
    ]


def test_litert_s_tool_is_told_to_use_the_cpu() -> None:
    tool = read_help(samples.HELP_LITERT)
    assert tool.origin == LITERT
    assert tool.arguments("m.tflite", 1, Schedule())[-2:] == ["--use_cpu=true", "--use_gpu=false"]
    assert tool.arguments("m.tflite", 1, Schedule(), "gpu")[-1] == "--use_gpu=true"


def test_profiles() -> None:
    tflite, litert = read_help(samples.HELP_TFLITE), read_help(samples.HELP_LITERT)
    assert tflite.profiling() == ["--enable_op_profiling=true"]
    assert tflite.profiling("p.pb", "proto") == [
        "--enable_op_profiling=true",
        "--op_profiling_output_mode=proto",
        "--op_profiling_output_file=p.pb",
    ]
    assert litert.profiling() == ["--use_profiler=true"]
    with pytest.raises(FormatError, match="prints its profiles"):
        litert.profiling("p.csv")


def test_an_older_tool_writes_csv_by_another_flag() -> None:
    lines = [line for line in samples.HELP_TFLITE.splitlines() if "--op_prof" not in line]
    tool = read_help("\n".join(lines))
    assert tool.profiling("p.csv")[-1] == "--profiling_output_csv_file=p.csv"
    with pytest.raises(FormatError, match="too old to write profiles as proto"):
        tool.profiling("p.pb", "proto")


def test_a_tool_is_not_told_what_it_does_not_know() -> None:
    tool = read_help(samples.HELP_TFLITE.replace("--use_gpu=false", "--gpu=false"))
    with pytest.raises(FormatError, match=r"cannot run models by gpu: .* --use_gpu"):
        tool.arguments("m.tflite", 1, Schedule(), "gpu")
    with pytest.raises(FormatError, match="'npu' is none of cpu, gpu"):
        tool.arguments("m.tflite", 1, Schedule(), "npu")


def test_another_program_is_no_benchmark_model() -> None:
    with pytest.raises(ModelFileError, match="does not know --graph"):
        read_help("Usage: true [ignored command line arguments]\n  --help=1\n")
