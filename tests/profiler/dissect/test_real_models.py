"""Real models of others: every piece runs, and the pieces one after another are the model."""

from __future__ import annotations

from pathlib import Path

import pytest

from sartor.profiler.dissect import distinct

from .running import assert_same, cut_onnx_bytes, cut_tflite_bytes, run_chain, run_onnx, run_tflite

pytestmark = pytest.mark.data

SHAPES = {"ch_ppocr_mobile_v2.0_cls_infer": {"x": (1, 3, 48, 192)}}
"""Of inputs that a file leaves open."""


@pytest.mark.parametrize(
    ("name", "pieces", "different"),
    [
        ("kws_ref_model_float32", 13, 7),
        ("pretrainedResnet", 16, 16),
        ("selfie_segmentation", 114, 70),
    ],
)
def test_a_tflite_model_is_the_chain_of_its_pieces(
    name: str, pieces: int, different: int, data_folder: Path
) -> None:
    content = (data_folder / "models" / f"{name}.tflite").read_bytes()
    cut = cut_tflite_bytes(content)
    assert (len(cut), len(distinct(cut))) == (pieces, different)
    inputs, wanted = run_tflite(content)
    assert_same(run_chain(cut, inputs), wanted)


@pytest.mark.parametrize(
    "name", ["ch_ppocr_mobile_v2.0_cls_infer", "light_squeezenet", "mobilenet_v2_128_0.5"]
)
def test_an_onnx_model_is_the_chain_of_its_pieces(
    name: str, data_folder: Path, tmp_path: Path
) -> None:
    content = (data_folder / "models" / f"{name}.onnx").read_bytes()
    cut, fixed = cut_onnx_bytes(content, tmp_path, SHAPES.get(name))
    assert len(distinct(cut)) < len(cut)
    inputs, wanted = run_onnx(fixed)
    assert_same(run_chain(cut, inputs), wanted)


def test_weights_kept_as_half_floats_are_unpacked_in_no_piece_of_their_own(
    data_folder: Path,
) -> None:
    content = (data_folder / "models" / "selfie_segmentation.tflite").read_bytes()
    kinds = {piece.kind for piece in cut_tflite_bytes(content)}
    assert "DEQUANTIZE" not in kinds
    assert {"CONV_2D + RELU", "CUSTOM Convolution2DTransposeBias"} <= kinds
