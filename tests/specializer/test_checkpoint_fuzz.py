"""Files of weights damaged at random: one sentence each, and no code run."""

from __future__ import annotations

import io
import json
import os
import pickle
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import hypothesis.strategies as st
import pytest
import torch
from hypothesis import HealthCheck, Phase, example, given, settings
from safetensors.torch import save
from torch import Tensor

from sartor.specializer.checkpoint import load_supernet
from sartor.specializer.description import Description
from sartor.specializer.supernets.mbconv_supernet import MbconvSupernet
from sartor.specializer.supernets.mobilenet_v3 import MobileNetV3
from sartor.specializer.supernets.proxylessnas import ProxylessNAS
from sartor.tables.errors import CheckpointError

from .torch_tools import random_supernet

SPECS: list[MbconvSupernet] = [MobileNetV3(0.1, 2, (32,)), ProxylessNAS(0.1, 2, (32,))]
STATES = [random_supernet(spec).state_dict() for spec in SPECS]
State = dict[str, Any]

FUZZ = settings(
    max_examples=50,
    phases=[Phase.explicit, Phase.generate],  # shrinking files of weights takes minutes
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)


class Payload:
    """A pickle that makes a folder when it is read carelessly."""

    def __init__(self, victim: Path, how: int) -> None:
        self._victim, self._how = str(victim), how

    def __reduce__(self) -> tuple[Callable[..., object], tuple[object, ...]]:
        source = f"__import__('os').mkdir({self._victim!r})"
        return [
            (os.mkdir, (self._victim,)),
            (eval, (source,)),
            (exec, (source,)),
            (getattr(os, "system"), (f"mkdir {self._victim}",)),  # noqa: B009 (named elsewhere)
        ][self._how]


WAYS = range(4)


@pytest.mark.parametrize("how", WAYS)
def test_the_payload_runs_where_pickles_are_trusted(how: int, tmp_path: Path) -> None:
    pickle.loads(pickle.dumps(Payload(tmp_path / "victim", how)))
    assert (tmp_path / "victim").is_dir()


def names(data: st.DataObject, state: State) -> str:
    return data.draw(st.sampled_from(sorted(name for name in state if "." in name)))


def drop(data: st.DataObject, state: State) -> None:
    del state[names(data, state)]


def double(data: st.DataObject, state: State) -> None:
    name = names(data, state)
    other = data.draw(st.sampled_from(["module.", "mobile", "singly"]))
    spelled = {
        "module.": f"module.{name}",
        "mobile": name.replace(".conv.", ".mobile_inverted_conv.", 1),
        "singly": name.replace(".bn.bn.", ".bn.").replace(".conv.conv.w", ".conv.w"),
    }[other]
    state[spelled if spelled != name else f"module.{name}"] = state[name]


def add(data: st.DataObject, state: State) -> None:
    state[data.draw(st.text(max_size=12)) + ".more"] = torch.ones(2)


def reshape(data: st.DataObject, state: State) -> None:
    name = names(data, state)
    shape = data.draw(st.lists(st.integers(0, 9), max_size=5).map(tuple))
    if shape == tuple(state[name].shape):
        shape = (*shape, 1)
    state[name] = torch.ones(shape)


def inflate(data: st.DataObject, state: State) -> None:
    """Claim a shape that no memory holds, over a single number."""
    name = names(data, state)
    state[name] = torch.ones(1).expand(data.draw(st.sampled_from([10**9, 10**13])), 8)


def poison(data: st.DataObject, state: State) -> None:
    name = names(data, state)
    value = state[name].clone()
    bad = data.draw(st.sampled_from([torch.nan, torch.inf, -torch.inf]))
    value.view(-1)[data.draw(st.integers(0, value.numel() - 1))] = bad
    state[name] = value


def retype(data: st.DataObject, state: State) -> None:
    name = names(data, state)
    kinds = [torch.int8, torch.int64, torch.bool, torch.complex64, torch.float8_e4m3fn]
    state[name] = state[name].to(data.draw(st.sampled_from(kinds)))


def hollow(data: st.DataObject, state: State) -> None:
    name = names(data, state)
    nothings: list[object] = [
        torch.empty(state[name].shape, device="meta"),
        state[name].to_sparse(),
        *(None, 3.5, "weights", [1.0]),
    ]
    state[name] = nothings[data.draw(st.integers(0, len(nothings) - 1))]


DAMAGES = [drop, double, add, reshape, inflate, poison, retype, hollow]
FITS_SAFETENSORS = [drop, double, add, reshape, poison, retype]


def refused(path: Path) -> str:
    """The one line that says why a file is not taken; any other error fails the test."""
    with pytest.raises(CheckpointError) as caught:
        load_supernet(path)
    message = str(caught.value)
    assert str(path) in message
    assert "\n" not in message
    return message


@FUZZ
@given(data=st.data())
def test_a_damaged_state_dict_is_refused(data: st.DataObject, tmp_path: Path) -> None:
    state: State = dict(STATES[data.draw(st.integers(0, 1))])
    data.draw(st.sampled_from(DAMAGES))(data, state)
    content = [state, {"state_dict": state}, {"state_dict": [state]}][data.draw(st.integers(0, 2))]
    path = tmp_path / "damaged.pth"
    torch.save(content, path, _use_new_zipfile_serialization=data.draw(st.booleans()))
    refused(path)


@FUZZ
@given(data=st.data())
def test_a_damaged_file_of_ours_is_refused(data: st.DataObject, tmp_path: Path) -> None:
    index = data.draw(st.sampled_from(range(len(SPECS))))
    state: State = {name: value.half() for name, value in STATES[index].items()}
    data.draw(st.sampled_from(FITS_SAFETENSORS))(data, state)
    plain = {name: value.clone().contiguous() for name, value in state.items()}
    text = Description("fuzz", SPECS[index], ("a", "b")).text()
    path = tmp_path / "damaged.safetensors"
    path.write_bytes(save(plain, {"sartor": text}))
    refused(path)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=5,
)


@FUZZ
@given(
    key=st.sampled_from(sorted(json.loads(Description("fuzz", SPECS[0], ("a", "b")).text()))),
    value=json_values,
)
@example(key="resolutions", value=[10**400])
@example(key="settings", value={"width": 10**400})
@example(key="family", value="__main__:anything")
def test_a_changed_description_is_refused_or_true(key: str, value: object, tmp_path: Path) -> None:
    said = json.loads(Description("fuzz", SPECS[0], ("a", "b")).text())
    path = tmp_path / "changed.safetensors"
    path.write_bytes(save(STATES[0], {"sartor": json.dumps(said | {key: value})}))
    try:
        loaded = load_supernet(path)
    except CheckpointError:
        refused(path)
    else:
        state = loaded.supernet.state_dict()
        assert {n: tuple(v.shape) for n, v in state.items()} == loaded.supernet.spec.state_shapes()
        assert len(loaded.labels) == loaded.supernet.spec.classes


def files() -> list[bytes]:
    """One whole file of every sort."""
    zipped, legacy = io.BytesIO(), io.BytesIO()
    torch.save({"state_dict": STATES[1]}, zipped)
    torch.save(STATES[0], legacy, _use_new_zipfile_serialization=False)
    text = Description("fuzz", SPECS[0], ("a", "b")).text()
    return [zipped.getvalue(), legacy.getvalue(), save(STATES[0], {"sartor": text})]


FILES = files()


@FUZZ
@given(
    which=st.sampled_from(range(len(FILES))),
    suffix=st.sampled_from([".pth", ".safetensors", ""]),
    share=st.floats(0, 0.9999),
)
def test_a_file_that_is_cut_short_is_refused(
    which: int, suffix: str, share: float, tmp_path: Path
) -> None:
    path = tmp_path / f"cut{suffix}"
    path.write_bytes(FILES[which][: int(share * len(FILES[which]))])
    assert "damaged" in refused(path)


@FUZZ
@given(size=st.integers(0, 2**64 - 1), rest=st.binary(max_size=200) | json_values)
def test_any_header_is_refused(size: int, rest: object, tmp_path: Path) -> None:
    body = rest if isinstance(rest, bytes) else json.dumps(rest).encode()
    path = tmp_path / "any.safetensors"
    path.write_bytes(struct.pack("<Q", size) + body)
    refused(path)


@FUZZ
@given(data=st.data(), how=st.sampled_from(WAYS))
def test_code_in_a_file_is_never_run(data: st.DataObject, how: int, tmp_path: Path) -> None:
    """Wherever it stands: beside the weights, among them, in place of one, or as all there is."""
    victim = tmp_path / "victim"
    payload, state = Payload(victim, how), dict(STATES[data.draw(st.integers(0, 1))])
    hidden: State = state | {names(data, state): payload}
    contents: list[object] = [
        payload,
        hidden,
        {"state_dict": hidden},
        {"state_dict": state, "optimizer": payload},
        {"state_dict": payload},
        {"state_dict": state, "epoch": [1, {"deep": (payload,)}]},
    ]
    content = contents[data.draw(st.integers(0, len(contents) - 1))]
    name = data.draw(st.sampled_from(["code.pth", "code.pt", "code", "code.safetensors"]))
    path = tmp_path / name
    if data.draw(st.booleans()):
        path.write_bytes(pickle.dumps(content))
    else:
        torch.save(content, path, _use_new_zipfile_serialization=data.draw(st.booleans()))
    assert "damaged" in refused(path)
    assert not victim.exists()


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
@pytest.mark.parametrize("index", range(len(SPECS)))
def test_what_is_only_unusual_is_taken(dtype: torch.dtype, index: int, tmp_path: Path) -> None:
    """So that the tests above do not pass by refusing everything."""
    spec, path = SPECS[index], tmp_path / "unusual.pth"
    shared: dict[str, Tensor] = {
        f"module.{name}": value.to(dtype).requires_grad_() for name, value in STATES[index].items()
    }
    torch.save({"state_dict": shared, "epoch": 3, "best": 0.5}, path)
    loaded = load_supernet(path).supernet
    assert (loaded.spec.family, loaded.spec.classes) == (spec.family, spec.classes)
    assert all(value.dtype == torch.float32 for value in loaded.state_dict().values())
