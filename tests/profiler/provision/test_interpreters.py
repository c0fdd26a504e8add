"""What is found out about the Pythons of a device."""

from __future__ import annotations

import os
import sys
import venv
from pathlib import Path

import pytest

from sartor.devices import LocalDevice
from sartor.profiler.provision.interpreters import choose_interpreter, find_interpreters
from sartor.tables.errors import RuntimeMissingError

from . import pythons
from .pythons import each_python, find_python

ELSEWHERE = (
    '{"python": "../../python3", "version": [3, 11, 2], "implementation": "CPython", '
    '"bits": 64, "machine": "x86_64", "libc": "glibc 2.36", "missing": []}'
)


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The only folder where a device's programs are; it has a shell and no Python."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for name in ("sh", "head"):
        (folder / name).symlink_to(Path("/usr/bin") / name)
    monkeypatch.setenv("PATH", str(folder))
    return folder


def answering(programs: Path, name: str, script: str) -> LocalDevice:
    """A device whose only Python is a shell script."""
    (programs / name).write_text(f"#!/bin/sh\n{script}\n")
    (programs / name).chmod(0o755)
    return LocalDevice(programs.parent / "device", name)


@each_python
def test_any_python_says_what_it_is(
    programs: Path, python: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = find_python(python)
    (found,) = find_interpreters(LocalDevice(programs.parent / "device", path))
    assert found.python == python
    assert Path(found.path).samefile(path)
    assert found.implementation == "CPython"
    assert found.machine == os.uname().machine
    assert found.glibc is not None
    assert found.missing == ()
    assert found.bits == 64


def test_a_virtual_environment_leads_to_what_it_was_made_from(
    programs: Path, tmp_path: Path
) -> None:
    venv.create(tmp_path / "inner", with_pip=False)
    (found,) = find_interpreters(LocalDevice(tmp_path, str(tmp_path / "inner" / "bin" / "python")))
    assert Path(found.path).parent == Path(os.path.realpath(sys.executable)).parent


def test_each_is_found_once_and_the_devices_own_first(programs: Path, tmp_path: Path) -> None:
    own = os.path.realpath(sys.executable)
    for name in ("python3", "python3.11", "python3.9"):
        (programs / name).symlink_to(own)
    assert len(find_interpreters(LocalDevice(tmp_path))) == 1


def test_a_device_without_python_is_told_what_to_install(programs: Path, tmp_path: Path) -> None:
    with pytest.raises(RuntimeMissingError, match=r"no Python 3 on local.*apt-get install python3"):
        choose_interpreter(LocalDevice(tmp_path, "python3"), "litert")


@pytest.mark.parametrize(
    "script",
    [
        "exit 1",
        "echo '{}'",
        'echo \'{"python": "/usr/bin/python3"}\'',
        "echo 'Welcome to this board!'",
        "while :; do echo '{'; done",
        "printf '{%070000d}\\n' 0",
        "printf '[%.0s' 1 2 3; printf '\\377\\n'",
        f"echo '{ELSEWHERE}'",
    ],
)
def test_an_answer_that_makes_no_sense_is_no_python(programs: Path, script: str) -> None:
    device = answering(programs, "python3", script)
    assert find_interpreters(device) == ()


def test_what_else_is_printed_is_passed_over(programs: Path) -> None:
    device = answering(programs, "odd", f'echo "{{ hello"; exec {sys.executable} "$@"')
    assert len(find_interpreters(device)) == 1


def test_an_old_python_is_told_by_its_version(
    programs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = sorted(pythons.PYENV.glob("3.[678].*/bin/python3"))
    if not old:
        pytest.skip("there is no Python before 3.9 here")
    (found,) = find_interpreters(LocalDevice(tmp_path, str(old[0])))
    assert found.python < (3, 9)
    assert "is Python 3." in found.objection("local", "litert")
