"""Published networks: what they compute, and what becomes of files that are none."""

from __future__ import annotations

import json
from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
import torch
from ai_edge_litert.interpreter import Interpreter
from numpy.typing import NDArray
from torch import Tensor

from sartor.specializer.network import Network
from sartor.specializer.official_network import load_official_network
from sartor.specializer.supernets.mbconv_supernet import MbconvSupernet
from sartor.specializer.supernets.mobilenet_v3 import MobileNetV3
from sartor.specializer.supernets.proxylessnas import ProxylessNAS
from sartor.tables.errors import CheckpointError, FormatError

from .chain import sartor
from .ofa_reference import OfaReference, published_network
from .official_networks import IMAGENETTE, config_of, photos
from .torch_tools import random_images, relative_difference

SIZE = 64
TOLERANCE = 1e-5
SUPERNETS = [MobileNetV3(0.5, 7, (SIZE,)), ProxylessNAS(0.5, 7, (SIZE,))]
TINY = [("proxyless-w0.25-r112", 112), ("proxyless-w0.3-r176", 176)]


def write(folder: Path, config: object, state: object, size: int | None = SIZE) -> Path:
    (folder / "net.config").write_text(json.dumps(config))
    if size is not None:
        (folder / "run.config").write_text(json.dumps({"image_size": size}))
    torch.save(state, folder / "init")
    return folder / "net.config"


def loaded(folder: Path) -> Network:
    return load_official_network(folder / "net.config", folder / "init")


@pytest.mark.parametrize("older", [True, False])
@pytest.mark.parametrize("spec", SUPERNETS, ids=lambda spec: spec.family)
def test_a_published_network_computes_what_ofa_computes(
    spec: MbconvSupernet, older: bool, tmp_path: Path
) -> None:
    reference = OfaReference(spec, 0)
    for index, row in enumerate(spec.space.random(4, np.random.default_rng(0)).tolist()):
        subnetwork = tuple(row)
        published = reference.extracted(subnetwork)
        config, state = published.config, published.state_dict()
        if older:
            config = json.loads(json.dumps(config).replace('"conv":', '"mobile_inverted_conv":'))
            state = {
                name.replace(".conv.", ".mobile_inverted_conv.", 1)
                if name.startswith("blocks.")
                else name: value
                for name, value in state.items()
            }
        write(tmp_path, config, {"state_dict": state})
        network, images = loaded(tmp_path), random_images(2, SIZE, index)
        assert network.eps == spec.batch_norm_eps
        assert network.graph.operators == spec.graph(subnetwork).operators
        with torch.inference_mode():
            expected = published(images)
        assert relative_difference(network.run(images), expected) <= TOLERANCE


@pytest.mark.data
def test_every_official_network_computes_what_ofa_computes(
    data_folder: Path, tmp_path: Path
) -> None:
    """At a smaller input, for time's sake; the weights are random."""
    configs = sorted((data_folder / "ofa" / "specialized").glob("*/net.config"))
    assert len(configs) >= 12
    for index, path in enumerate(configs):
        config = json.loads(path.read_text())
        published = published_network(deepcopy(config), index)
        write(tmp_path, config, {"state_dict": published.state_dict()})
        images = random_images(1, SIZE, index)
        with torch.inference_mode():
            expected = published(images)
        assert relative_difference(loaded(tmp_path).run(images), expected) <= TOLERANCE


def run_litert(path: Path, images: NDArray[np.float32]) -> NDArray[np.float32]:
    runner = Interpreter(model_path=str(path), num_threads=1).get_signature_runner()
    answers = (runner(input=image[None].transpose(0, 2, 3, 1)).values() for image in images)
    return np.concatenate([np.asarray(logits) for (logits,) in answers])


def run_onnxruntime(path: Path, images: NDArray[np.float32]) -> NDArray[np.float32]:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(str(path), options)
    return np.concatenate([session.run(None, {"input": image[None]})[0] for image in images])


@pytest.mark.data
@pytest.mark.parametrize(("name", "size"), TINY)
def test_real_weights_load_run_and_export(
    data_folder: Path, tmp_path: Path, name: str, size: int
) -> None:
    """ImageNet weights on photos of ten of its classes, and in both runtimes.

    Twelve photos of each, which are smaller than what the networks were trained on. A guess is
    right in a thousandth of the cases, and among the ten in a tenth.
    """
    weights = data_folder / "models" / "proxyless" / f"{name}_imagenet.pth"
    state = torch.load(weights, weights_only=True)["state_dict"]
    config = write(tmp_path, config_of(state), {}, size)
    network = load_official_network(config, weights)
    images, truth = photos(data_folder / "imagenette2-160" / "imagenette2-160.tar", size, 12)
    logits = network.run(images)
    labels, ten = torch.tensor(truth), torch.tensor(list(IMAGENETTE.values()))
    assert float((logits.argmax(1) == labels).float().mean()) > 0.4
    assert float((ten[logits[:, ten].argmax(1)] == labels).float().mean()) > 0.8
    swapped = network.run(-images)  # a negative is no photo
    assert float((swapped.argmax(1) == labels).float().mean()) < 0.2

    exported = sartor("export", config, "--weights", weights, "--out", tmp_path / "out", "--json")
    paths = {each["runtime"]: Path(each["path"]) for each in exported.document}
    few = images[::17]
    for runtime, run in (("litert", run_litert), ("onnxruntime", run_onnxruntime)):
        answers = torch.from_numpy(run(paths[runtime], few.numpy()))
        assert relative_difference(answers, logits[::17]) <= TOLERANCE


@pytest.fixture
def config() -> dict[str, Any]:
    """A published network's configuration."""
    spec = MobileNetV3(0.25, 3, (SIZE,))
    found = json.loads(json.dumps(OfaReference(spec, 0).extracted(spec.space.smallest).config))
    assert isinstance(found, dict)
    return found


@pytest.fixture
def state(config: dict[str, Any]) -> dict[str, Tensor]:
    return published_network(deepcopy(config), 0).state_dict()


def test_the_command_writes_both_files_beside_the_configuration(
    config: dict[str, Any], state: dict[str, Tensor], tmp_path: Path
) -> None:
    path = write(tmp_path, config, state, size=None)
    command = "export", path, "--weights", tmp_path / "init"
    assert "name the size in pixels with --resolution" in sartor(*command).complaint
    finished = sartor(*command, "--resolution", 32)
    assert finished.exit_code == 0
    assert "sartor profile --model" in finished.stderr
    images = random_images(2, 32)
    network = load_official_network(path, tmp_path / "init", 32)
    for written in (run_litert(tmp_path / "model.tflite", images.numpy()),):
        assert relative_difference(torch.from_numpy(written), network.run(images)) <= TOLERANCE
    assert (tmp_path / "model.onnx").stat().st_size > 100_000


def test_wrong_usage(config: dict[str, Any], tmp_path: Path) -> None:
    path = write(tmp_path, config, {})
    for arguments in ([path], [tmp_path, "--resolution", 32], [path, "--weights", "init", "-x"]):
        assert sartor("export", *arguments).exit_code == 2


Change = Callable[[dict[str, Any], dict[str, Tensor]], object]


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (lambda _, state: state.clear(), "lacks blocks.0.conv.depth_conv.bn.bias and"),
        (lambda _, state: state.update(more=torch.ones(1)), "has more, no part of the network"),
        (
            lambda _, state: state.update({"classifier.linear.bias": torch.ones(4)}),
            r"bias is \(4,\) where the network of net.config has \(3,\)",
        ),
        (
            lambda _, state: state["first_conv.bn.running_mean"].fill_(float("nan")),
            "running_mean has impossible values",
        ),
        (lambda config, _: config["classifier"].update(out_features=4), r"where the network"),
        (lambda config, _: config["blocks"].pop(), "no part of the network"),
    ],
)
def test_weights_that_do_not_fit(
    change: Change, complaint: str, config: dict[str, Any], state: dict[str, Tensor], tmp_path: Path
) -> None:
    change(config, state)
    write(tmp_path, config, state)
    with pytest.raises(CheckpointError, match=complaint) as caught:
        loaded(tmp_path)
    assert str(caught.value).endswith("net.config") or "take an earlier" in str(caught.value)


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (lambda config: config.update(name="DenseNets"), "networks of DenseNets are not known"),
        (lambda config: config["first_conv"].update(groups=2), "has groups 2, and only 1"),
        (lambda config: config["first_conv"].update(bias=True), "has bias True, and only False"),
        (lambda config: config["blocks"][1]["conv"].update(groups=2), "block 1 has groups"),
        (lambda config: config.update(bn={"eps": "small"}), "no net.config"),
        (lambda config: config.update(bn=3), "no net.config"),
        (lambda config: config["blocks"][1].update(shortcut={}), "this is no net.config"),
    ],
)
def test_configurations_that_are_not_understood(
    change: Callable[[dict[str, Any]], object],
    complaint: str,
    config: dict[str, Any],
    tmp_path: Path,
) -> None:
    change(config)
    write(tmp_path, config, {})
    with pytest.raises(FormatError, match=complaint):
        loaded(tmp_path)


@pytest.mark.parametrize("text", ["", "[", "\0", "[" * 100_000])
def test_files_that_are_no_json(text: str, tmp_path: Path) -> None:
    path = write(tmp_path, {}, {})
    path.write_text(text)
    with pytest.raises(FormatError, match="is no JSON"):
        loaded(tmp_path)


def test_files_that_are_not_there(config: dict[str, Any], tmp_path: Path) -> None:
    path = write(tmp_path, config, {})
    with pytest.raises(CheckpointError, match="there is no file"):
        load_official_network(path, tmp_path / "nowhere")
    with pytest.raises(CheckpointError, match="cannot read"):
        load_official_network(tmp_path / "nowhere", tmp_path / "init", 32)
    with pytest.raises(CheckpointError, match="cannot read"):
        load_official_network(tmp_path / "nowhere", tmp_path / "init")
    (tmp_path / "run.config").write_text('{"image_size": "large"}')
    with pytest.raises(FormatError, match="has no image_size"):
        loaded(tmp_path)
