"""Networks in files: what was written is read, and anything else is refused."""

from __future__ import annotations

import json
from typing import Any

import hypothesis.strategies as st
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from safetensors.torch import load, save
from torch import Tensor

from sartor.specializer.extract import extract
from sartor.specializer.network import Network
from sartor.specializer.network_file import METADATA_KEY, has_graph, network_bytes, parse_network
from sartor.tables.errors import FormatError

from .torch_tools import SMALL, random_images, random_supernet

NETWORK = extract(random_supernet(), SMALL.space.smallest)
CONTENT = network_bytes(NETWORK)


def document() -> dict[str, Any]:
    header = json.loads(CONTENT[8 : 8 + int.from_bytes(CONTENT[:8], "little")])
    said = json.loads(header["__metadata__"][METADATA_KEY])
    assert isinstance(said, dict)
    return said


def written(said: object, weights: dict[str, Tensor] | None = None) -> bytes:
    return save(weights or load(CONTENT), {METADATA_KEY: json.dumps(said)})


def test_a_network_survives_its_file() -> None:
    read = parse_network(CONTENT)
    assert (read.graph, read.eps) == (NETWORK.graph, NETWORK.eps)
    images = random_images(2, 32)
    assert torch.equal(read.run(images), NETWORK.run(images))
    assert has_graph(CONTENT)
    assert not has_graph(save(load(CONTENT)))


def test_a_folded_network_survives_its_file() -> None:
    folded = {name: torch.from_numpy(value) for name, value in NETWORK.deployed().weights.items()}
    read = parse_network(network_bytes(Network(NETWORK.graph, folded, 0.0)))
    images = random_images(2, 32)
    torch.testing.assert_close(read.run(images), NETWORK.run(images), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"format": 2}, "a newer Sartor wrote the network"),
        ({"format": "new"}, "says of no network"),
        ({"format": float("inf")}, "says of no network"),
        ({"eps": -1}, "cannot add -1.0 to a variance"),
        ({"eps": float("nan")}, "cannot add nan"),
        ({"eps": 10**400}, "says of no network"),
        ({"nodes": {}}, "no list of operators"),
        ({"nodes": []}, "says of no network"),
        ({"nodes": [["a", "conv2d/3x8x8/kernel=3,out=8/none/float32", ["input"]]]}, "no network"),
        ({"nodes": [["a", "global_average_pool/3x8x8/-/none/float32", ["b"]]]}, "no network"),
        ({"nodes": [["a", "teleport/3x8x8/-/none/float32", ["input"]]]}, "says of no network"),
        (
            {"nodes": [["a", "pooled_dense/3x32x32/out=3/none/float32", ["input"]]]},
            "takes no block",
        ),
        ({"inputs": [["input", [3, -8, 8]]]}, "says of no network"),
    ],
)
def test_a_graph_that_is_none(change: dict[str, object], complaint: str) -> None:
    with pytest.raises(FormatError, match=complaint):
        parse_network(written(document() | change))


@pytest.mark.parametrize(
    ("name", "value", "complaint"),
    [
        ("stem.weight", None, "the weight stem.weight is missing"),
        ("stem.norm.bias", None, r"the weight stem.norm.bias is missing"),
        ("classifier.bias", None, "the weight classifier.bias is missing"),
        ("stem.norm.bias", torch.ones(3), r"stem.norm.bias is \(3,\) where the graph has \(8,\)"),
        ("more", torch.ones(3), "more is no weight of the network"),
        ("classifier.bias", torch.ones(3).half(), "holds torch.float16; want torch.float32"),
        ("classifier.bias", torch.tensor([1, 2, torch.nan]), "no finite numbers"),
        ("stem.norm.running_var", -torch.ones(8), "no finite numbers"),
    ],
)
def test_weights_that_do_not_fit(name: str, value: Tensor | None, complaint: str) -> None:
    weights = {key: kept for key, kept in load(CONTENT).items() if key != name}
    if value is not None:
        weights[name] = value
    with pytest.raises(FormatError, match=complaint):
        parse_network(written(document(), weights))


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_damage_is_refused_or_harmless(data: st.DataObject) -> None:
    content = bytearray(CONTENT)
    header = 8 + int.from_bytes(CONTENT[:8], "little")
    places = st.integers(0, header - 1) | st.integers(0, len(content) - 1)
    for place in data.draw(st.lists(places, min_size=1, max_size=3)):
        content[place] ^= data.draw(st.integers(1, 255))
    end = data.draw(st.just(len(content)) | st.integers(0, len(content) - 1))
    try:
        read = parse_network(bytes(content[:end]))
    except FormatError as error:
        assert "\n" not in str(error)  # noqa: PT017 (either outcome is right)
    else:
        assert end == len(content)
        assert all(value.isfinite().all() for value in read.weights.values())
