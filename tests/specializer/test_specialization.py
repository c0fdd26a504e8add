from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import hypothesis.strategies as st
import pytest
import torch
from hypothesis import given
from safetensors.torch import save_file

from sartor.specializer.choice import Accuracy, Choice, Fit, Kept, Origin, Search, Target
from sartor.specializer.documents import from_document
from sartor.specializer.extract import extract
from sartor.specializer.specialization import Specialization, load_choice, load_specialization
from sartor.tables import Prediction
from sartor.tables.errors import CheckpointError, FormatError, OutputError
from sartor.tables.estimator import Standing

from .torch_tools import SMALL, random_supernet

CHOICE = Choice(
    origin=Origin.of("small", SMALL, ("cat", "dog", "owl")),
    subnetwork=SMALL.space.text(SMALL.space.smallest),
    target=Target("local-litert", "local", "litert/threads=1,batch=1/float32/-", 2.5),
    latency=Prediction(2.0, 1.9, 2.1, calibrated=True),
    accuracy=Accuracy(0.8, None, 0),
    search=Search(7, 0.4, 30_000, 1.0, 5.0, ((1.0, 0.7), (2.0, 0.8))),
    multiply_adds=1000,
    parameters=100,
    recalibrated_with="synthetic images",
    rows=(
        Standing("blocks", used=True, networks=8, leave_one_out_error=0.01),
        Standing("operators", used=False, networks=1, leave_one_out_error=None),
    ),
    also=(
        Fit(
            Target("pi4-litert", "pi4", "litert/threads=4,batch=1/float32/-", 5.0, 0.95),
            Prediction(4.0, 3.5, 4.5, calibrated=True),
        ),
    ),
    limits=(Kept("latency by local-litert", "ms", 2.5, 2.1), Kept("parameters", "M", 5.0, 1e-4)),
    memory_bytes=4096,
)

finite = st.floats(allow_nan=False, allow_infinity=False)
shares = st.floats(0, 1)
choices = st.builds(
    replace,
    st.just(CHOICE),
    latency=st.builds(Prediction, finite, finite, finite, st.booleans()),
    accuracy=st.builds(Accuracy, shares, shares | st.none(), st.integers(0)),
    search=st.builds(
        Search,
        *(st.integers(0), finite, st.integers(0), finite, finite),
        st.lists(st.tuples(finite, shares)).map(tuple),
    ),
    recalibrated_with=st.text(),
    rows=st.lists(
        st.builds(Standing, st.text(), st.booleans(), st.integers(0), shares | st.none())
    ).map(tuple),
)


@given(choices)
def test_a_choice_survives_json(choice: Choice) -> None:
    assert from_document(Choice, json.loads(json.dumps(asdict(choice)))) == choice


def changed(**fields: object) -> Callable[[dict[str, Any]], object]:
    return lambda document: document.update(fields)


@pytest.mark.parametrize(
    ("damage", "complaint"),
    [
        (changed(more=1), "choice wants exactly origin, subnetwork"),
        (lambda document: document.pop("parameters"), "choice wants exactly"),
        (changed(target=None), r"choice\.target wants exactly table"),
        (changed(parameters=1.5), r"choice\.parameters cannot be 1\.5"),
        (changed(parameters=True), r"choice\.parameters cannot be True"),
        (changed(subnetwork=3), r"choice\.subnetwork cannot be 3"),
        (lambda d: d["accuracy"].update(predicted="high"), r"accuracy\.predicted cannot be 'high'"),
        (lambda d: d["accuracy"].update(predicted=float("nan")), "predicted cannot be nan"),
        (lambda d: d["target"].update(budget_ms=10**400), r"target\.budget_ms cannot be 1000"),
        (lambda d: d["latency"].update(calibrated=1), r"latency\.calibrated cannot be 1"),
        (lambda d: d["origin"].update(labels="cat"), r"origin\.labels cannot be 'cat'"),
        (lambda d: d["search"].update(front=[[1.0]]), r"front\[0\] has 1 values and wants 2"),
        (lambda d: d["search"].update(front=[[1, "x"]]), r"front\[0\]\[1\] cannot be 'x'"),
    ],
)
def test_a_document_of_other_types_is_refused(
    damage: Callable[[dict[str, Any]], object], complaint: str
) -> None:
    document = json.loads(json.dumps(asdict(CHOICE)))
    damage(document)
    with pytest.raises(FormatError, match=complaint):
        from_document(Choice, document)


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    """A folder with a specialization."""
    network = extract(random_supernet(), SMALL.space.smallest)
    Specialization(CHOICE, network).save(tmp_path / "folder")
    return tmp_path / "folder"


def test_a_specialization_survives_its_folder(saved: Path) -> None:
    loaded = load_specialization(saved)
    network = extract(random_supernet(), SMALL.space.smallest)
    assert loaded.choice == CHOICE == load_choice(saved)
    assert loaded.network.graph == network.graph
    assert loaded.network.weights.keys() == network.weights.keys()
    for name, value in network.weights.items():
        assert torch.equal(loaded.network.weights[name], value)


@pytest.mark.parametrize("content", ["", "[]", "3", "{}", '{"format": "new"}', "[" * 100_000, "\0"])
def test_a_description_that_is_none(content: str, saved: Path) -> None:
    (saved / "specialization.json").write_text(content)
    with pytest.raises(CheckpointError, match=r"is damaged .*; make it again with: sartor spec"):
        load_choice(saved)


def test_a_sub_network_that_is_none(saved: Path) -> None:
    path = saved / "specialization.json"
    path.write_text(path.read_text().replace(CHOICE.subnetwork, "32:nonsense"))
    with pytest.raises(CheckpointError, match="'32:nonsense' is no sub-network"):
        load_specialization(saved)


def test_a_description_that_is_not_text(saved: Path) -> None:
    (saved / "specialization.json").write_bytes(b"\xff\xfe\xff")
    with pytest.raises(CheckpointError, match="is damaged"):
        load_specialization(saved)


def test_an_empty_folder(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="holds no specialized network"):
        load_specialization(tmp_path)


def test_descriptions_of_older_formats_know_less(saved: Path) -> None:
    path = saved / "specialization.json"
    document = json.loads(path.read_text())
    assert document["format"] == 3
    for new in ("also", "limits", "memory_bytes"):
        del document[new]
    del document["target"]["confidence"]
    del document["search"]["accuracy_bound"]
    older(document, 2)
    path.write_text(json.dumps(document))
    second = replace(CHOICE, also=(), limits=(), memory_bytes=None)
    assert load_choice(saved) == second
    del document["rows"]
    path.write_text(json.dumps(document | {"format": 1}))
    assert load_choice(saved) == replace(second, rows=())


@pytest.mark.parametrize(
    ("device", "runtime", "table"),
    [
        ("local", "litert", "local-litert"),
        ("local", "onnxruntime", "local-litert"),
        ("pi4", "litert", "pi4-litert"),
        ("pi4", "onnxruntime", "pi4-litert"),
        ("phone", "litert", "local-litert"),
    ],
)
def test_the_promise_for_a_device_is_that_of_its_own_table(
    device: str, runtime: str, table: str
) -> None:
    assert CHOICE.fit(device, runtime).target.table == table


def test_the_promise_for_a_runtime_is_that_of_its_own_table() -> None:
    other = replace(CHOICE.also[0].target, device="local", condition="onnxruntime/threads=1")
    choice = replace(CHOICE, also=(replace(CHOICE.also[0], target=other),))
    assert choice.fit("local", "onnxruntime").target == other
    assert choice.fit("local", "litert").target == CHOICE.target


def older(document: dict[str, Any], version: int) -> None:
    """Write a description as it was when every supernet was a MobileNetV3."""
    document["format"] = version
    origin = document["origin"]
    assert origin.pop("family") == "mobilenet_v3"
    origin["width"] = origin.pop("settings")["width"]


def test_a_folder_of_the_second_format_has_no_graph_in_it(saved: Path) -> None:
    path = saved / "specialization.json"
    document = json.loads(path.read_text())
    older(document, 2)
    path.write_text(json.dumps(document))
    expected = load_specialization(saved).network
    weights = {name: value.contiguous() for name, value in expected.weights.items()}
    save_file(weights, saved / "network.safetensors")
    loaded = load_specialization(saved)
    assert loaded.choice == CHOICE
    assert (loaded.network.graph, loaded.network.eps) == (expected.graph, expected.eps)
    assert loaded.network.weights.keys() == expected.weights.keys()


def test_a_description_of_a_newer_format_says_so(saved: Path) -> None:
    path = saved / "specialization.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"format": 4}))
    with pytest.raises(CheckpointError, match="written by a newer Sartor"):
        load_choice(saved)


def test_a_folder_that_cannot_be_written(saved: Path) -> None:
    specialization = load_specialization(saved)
    with pytest.raises(OutputError, match="cannot write /proc/nowhere"):
        specialization.save(Path("/proc/nowhere"))
