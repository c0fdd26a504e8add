"""``sartor profile --model``: what it prints and draws, and what it says of bad input."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from sartor.devices.health import Health
from sartor.profiler import ModelProfile, Piece, PieceLatency
from sartor.profiler.dissect import Tensor
from sartor.profiler.writers.onnx import onnx_bytes
from sartor.profiler.writers.tflite import tflite_bytes
from sartor.specializer.cli.profile_model import document_of
from sartor.specializer.model_plot import LARGEST, bars_of, model_png
from sartor.tables.graph import Graph, GraphBuilder
from sartor.tables.measurement import Measurement, Window

from .chain import Finished, sartor

PNG = b"\x89PNG\r\n\x1a\n"
QUICK = ("--passes", 2)


@pytest.fixture(autouse=True)
def no_other_times_on_the_device(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor other tests, that run at the same time."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def graph() -> Graph:
    builder = GraphBuilder("small", (8, 12, 12))
    tensor = builder.input
    for name in ("one", "two"):
        tensor = builder.add(name, "conv2d", tensor, kernel=1, out=8, stride=1, activation="relu")
    builder.add("large", "conv2d", tensor, kernel=7, out=256, stride=1)
    return builder.graph()


def write_model(path: Path) -> Path:
    write = tflite_bytes if path.suffix == ".tflite" else onnx_bytes
    path.write_bytes(write(graph()))
    return path


def profiled(path: Path, *options: object) -> Finished:
    return sartor("profile", "--model", path, *options)


@pytest.fixture(params=["small.tflite", "small.onnx"])
def model(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    return write_model(tmp_path / request.param)


def test_the_document_holds_everything(model: Path) -> None:
    found = profiled(model, *QUICK, "--json").document
    assert found["model"] == model.name
    assert found["runtime"] == {".tflite": "litert", ".onnx": "onnxruntime"}[model.suffix]
    low_ms, high_ms = found["interval_ms"]
    assert low_ms <= found["latency_ms"] <= high_ms
    operators = found["operators"]
    assert found["not_timed"] == []
    assert sum(one["share"] for one in operators) == pytest.approx(1)
    assert sum(one["total_ms"] for one in operators) == pytest.approx(found["sum_ms"])
    assert found["sum_over_whole"] == pytest.approx(found["sum_ms"] / found["latency_ms"])
    assert sum(kind["times"] for kind in found["kinds"]) == sum(one["times"] for one in operators)
    for one in operators:
        assert one["total_ms"] == pytest.approx(one["times"] * one["latency_ms"])


def test_people_get_the_latency_tables_and_a_plot(tmp_path: Path) -> None:
    model, plot = write_model(tmp_path / "small.tflite"), tmp_path / "new" / "shares.png"
    done = profiled(model, *QUICK, "--plot", plot)
    assert done.exit_code == 0
    assert "95 % interval" in done.stdout
    assert "× the whole" in done.stdout
    assert "3 timed by themselves, 2 of them different" in done.stdout
    lines = [line.split() for line in done.stdout.splitlines() if line.strip()]
    (columns,) = [line for line in lines if line[:2] == ["operator", "shapes"]]
    assert columns == ["operator", "shapes", "times", "ms", "each", "share", "cumulated"]
    assert "100.0%" in done.stdout
    assert "By kind" in done.stdout
    assert "Not timed" not in done.stdout
    assert plot.read_bytes().startswith(PNG)
    assert f"wrote {plot}" in done.stderr


def test_one_pass_says_that_it_gives_no_interval(tmp_path: Path) -> None:
    done = profiled(write_model(tmp_path / "small.tflite"), "--passes", 1)
    assert "one pass only, so no interval" in done.stdout


@pytest.mark.data
@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("kws_ref_model_float32.tflite", ()),
        ("pretrainedResnet.tflite", ()),
        ("selfie_segmentation.tflite", ()),
        ("light_squeezenet.onnx", ()),
        ("mobilenet_v2_128_0.5.onnx", ()),
        ("ch_ppocr_mobile_v2.0_cls_infer.onnx", ("--shape", "x=1x3x48x192")),
    ],
)
def test_real_models(
    name: str, options: tuple[str, ...], data_folder: Path, tmp_path: Path
) -> None:
    plot = tmp_path / "plot.png"
    model = data_folder / "models" / name
    found = profiled(model, "--passes", 1, "--json", "--plot", plot, *options).document
    assert found["not_timed"] == []
    assert found["latency_ms"] > 0
    assert sum(one["share"] for one in found["operators"]) == pytest.approx(1)
    assert plot.read_bytes().startswith(PNG)


def cut_short(content: bytes) -> bytes:
    return content[: len(content) // 2]


def fill_with_nonsense(content: bytes) -> bytes:
    # What tells the format stays.
    return content[:8] + np.random.default_rng(0).bytes(len(content) - 8)


def empty(content: bytes) -> bytes:
    return content[:0]


@pytest.mark.parametrize("damage", [cut_short, fill_with_nonsense, empty])
def test_a_damaged_model(damage: Callable[[bytes], bytes], model: Path) -> None:
    model.write_bytes(damage(model.read_bytes()))
    complaint = profiled(model).complaint
    assert model.name in complaint


def test_a_model_of_another_format(model: Path) -> None:
    other = {".tflite": ".onnx", ".onnx": ".tflite"}[model.suffix]
    renamed = model.rename(model.with_suffix(other))
    assert f"it is a {model.suffix} file, so rename it" in profiled(renamed).complaint


def test_what_is_no_model(tmp_path: Path) -> None:
    assert "is a folder; name a model file" in profiled(folder_named(tmp_path, "a.onnx")).complaint
    assert "No such file or directory" in profiled(tmp_path / "nowhere.tflite").complaint
    assert "cannot read the model" in profiled(Path("/proc/self/mem/x.onnx")).complaint
    text = tmp_path / "notes.txt"
    text.write_text("no model")
    assert "does not tell the model's format; want a file named .onnx" in profiled(text).complaint


def folder_named(parent: Path, name: str) -> Path:
    folder = parent / name
    folder.mkdir()
    return folder


def test_a_runtime_that_does_not_fit(tmp_path: Path) -> None:
    model = write_model(tmp_path / "small.onnx")
    complaint = profiled(model, "--runtime", "litert").complaint
    assert "litert runs .tflite files, and not small.onnx" in complaint
    assert "no runtime 'onnx'" in profiled(model, "--runtime", "onnx").complaint
    assert "no device 'phone'" in profiled(model, "--device", "phone").complaint


def test_shapes_that_do_not_fit(model: Path) -> None:
    complaint = profiled(model, "--shape", "nonsense=1x2").complaint
    assert model.name in complaint
    assert ("shapes of its own" in complaint) == (model.suffix == ".tflite")


def test_a_plot_that_cannot_be_drawn_is_said_before_anything_is_measured(tmp_path: Path) -> None:
    model = write_model(tmp_path / "small.tflite")
    assert "a plot is a .png file, not x.pdf" in profiled(model, "--plot", "x.pdf").complaint


def test_a_plot_that_cannot_be_written_costs_no_result(tmp_path: Path) -> None:
    done = profiled(write_model(tmp_path / "small.tflite"), *QUICK, "--plot", "/proc/sartor/x.png")
    assert done.exit_code == 1
    assert "sartor: cannot write /proc/sartor/x.png" in done.stderr
    assert "By kind" in done.stdout


@pytest.mark.parametrize(
    "options",
    [
        ("--op", "dense/8x1x1/out=1/none/float32"),
        ("--supernet", "x"),
        ("--table", "x"),
        ("--networks", "3"),
        ("--store", "x"),
    ],
)
def test_options_about_tables_have_no_meaning_for_a_model(
    options: tuple[str, str], tmp_path: Path
) -> None:
    done = profiled(tmp_path / "small.tflite", *options)
    assert done.exit_code == 2
    assert f"{options[0]} has no meaning here" in done.stderr


@pytest.mark.parametrize("options", [("--plot", "x.png"), ("--shape", "x=1x2")])
def test_options_about_models_have_no_meaning_without_one(options: tuple[str, str]) -> None:
    done = sartor("profile", *options)
    assert done.exit_code == 2
    assert f"{options[0]} has no meaning here: it needs --model" in done.stderr


def test_a_shape_that_is_none(tmp_path: Path) -> None:
    done = profiled(tmp_path / "small.onnx", "--shape", "x=1x0")
    assert done.exit_code == 2
    assert "'x=1x0' is not NAME=1x3x224x224" in done.stderr


def made_up_profile(pieces: int) -> ModelProfile:
    """A profile whose n-th piece takes n milliseconds, of four kinds in turns."""
    quiet = Health(1, 0.0, 1000, None, "performance", None)

    def measurement(latency_ms: float) -> Measurement:
        return Measurement((Window(0, (1000 * latency_ms,), 0, 1.0, "2024-01-01"),), 1.0)

    tensors = (Tensor("x", "float32", (1, 2)),)
    found = tuple(
        PieceLatency(Piece(f"{n}", f"KIND_{n % 4}", "", tensors, tensors, f"{n}"), measurement(n))
        for n in range(1, pieces + 1)
    )
    return ModelProfile(
        model="m.tflite",
        device="local",
        runtime="litert",
        runtime_version="litert 1",
        threads=1,
        passes=1,
        whole=measurement(10.0),
        pieces=found,
        failures=(),
        agent_deaths=0,
        seconds=1.0,
        health_before=quiet,
        health_after=quiet,
    )


def test_the_plot_has_a_bar_for_the_largest_and_one_for_the_others() -> None:
    profile = made_up_profile(LARGEST + 5)
    bars = bars_of(profile)
    assert len(bars) == LARGEST + 1
    assert [round(share * profile.sum_ms) for _, _, share in bars] == [
        *range(LARGEST + 5, 5, -1),
        1 + 2 + 3 + 4 + 5,
    ]
    assert bars[-1][0] == "5 others"
    assert bars[0][:2] == (f"KIND_{(LARGEST + 5) % 4}  1×2 → 1×2", f"KIND_{(LARGEST + 5) % 4}")
    assert model_png(profile).startswith(PNG)


def test_a_model_without_a_timed_piece_is_drawn_and_told_all_the_same() -> None:
    profile = made_up_profile(0)
    assert bars_of(profile) == []
    assert model_png(profile).startswith(PNG)
    assert document_of(profile)["sum_over_whole"] == 0
