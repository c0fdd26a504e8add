from __future__ import annotations

import json
import os
import pickle
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import hypothesis.strategies as st
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from safetensors.torch import save_file
from torch import Tensor, nn

from sartor.specializer.checkpoint import Checkpoint, load_supernet, save_supernet
from sartor.specializer.description import Description, read_description
from sartor.specializer.supernets.mbconv_supernet import MbconvSupernet
from sartor.specializer.supernets.mobilenet_v3 import MobileNetV3
from sartor.specializer.supernets.proxylessnas import ProxylessNAS
from sartor.specializer.supernets.supernet import PUBLISHED_RESOLUTIONS
from sartor.tables.errors import CheckpointError, FormatError, OutputError

from .torch_tools import SMALL, random_supernet

LABELS = ("tench", "church", "golf ball ⛳")
State = dict[str, Tensor]


@pytest.fixture(scope="module")
def checkpoint() -> Checkpoint:
    return Checkpoint("small", random_supernet(), LABELS, {"recipe": "none"})


@pytest.fixture(scope="module")
def ours(checkpoint: Checkpoint, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("ours") / "supernet.safetensors"
    save_supernet(checkpoint, path)
    return path


@pytest.fixture(scope="module")
def published(checkpoint: Checkpoint, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("published") / "ofa_w0.25.pth"
    torch.save({"state_dict": checkpoint.supernet.state_dict()}, path)
    return path


def refusal(path: Path) -> str:
    with pytest.raises(CheckpointError) as caught:
        load_supernet(path)
    message = str(caught.value)
    assert str(path) in message
    assert "\n" not in message
    return message


def loaded_unless_refused(path: Path) -> State:
    try:
        return load_supernet(path).supernet.state_dict()
    except CheckpointError:
        refusal(path)
        return {}


def test_a_file_of_the_first_format_reads(checkpoint: Checkpoint, tmp_path: Path) -> None:
    """It knew no families, and had the width in place of settings."""
    said = json.loads(Description("small", SMALL, LABELS).text())
    assert (said.pop("family"), said.pop("settings")) == ("mobilenet_v3", {"width": SMALL.width})
    older = json.dumps(said | {"format": 1, "width": SMALL.width})
    save_file(checkpoint.supernet.state_dict(), tmp_path / "old.safetensors", {"sartor": older})
    assert load_supernet(tmp_path / "old.safetensors").supernet.spec == SMALL


def test_what_was_saved_loads_in_single_precision(checkpoint: Checkpoint, ours: Path) -> None:
    loaded = load_supernet(ours)
    assert (loaded.name, loaded.labels) == ("small", LABELS)
    assert loaded.metadata == {"recipe": "none"}
    assert loaded.supernet.spec == SMALL
    state = loaded.supernet.state_dict()
    for name, value in checkpoint.supernet.state_dict().items():
        assert state[name].dtype == torch.float32
        assert torch.equal(state[name], value.half().float())
    assert all(parameter.requires_grad for parameter in loaded.supernet.parameters())


def test_the_same_checkpoint_gives_the_same_bytes(
    checkpoint: Checkpoint, ours: Path, tmp_path: Path
) -> None:
    save_supernet(checkpoint, tmp_path / "again.safetensors")
    assert (tmp_path / "again.safetensors").read_bytes() == ours.read_bytes()
    save_supernet(load_supernet(ours), tmp_path / "through.safetensors")
    assert (tmp_path / "through.safetensors").read_bytes() == ours.read_bytes()


def test_a_description_is_read_without_the_weights(ours: Path) -> None:
    assert read_description(ours) == Description("small", SMALL, LABELS, {"recipe": "none"})


def singly(name: str) -> str:
    return name.replace(".bn.bn.", ".bn.").replace(".conv.conv.weight", ".conv.weight")


@pytest.mark.parametrize(
    "spelling",
    [
        str,
        singly,
        lambda name: (
            name.replace(".conv.", ".mobile_inverted_conv.", 1)
            if name.startswith("blocks.")
            else name
        ),
        lambda name: singly(name).replace("s.0.conv.", "s.0.mobile_inverted_conv."),
        lambda name: name.replace(".linear.", ".linear.linear."),
        lambda name: f"module.{singly(name)}",
        lambda name: (
            name
            if name.startswith("blocks.") and not name.startswith("blocks.0.")
            else name.replace(".bn.", ".bn.bn.").replace(".conv.weight", ".conv.conv.weight")
        ),
    ],
)
@pytest.mark.parametrize(("wrapped", "legacy"), [(True, False), (False, True)])
@pytest.mark.parametrize("small", [SMALL, ProxylessNAS(0.25, 3)], ids=lambda spec: spec.family)
def test_published_names_in_every_spelling(
    tmp_path: Path,
    small: MbconvSupernet,
    spelling: Callable[[str], str],
    wrapped: bool,
    legacy: bool,
) -> None:
    state = random_supernet(small).state_dict()
    content: State = {spelling(name): value for name, value in state.items()}
    content["first_conv.bn.num_batches_tracked"] = torch.tensor(3)
    path = tmp_path / "ofa_net_w1.3"
    torch.save(
        {"state_dict": content} if wrapped else content,
        path,
        _use_new_zipfile_serialization=not legacy,
    )
    loaded = load_supernet(path)
    assert (loaded.name, loaded.labels) == ("ofa_net_w1.3", ("0", "1", "2"))
    published = replace(small, resolutions=PUBLISHED_RESOLUTIONS)
    assert loaded.supernet.spec == published
    got = loaded.supernet.state_dict()
    assert all(torch.equal(got[name], value) for name, value in state.items())


@pytest.mark.parametrize(
    "spec", [*(MobileNetV3(width, 7) for width in (0.35, 0.75, 1.0, 1.2)), ProxylessNAS(1.3, 7)]
)
def test_family_width_and_classes_follow_from_the_tensors(
    spec: MbconvSupernet, tmp_path: Path
) -> None:
    torch.save(random_supernet(spec).state_dict(), tmp_path / "published.pth")
    assert load_supernet(tmp_path / "published.pth").supernet.spec == spec


class Attack:
    """A pickle that would make a file."""

    def __init__(self, victim: Path) -> None:
        self.victim = victim

    def __reduce__(self) -> tuple[Callable[[str], None], tuple[str]]:
        return os.mkdir, (str(self.victim),)


@pytest.mark.parametrize("name", ["code.pth", "code.pkl", "code.safetensors"])
def test_code_in_a_file_is_not_run(name: str, published: Path, tmp_path: Path) -> None:
    path, victim = tmp_path / name, tmp_path / "victim"
    content = {"state_dict": torch.load(published)["state_dict"], "more": Attack(victim)}
    if name == "code.pth":
        torch.save(content, path)
    else:
        path.write_bytes(pickle.dumps(content))
    assert "damaged" in refusal(path)
    assert not victim.exists()


@pytest.mark.parametrize("content", [b"", b"\0", b"hello", b"{}", b"\xff" * 100, b"PK\3\4" * 9])
@pytest.mark.parametrize("name", ["file.pth", "file.safetensors", "file"])
def test_other_files_are_refused(content: bytes, name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(content)
    assert "damaged" in refusal(tmp_path / name)


def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
    assert "there is no file" in refusal(tmp_path / "missing.pth")
    assert "there is no file" in refusal(tmp_path)
    with pytest.raises(CheckpointError, match="name another file"):
        read_description(tmp_path / "missing.safetensors")


@pytest.mark.parametrize("share", [0.001, 0.1, 0.5, 0.9999])
def test_truncated_files_are_refused(
    share: float, ours: Path, published: Path, tmp_path: Path
) -> None:
    for whole in (ours, published):
        content = whole.read_bytes()
        path = tmp_path / whole.name
        path.write_bytes(content[: int(len(content) * share)])
        assert "damaged" in refusal(path)


@pytest.mark.parametrize(
    "content", [[1, 2], {"state_dict": [1]}, {1: torch.ones(1)}, {"a": 1}, torch.ones(2), 5]
)
def test_other_contents_are_refused(content: object, tmp_path: Path) -> None:
    torch.save(content, tmp_path / "other.pth")
    assert "holds no named weights" in refusal(tmp_path / "other.pth")


def test_another_network_is_refused(tmp_path: Path) -> None:
    torch.save(nn.Linear(3, 4).state_dict(), tmp_path / "linear.pth")
    assert "has no classifier" in refusal(tmp_path / "linear.pth")
    save_file(nn.Linear(3, 4).state_dict(), tmp_path / "linear.safetensors")
    assert "no supernet that Sartor wrote" in refusal(tmp_path / "linear.safetensors")


GATE = "blocks.5.conv.depth_conv.se.fc.reduce.weight"


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        (GATE, None, f"lacks {GATE}; want"),
        ("classifier.linear.weight", None, "has no classifier"),
        ("classifier.linear.weight", torch.ones(3), "has no classifier"),
        ("classifier.linear.weight", torch.ones(3, 9000), "no supernet has width"),
        ("classifier.linear.weight", torch.ones(0, 320), "no supernet has 0 classes"),
        ("more", torch.ones(3), "has more, no part of the supernet"),
        (
            GATE,
            torch.ones(2, 2),
            r"reduce.weight is \(2, 2\) where the supernet ofa-mbv3-w0.25 with 3 classes",
        ),
        ("classifier.linear.bias", torch.ones(3, dtype=torch.int8), "holds torch.int8"),
        ("classifier.linear.bias", torch.ones(3, dtype=torch.complex64), "holds torch.complex64"),
        ("classifier.linear.bias", torch.tensor([1, 2, torch.nan]), "impossible values"),
        ("classifier.linear.bias", torch.tensor([1, 2, -torch.inf]), "impossible values"),
        ("first_conv.bn.running_var", torch.full((8,), -1.0), "a negative variance"),
        ("module.classifier.linear.bias", torch.ones(3), "holds classifier.linear.bias twice"),
    ],
)
def test_weights_that_do_not_fit_are_named(
    name: str, change: Tensor | None, message: str, published: Path, tmp_path: Path
) -> None:
    state: State = torch.load(published)["state_dict"]
    if change is None:
        del state[name]
    else:
        state[name] = change
    torch.save(state, tmp_path / "changed.pth")
    refusal(tmp_path / "changed.pth")
    with pytest.raises(CheckpointError, match=message):
        load_supernet(tmp_path / "changed.pth")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"format": 3}, "in format 3 where this one reads 2; update Sartor"),
        ({"family": "efficientnet"}, "the family 'efficientnet', which this Sartor does not know"),
        ({"family": ["mobilenet_v3"]}, "which this Sartor does not know"),
        ({"settings": None}, "no supernet that Sartor wrote"),
        ({"settings": {}}, "no supernet that Sartor wrote"),
        ({"settings": {"width": 0.25, "depth": 4}}, "no supernet that Sartor wrote"),
        ({"mean": [0.5, 0.5, 0.5]}, "normalised in another way"),
        ({"settings": {"width": 0.5}}, "where the supernet ofa-mbv3-w0.5 with 3 classes"),
        ({"labels": ["a", "b"]}, "where the supernet ofa-mbv3-w0.25 with 2 classes"),
        ({"settings": {"width": "wide"}}, "no supernet that Sartor wrote"),
        ({"settings": {"width": 1e400}}, "no supernet that Sartor wrote"),
        ({"resolutions": [1e400]}, "no supernet that Sartor wrote"),
        ({"resolutions": []}, "no supernet that Sartor wrote"),
        ({"labels": None}, "no supernet that Sartor wrote"),
        ({"metadata": 3}, "no supernet that Sartor wrote"),
    ],
)
def test_descriptions_that_do_not_fit_are_refused(
    change: dict[str, object], message: str, checkpoint: Checkpoint, tmp_path: Path
) -> None:
    text = Description("small", SMALL, LABELS).text()
    path = tmp_path / "changed.safetensors"
    state = {name: value.half() for name, value in checkpoint.supernet.state_dict().items()}
    save_file(state, path, {"sartor": json.dumps(json.loads(text) | change)})
    assert message in refusal(path)


def test_weights_that_half_precision_cannot_hold_are_not_written(tmp_path: Path) -> None:
    supernet = random_supernet()
    supernet.state_dict()["first_conv.bn.running_mean"][0] = 1e6
    with pytest.raises(CheckpointError, match="running_mean has impossible values"):
        save_supernet(Checkpoint("small", supernet, LABELS), tmp_path / "a.safetensors")
    assert not list(tmp_path.iterdir())


def test_bad_requests_write_nothing(checkpoint: Checkpoint, tmp_path: Path) -> None:
    with pytest.raises(FormatError, match="safetensors"):
        save_supernet(checkpoint, tmp_path / "a.pth")
    with pytest.raises(FormatError, match="2 labels cannot name 3 classes"):
        save_supernet(
            Checkpoint("small", checkpoint.supernet, LABELS[:2]), tmp_path / "a.safetensors"
        )
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="cannot write"):
        save_supernet(checkpoint, tmp_path / "file" / "a.safetensors")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
@pytest.mark.parametrize("kind", ["ours", "published"])
def test_damage_is_refused_or_harmless(
    kind: str, ours: Path, published: Path, tmp_path: Path, data: st.DataObject
) -> None:
    """A flipped bit among the weights cannot be told from a weight; every other one is seen."""
    whole = ours if kind == "ours" else published
    content = bytearray(whole.read_bytes())
    places = st.integers(0, 20_000) | st.integers(0, len(content) - 1)
    for place in data.draw(st.lists(places, max_size=4)):
        content[place % len(content)] ^= data.draw(st.integers(1, 255))
    path = tmp_path / whole.name
    path.write_bytes(content[: data.draw(st.just(len(content)) | places)])
    assert all(value.isfinite().all() for value in loaded_unless_refused(path).values())
