from __future__ import annotations

from pathlib import Path

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given, settings

from sartor.specializer.accuracy.features import feature_starts, one_hot
from sartor.specializer.accuracy.predictor import Layer, MlpPredictor
from sartor.specializer.space import SearchSpace
from sartor.specializer.supernets.mobilenet_v3 import MobileNetV3
from sartor.tables.errors import CheckpointError, OutputError

from .toy import every_network, random_predictor, space_of, spaces

SPACE = space_of(2, ((3, 2), 1), ((2,), 0))


@given(spaces())
def test_features_say_the_context_and_what_fills_each_slot(space: SearchSpace) -> None:
    population = every_network(space)
    features = one_hot(space, population)
    starts = feature_starts(space)
    assert features.shape == (len(population), starts[-1])
    for network, row in zip(population.tolist(), features, strict=True):
        context, *choices = network
        expected = {context, *(starts[slot] + c - 1 for slot, c in enumerate(choices) if c)}
        assert set(np.flatnonzero(row)) == expected
        assert row.sum() == len(expected)


def test_prediction_is_the_network_written_out() -> None:
    rng = np.random.default_rng(0)
    predictor = random_predictor(SPACE, rng, hidden=(5, 4))
    population = every_network(SPACE)
    first, second, last = predictor.layers
    for network, accuracy in zip(population, predictor.predict(population), strict=True):
        features = one_hot(SPACE, network[None])[0].astype(float)
        hidden = np.maximum(features @ first.weight + first.bias, 0)
        hidden = np.maximum(hidden @ second.weight + second.bias, 0)
        (standardised,) = hidden @ last.weight + last.bias
        assert accuracy == pytest.approx(0.7 + 0.05 * standardised, rel=1e-5)


@pytest.mark.parametrize("hidden", [(), (7,), (6, 5)])
def test_a_saved_predictor_predicts_the_same(tmp_path: Path, hidden: tuple[int, ...]) -> None:
    saved = random_predictor(SPACE, np.random.default_rng(1), hidden)
    saved.save(tmp_path / "accuracy.npz")
    loaded = MlpPredictor.load(tmp_path / "accuracy.npz", SPACE)
    population = every_network(SPACE)
    assert np.array_equal(loaded.predict(population), saved.predict(population))
    loaded.save(tmp_path / "again.npz")
    assert (tmp_path / "again.npz").read_bytes() == (tmp_path / "accuracy.npz").read_bytes()


def test_a_predictor_is_for_one_space(tmp_path: Path) -> None:
    random_predictor(SPACE, np.random.default_rng(1)).save(tmp_path / "accuracy.npz")
    with pytest.raises(CheckpointError, match="another search space"):
        MlpPredictor.load(tmp_path / "accuracy.npz", space_of(2, ((2, 3), 1), ((2,), 0)))


def test_a_missing_file_is_a_clear_error(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="nowhere"):
        MlpPredictor.load(tmp_path / "nowhere.npz", SPACE)


def test_a_place_that_cannot_be_written_is_a_clear_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError):
        random_predictor(SPACE, np.random.default_rng(1)).save(tmp_path / "file" / "accuracy.npz")


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("predictor") / "accuracy.npz"
    random_predictor(SPACE, np.random.default_rng(1), (3,)).save(path)
    return path


@given(share=st.floats(0, 1, exclude_max=True))
def test_a_truncated_file_is_a_clear_error(whole: Path, share: float) -> None:
    content = whole.read_bytes()
    damaged = whole.with_name("truncated.npz")
    damaged.write_bytes(content[: int(share * len(content))])
    with pytest.raises(CheckpointError, match="fetch or fit it again"):
        MlpPredictor.load(damaged, SPACE)


@settings(max_examples=300)
@given(share=st.floats(0, 1, exclude_max=True), bit=st.integers(0, 7))
def test_a_flipped_bit_is_noticed_or_harmless(whole: Path, share: float, bit: int) -> None:
    content = bytearray(whole.read_bytes())
    content[int(share * len(content))] ^= 1 << bit
    damaged = whole.with_name("flipped.npz")
    damaged.write_bytes(content)
    try:
        loaded = MlpPredictor.load(damaged, SPACE)
    except CheckpointError:
        return
    population = every_network(SPACE)
    expected = MlpPredictor.load(whole, SPACE).predict(population)
    assert np.array_equal(loaded.predict(population), expected)


@pytest.mark.parametrize("content", [b"", b"accuracy", b"\x80\x04N.", b"PK\x03\x04"])
def test_another_file_is_a_clear_error(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "other.npz").write_bytes(content)
    with pytest.raises(CheckpointError, match="no readable accuracy predictor"):
        MlpPredictor.load(tmp_path / "other.npz", SPACE)


def test_another_array_is_a_clear_error(tmp_path: Path) -> None:
    np.save(tmp_path / "array.npy", np.zeros(3))
    np.savez(tmp_path / "arrays.npz", zeros=np.zeros(3))
    for name in ("array.npy", "arrays.npz"):
        with pytest.raises(CheckpointError, match="no readable accuracy predictor"):
            MlpPredictor.load(tmp_path / name, SPACE)


@pytest.mark.parametrize(
    "shapes", [[], [(9, 2)], [(10, 3), (4, 1)], [(9, 1), (1, 1), (1, 2)], [(8, 1)]]
)
def test_layers_have_to_fit(shapes: list[tuple[int, int]]) -> None:
    layers = tuple(Layer(np.zeros(shape, "f"), np.zeros(shape[1], "f")) for shape in shapes)
    with pytest.raises(CheckpointError, match="from 9 features to one number"):
        MlpPredictor(SPACE, layers)


@pytest.mark.parametrize("where", ["weight", "bias", "mean"])
def test_layers_have_to_be_finite(where: str) -> None:
    numbers = dict.fromkeys(("weight", "bias", "mean"), 0.0) | {where: float("nan")}
    layer = Layer(np.full((9, 1), numbers["weight"], "f"), np.full(1, numbers["bias"], "f"))
    with pytest.raises(CheckpointError, match="not finite"):
        MlpPredictor(SPACE, (layer,), mean=numbers["mean"])


def test_empty_populations_have_no_accuracies() -> None:
    space = MobileNetV3().space
    predictor = random_predictor(space, np.random.default_rng(0), (8,))
    assert predictor.predict(space.random(0, np.random.default_rng(0))).shape == (0,)
