"""What a check-up says of the runtimes of a device."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from sartor.devices import LocalDevice
from sartor.profiler import AgentSession, find_runtime
from sartor.profiler.provision import Standing, prepare, runtime_standings
from sartor.profiler.provision.interpreters import Interpreter
from sartor.tables.errors import RuntimeMissingError

from .faults import CutDevice

COMMAND = "sartor devices prepare local --runtime litert"


@pytest.fixture
def device(tmp_path: Path, interpreter: Interpreter, monkeypatch: pytest.MonkeyPatch) -> CutDevice:
    """This machine, with the bare Python that its virtual environments are made from."""
    monkeypatch.setenv("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
    return CutDevice(tmp_path / "device", interpreter.path)


def litert(device: LocalDevice) -> Standing:
    (standing,) = runtime_standings(device, ["litert"])
    return standing


def test_what_is_missing_is_told_with_the_command_that_mends_it(device: CutDevice) -> None:
    standing = litert(device)
    assert (standing.state, standing.ready, standing.command) == ("missing", False, COMMAND)
    assert f"ai-edge-litert 2.3.0 can be put beside {device.python}" in standing.why


def test_what_the_devices_own_python_has_is_told(tmp_path: Path) -> None:
    device = LocalDevice(tmp_path, sys.executable)
    standing = litert(device)
    assert (standing.state, standing.ready) == ("own", True)
    assert standing.version.startswith("ai-edge-litert ")


def test_what_was_put_there_is_tried(little: Path, device: CutDevice) -> None:
    prepared = prepare(device, "litert")
    assert litert(device) == Standing("litert", "prepared", "ai-edge-litert 2.3.0")
    module = next(Path(prepared.folder).rglob("ai_edge_litert/interpreter.py"))
    module.write_text("raise ImportError('\\x1b[2J' + 5000 * 'x')")
    broken = litert(device)
    assert (broken.state, broken.ready, broken.command) == ("broken", False, COMMAND)
    assert broken.why.isprintable()
    assert len(broken.why) < 400


def test_a_damaged_note_is_told(little: Path, device: CutDevice) -> None:
    Path(prepare(device, "litert").note).write_text("{")
    assert litert(device).state == "broken"


def test_what_an_older_sartor_put_there_still_serves(little: Path, device: CutDevice) -> None:
    prepared = prepare(device, "litert")
    note, folder = Path(prepared.note), Path(prepared.folder / prepared.key)
    note.write_text(note.read_text().replace('"2.3.0"', '"2.2.0"'))
    about = next(folder.rglob("ai_edge_litert-*/METADATA"))
    about.write_text(about.read_text().replace("2.3.0", "2.2.0"))
    standing = litert(device)
    assert (standing.state, standing.version) == ("prepared", "ai-edge-litert 2.2.0")
    assert (standing.why, standing.command) == (
        "this Sartor would put ai-edge-litert 2.3.0 there",
        COMMAND,
    )


def test_what_cannot_be_put_there_says_why(device: CutDevice) -> None:
    (standing,) = runtime_standings(device, ["torch"])
    assert (standing.state, standing.command) == ("impossible", "")
    assert "install the build of torch" in standing.why


def test_a_python_that_says_nonsense_of_its_packages_has_none(tmp_path: Path) -> None:
    program = tmp_path / "python"
    program.write_text("#!/bin/sh\nprintf '[%.0s' $(seq 100000)\n")
    program.chmod(0o755)
    standings = runtime_standings(LocalDevice(tmp_path / "device", str(program)), ["torch"])
    assert standings[0].state == "impossible"


class FarDevice(CutDevice):
    """As if a connection lay between, for what is said of such devices."""

    remote = True


def test_an_agent_without_its_runtime_names_the_command(
    tmp_path: Path, interpreter: Interpreter
) -> None:
    device = FarDevice(tmp_path / "device", interpreter.path)
    with (
        pytest.raises(RuntimeMissingError, match=f"put it there: {COMMAND}"),
        AgentSession(device, find_runtime("litert")),
    ):
        pass
