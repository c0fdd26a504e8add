from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import onnx
import pytest

from sartor.profiler import find_runtime, read_model
from sartor.profiler.reference import reference_graph
from sartor.profiler.writers.onnx import onnx_bytes
from sartor.profiler.writers.tflite import tflite_bytes
from sartor.tables.errors import ModelFileError, UnknownNameError

from .running import run_onnx

CONTENTS = {".tflite": tflite_bytes(reference_graph()), ".onnx": onnx_bytes(reference_graph())}


@pytest.mark.parametrize(("suffix", "runtime"), [(".tflite", "litert"), (".onnx", "onnxruntime")])
def test_the_name_tells_the_runtime(suffix: str, runtime: str, tmp_path: Path) -> None:
    path = tmp_path / f"model{suffix.upper()}"
    path.write_bytes(CONTENTS[suffix])
    for named in (None, runtime):
        model = read_model(path, named)
        assert (model.name, model.content) == (path.name, CONTENTS[suffix])
        assert model.runtime == find_runtime(runtime)


def test_another_runtime_than_the_files_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(CONTENTS[".onnx"])
    with pytest.raises(ModelFileError, match=r"litert runs \.tflite files, and not model\.onnx"):
        read_model(path, "litert")
    with pytest.raises(UnknownNameError, match="no runtime 'onnx'"):
        read_model(path, "onnx")


@pytest.mark.parametrize("name", ["model", "model.pt", "model.tflite.gz"])
def test_a_name_that_tells_no_format_is_an_error(name: str, tmp_path: Path) -> None:
    with pytest.raises(ModelFileError, match=f"the name {name} does not tell .* .onnx, .tflite"):
        read_model(tmp_path / name)


@pytest.mark.parametrize("suffix", [".tflite", ".onnx"])
def test_what_is_no_such_model_is_an_error(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"model{suffix}"
    with pytest.raises(ModelFileError, match=r"cannot read the model .* No such file"):
        read_model(path)
    (other,) = set(CONTENTS) - {suffix}
    for content, complaint in (
        (b"", "is empty; fetch it again"),
        (b"\x08\x01", f"holds no {suffix} model; fetch it again"),  # a protocol buffer, too
        (np.random.default_rng(0).bytes(5000), f"holds no {suffix} model; fetch it again"),
        (CONTENTS[other], f"holds no {suffix} model; it is a {other} file, so rename it"),
    ):
        path.write_bytes(content)
        with pytest.raises(ModelFileError, match=complaint):
            read_model(path)
    path.unlink()
    path.mkdir()
    with pytest.raises(ModelFileError, match="is a folder; name a model file"):
        read_model(path)


def test_weights_in_files_beside_the_model_are_taken_in(tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    whole = onnx.load_model_from_string(CONTENTS[".onnx"])
    onnx.save_model(
        whole, path, save_as_external_data=True, location="weights.bin", size_threshold=0
    )
    assert (tmp_path / "weights.bin").stat().st_size > 10_000
    inputs, found = run_onnx(read_model(path).content)
    _, wanted = run_onnx(CONTENTS[".onnx"], list(inputs.values()))
    assert all(np.array_equal(found[name], x) for name, x in wanted.items())
    shutil.move(tmp_path / "weights.bin", tmp_path / "elsewhere.bin")
    with pytest.raises(ModelFileError, match=r"weights that .* keeps in files beside it.*folder"):
        read_model(path)
