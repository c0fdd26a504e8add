from __future__ import annotations

import os
import tempfile
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sartor.profiler import RUNTIMES
from sartor.profiler.agent.packs import FullError, unpack
from sartor.profiler.packs import Model, write_pack, write_shrunk
from sartor.profiler.writers.weights import random_weights
from sartor.tables.graph import Graph, GraphBuilder


def packed(names: Sequence[str], models: Sequence[Model]) -> bytes:
    """Return a pack as bytes."""
    with tempfile.TemporaryDirectory() as name:
        pack = Path(name) / "pack"
        write_pack(pack, names, models)
        return pack.read_bytes()


NAMES = ("3/0.tflite", "3/1.tflite", "3/2.tflite")


@given(
    st.lists(st.binary(max_size=200) | st.binary(max_size=5).map(lambda b: b * 30_000), max_size=5)
)
def test_models_come_out_as_they_went_in(models: list[bytes]) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        names = [f"7/{index}.onnx" for index in range(len(models))]
        (folder / "7.pack").write_bytes(packed(names, models))
        for one in names:
            unpack(folder, one)
        assert [(folder / one).read_bytes() for one in names] == models
        assert (folder / "7.pack").exists() == (not models)


def test_what_came_by_itself_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "a.onnx").write_bytes(b"model")
    unpack(tmp_path, "a.onnx")
    unpack(tmp_path, "9/0.onnx")
    assert [path.name for path in tmp_path.iterdir()] == ["a.onnx"]


def test_a_folder_that_takes_nothing_is_full(tmp_path: Path) -> None:
    (tmp_path / "3.pack").write_bytes(packed(NAMES, [b"a", b"b", b"c"]))
    (tmp_path / "3").write_text("in the way")
    with pytest.raises(FullError):
        unpack(tmp_path, NAMES[0])


def test_what_does_not_shrink_is_not_deflated() -> None:
    model = os.urandom(200_000)
    assert packed(NAMES[:1], [model]).endswith(model)


def test_what_was_shrunk_once_is_not_shrunk_again(tmp_path: Path) -> None:
    """Here it is not even the same, so that one sees where it comes from."""
    model, others = tmp_path / "model", b"x" * 100_000
    model.write_bytes(bytes(100_000))
    assert packed(NAMES[:1], [model]).endswith(bytes(100_000))
    write_shrunk(model, others)
    assert packed(NAMES[:1], [model]) == packed(NAMES[:1], [others])


def network() -> Graph:
    builder = GraphBuilder("wide", (64, 14, 14))
    wide = builder.add("wide", "conv2d", builder.input, kernel=1, out=960, stride=1)
    builder.add("narrow", "conv2d", wide, kernel=1, out=160, stride=1)
    return builder.graph()


@pytest.mark.parametrize("name", ["litert", "onnxruntime", "torch"])
def test_models_that_are_only_timed_travel_light(name: str) -> None:
    model = RUNTIMES[name].write(network())
    assert len(model) > 800_000
    assert len(packed(NAMES[:1], [model])) < len(model) / 10


def test_no_two_output_channels_are_the_same() -> None:
    weights = random_weights(network(), seed=0)
    rows = weights["wide.weight"].reshape(960, 64)
    assert len({row.tobytes() for row in rows}) == 960
    assert abs(float(rows.std()) * 8 - 1) < 0.05
