from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest

from sartor.specializer.official_config import config_operators
from sartor.specializer.supernets.mobilenet_v3 import MobileNetV3
from sartor.tables.blocks import composed
from sartor.tables.errors import FormatError
from sartor.tables.formats.lookup_yaml import read_lookup_yaml

from ..tables.public_files import origin
from .chain import sartor

DOCUMENT = (Path(__file__).parents[2] / "docs" / "exchange.md").read_text()


def convolution(kernel: int, stride: int, before: int, out: int) -> dict[str, Any]:
    return {
        "name": "ConvLayer",
        "kernel_size": kernel,
        "stride": stride,
        "in_channels": before,
        "out_channels": out,
        "act_func": "h_swish",
    }


def as_config(spec: MobileNetV3, network: tuple[int, ...]) -> dict[str, Any]:
    """Write a sub-network as Once-for-All does."""
    wide = spec.widths
    first = {
        "in_channels": wide.stem,
        "out_channels": wide.first,
        "kernel_size": 3,
        "stride": 1,
        "expand_ratio": 1,
        "mid_channels": None,
        "act_func": "relu",
        "use_se": False,
    }
    blocks = [{"mobile_inverted_conv": first, "shortcut": {"name": "IdentityLayer"}}]
    for block in spec.blocks(network):
        layer = {
            "in_channels": block.in_channels,
            "out_channels": block.out_channels,
            "kernel_size": block.kernel,
            "stride": block.stride,
            "expand_ratio": block.expansion,
            "mid_channels": block.middle,
            "act_func": {"relu": "relu", "hswish": "h_swish"}[block.activation],
            "use_se": block.squeeze_excite,
        }
        shortcut = {"name": "IdentityLayer"} if block.residual else None
        blocks.append({"mobile_inverted_conv": layer, "shortcut": shortcut})
    return {
        "name": "MobileNetV3",
        "first_conv": convolution(3, 2, 3, wide.stem),
        "blocks": blocks,
        "final_expand_layer": convolution(1, 1, wide.stages[-1], wide.expand),
        "feature_mix_layer": convolution(1, 1, wide.expand, wide.feature),
        "classifier": {"in_features": wide.feature, "out_features": spec.classes},
    }


WIDE = MobileNetV3(1.2, resolutions=(192,))
CONFIG = as_config(WIDE, WIDE.space.smallest)


@pytest.mark.parametrize("size", ["smallest", "largest"])
def test_a_configuration_is_the_network_that_the_supernet_has(size: str) -> None:
    network = getattr(WIDE.space, size)
    operators = config_operators(as_config(WIDE, network), 192)
    assert operators == composed(WIDE.graph(network).operators)


def test_a_proxyless_network_pools_behind_its_last_convolution() -> None:
    proxyless = deepcopy(CONFIG)
    del proxyless["final_expand_layer"]
    proxyless |= {"name": "ProxylessNASNets", "feature_mix_layer": convolution(1, 1, 192, 1664)}
    *_, mix, classifier = config_operators(proxyless, 192)
    assert str(mix) == "conv2d/192x6x6/kernel=1,out=1664,stride=1/hswish/float32"
    assert str(classifier) == "pooled_dense/1664x6x6/out=1000/none/float32"


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"name": "DenseNets"}, "networks of DenseNets are not known"),
        ({"blocks": None}, "this is no net.config"),
        ({"blocks": [{}]}, "this is no net.config .*'mobile_inverted_conv'"),
        ({"blocks": [[]]}, "this is no net.config"),
        ({"first_conv": {}}, "this is no net.config"),
        ({"first_conv": {**CONFIG["first_conv"], "act_func": "swish"}}, "'swish'"),
        ({"first_conv": {**CONFIG["first_conv"], "kernel_size": 2}}, "odd kernels"),
        ({"first_conv": {**CONFIG["first_conv"], "out_channels": "many"}}, "is not KIND/SHAPES"),
        ({"classifier": {}}, "out_features"),
    ],
)
def test_another_configuration_is_refused(changes: dict[str, Any], complaint: str) -> None:
    with pytest.raises(FormatError, match=complaint):
        config_operators(CONFIG | changes, 192)


@pytest.mark.parametrize("config", [None, [], {}, "MobileNetV3"])
def test_what_is_no_configuration_is_refused(config: object) -> None:
    with pytest.raises(FormatError, match="name one that Once-for-All published"):
        config_operators(config, 192)


@pytest.mark.data
def test_the_published_check(data_folder: Path) -> None:
    """note10_lat-30ms takes 29.97 ms by Once-for-All's own table of the Note10."""
    pytest.importorskip("yaml", reason="pip install 'sartor[exchange]'")
    folder = data_folder / "ofa"
    table = read_lookup_yaml(
        origin((folder / "note10" / "224_lookup_table.yaml").read_bytes(), device="note10")
    ).table
    published = folder / "specialized" / "note10_lat-30ms_top1-78.4_finetune-75"
    config = json.loads((published / "net.config").read_text())
    resolution = json.loads((published / "run.config").read_text())["image_size"]
    assert resolution == 224
    assert table.sum_ms(config_operators(config, resolution)) == pytest.approx(29.97, abs=0.005)


@pytest.mark.data
def test_the_published_check_as_it_is_documented(
    data_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("yaml", reason="pip install 'sartor[exchange]'")
    for folder in ("note10", "specialized"):
        (tmp_path / folder).symlink_to(data_folder.resolve() / "ofa" / folder)
    (command,) = re.findall(r"^```sh\n(.*?)\n```", DOCUMENT, re.DOTALL | re.MULTILINE)
    (program,) = re.findall(r"^```python\n(.*?)^```", DOCUMENT, re.DOTALL | re.MULTILINE)
    monkeypatch.chdir(tmp_path)
    assert sartor(*shlex.split(command)[1:]).stderr.startswith("added note10-224: 96 operators")
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert done.stdout == "29.97 ms\n"


@pytest.mark.data
def test_every_official_network_is_understood(data_folder: Path) -> None:
    configs = sorted((data_folder / "ofa" / "specialized").glob("*/net.config"))
    assert len(configs) >= 12
    for path in configs:
        run = json.loads(path.with_name("run.config").read_text())
        operators = config_operators(json.loads(path.read_text()), run["image_size"])
        assert {operator.kind for operator in operators} >= {"mbconv", "conv2d"}
