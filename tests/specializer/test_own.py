"""Supernets of the user's own: the documented example, and what is wrong with others."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from sartor.specializer.checkpoint import load_supernet
from sartor.specializer.own import find_own
from sartor.specializer.shipped import find_spec, find_supernet
from sartor.specializer.supernets.mobilenet_v3 import MobileNetV3
from sartor.tables.errors import CheckpointError, UnknownNameError

from .torch_tools import SMALL, random_supernet

DOCUMENT = (Path(__file__).parents[2] / "docs" / "supernets.md").read_text()
MODULES = dict(re.findall(r"^```python\n# (\w+\.py).*?\n(.*?)^```", DOCUMENT, re.S | re.M))
(COMMANDS,) = re.findall(r"^```sh\n(.*?)^```", DOCUMENT, re.DOTALL | re.MULTILINE)
QUICK = "--passes 1 --most-passes 1 --networks 3 --force"


def run(command: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run a command as a user would, with this environment's programs first."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    source = Path(__file__).parents[2] / ".src"
    kept = {"XDG_DATA_HOME": str(folder / "data"), "XDG_CACHE_HOME": str(folder / "cache")}
    return subprocess.run(
        shlex.split(command),
        check=False,
        cwd=folder,
        env=os.environ | {"PATH": path, "PYTHONPATH": str(source)} | kept,
        capture_output=True,
        text=True,
        timeout=600,
    )


def draw_alike(root: Path, classes: tuple[str, ...], count: int) -> None:
    """Draw images whose tint tells the class, mostly: better networks are right more often."""
    rng = np.random.default_rng(0)
    for label, name in enumerate(classes):
        (root / name).mkdir(parents=True)
        for index in range(count):
            tint = 30 * (np.arange(3) == label) + rng.normal(0, 15, 3)
            pixels = (rng.integers(40, 160, (40, 56, 3)) + tint).clip(0, 255).astype(np.uint8)
            Image.fromarray(pixels).save(root / name / f"{index}.png")


def written(folder: Path, name: str, code: str | None = None) -> Path:
    (folder / name).write_text(MODULES[name] if code is None else code)
    return folder


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty current folder; what is imported from it is forgotten again."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    monkeypatch.setattr(sys, "path", [*sys.path])
    yield tmp_path
    for name in ("tiny_supernet", "wide", "mine"):
        sys.modules.pop(name, None)


def test_the_documented_example_leads_to_a_proof(here: Path) -> None:
    written(here, "tiny_supernet.py")
    written(here, "train_tiny.py")
    draw_alike(here / "photos", ("cat", "dog", "owl"), 40)
    *commands, verify = COMMANDS.splitlines()
    for command in commands:
        quick = QUICK if command.startswith("sartor profile") else ""
        done = run(f"{command} {quick}", here)
        assert done.returncode == 0, f"{command}: {done.stderr}"
    # What ships needs no code of the supernet's, and a name in a file leads to no import.
    written(here, "tiny_supernet.py", "from pathlib import Path\nPath('victim').mkdir()\n")
    (here / "tiny.pth").unlink()
    assert run("sartor export mine", here).returncode == 0
    assert "name yours with --data" in run("sartor verify mine", here).stderr
    done = run(f"{verify} --passes 2 --json", here)
    assert not (here / "victim").exists()
    report = json.loads(done.stdout)
    assert all(proof["comparison"]["difference"] <= 1e-4 for proof in report["proofs"])
    assert report["choice"]["origin"]["supernet"] == "tiny_supernet:TINY"
    assert report["choice"]["origin"]["settings"] == {"channels": 16}
    assert report["choice"]["accuracy"]["measured"] > 0.5  # a guess: a third


def test_a_published_checkpoint_gets_labels_and_resolutions(here: Path) -> None:
    written(here, "wide.py")
    labels = [f"n{index:02}" for index in range(4)]
    for label in labels:
        (here / "imagenet" / "val" / label).mkdir(parents=True)
    spec = MobileNetV3(1.2, 4, (160, 192, 224))
    torch.save(random_supernet(spec).state_dict(), here / "ofa_mbv3_d234_e346_k357_w1.2")
    files = find_supernet("wide:SUPERNET")
    loaded = load_supernet(files.weights, files.own)
    assert (loaded.supernet.spec, list(loaded.labels)) == (spec, labels)
    assert find_spec("wide:SUPERNET") == spec


TINY = MODULES["tiny_supernet.py"]


@pytest.mark.parametrize(
    ("code", "complaint"),
    [
        ("raise OSError('no disk')", r"importing mine failed \(OSError: no disk\); mend"),
        ("import nonsense_that_is_not_there", "ModuleNotFoundError"),
        ("else", "SyntaxError"),
        ("", "has no attribute 'TINY'"),
        ("TINY = 3", "is a int; want an OwnSupernet"),
        (TINY.replace("def head_graph", "def tail_graph"), "lacks head_graph; add what"),
        (TINY.replace('("cat", "dog", "owl")', '("cat",)'), "has 1 labels for 3 classes"),
        (TINY.replace("// 2", "// 3"), "do not hold the operators of its graph"),
        (TINY.replace("out=self.classes", "out=9"), r"ends in \(9,\), not in 3 classes"),
        (TINY.replace('"tiny"', '"mobilenet_v3"'), "asking mine:TINY for its graphs failed"),
        (TINY.replace("KERNELS[choice - 1]", "KERNELS[choice]"), "IndexError"),
    ],
)
def test_code_that_is_no_supernet(code: str, complaint: str, here: Path) -> None:
    written(here, "mine.py", code)
    with pytest.raises(CheckpointError, match=complaint) as caught:
        find_own("mine:TINY")
    assert "\n" not in str(caught.value)


def test_a_family_of_ours_under_other_rules_is_refused(here: Path) -> None:
    code = (
        "from dataclasses import dataclass\nfrom pathlib import Path\n"
        "from sartor.specializer.own import OwnSupernet\n"
        "from sartor.specializer.supernets.mobilenet_v3 import MobileNetV3\n"
        "class Other(MobileNetV3):\n    pass\n"
        "TINY = OwnSupernet(Other(), Path('x'))\n"
    )
    written(here, "mine.py", code)
    with pytest.raises(CheckpointError, match="calls its family mobilenet_v3, which is another"):
        find_own("mine:TINY")


def test_weights_are_asked_for_when_they_are_needed(here: Path) -> None:
    written(here, "tiny_supernet.py")
    files = find_supernet("tiny_supernet:TINY")
    assert find_spec("tiny_supernet:TINY").space.size == 28
    with pytest.raises(CheckpointError, match=r"there is no file .*tiny\.pth"):
        load_supernet(files.weights, files.own)
    torch.save(random_supernet(SMALL).state_dict(), files.weights)
    with pytest.raises(CheckpointError, match=r"lacks block0\.depthwise\.norm\.bias and"):
        load_supernet(files.weights, files.own)


@pytest.mark.parametrize(
    "name", ["tiny supernet:TINY", "a:b:c", ":TINY", "tiny:", "os.path", "x/y"]
)
def test_other_names_are_no_code(name: str, here: Path) -> None:
    with pytest.raises(UnknownNameError, match="MODULE:ATTRIBUTE for one of your own"):
        find_supernet(name)
