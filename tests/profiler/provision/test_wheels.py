"""Wheels on the host: fetched by its pip, by its settings, whole or not at all."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from sartor.profiler.provision.interpreters import Interpreter
from sartor.profiler.provision.recipes import Recipe
from sartor.profiler.provision.wheels import Wheel, cache_folder, fetch_wheels
from sartor.tables.errors import OutputError, RuntimeMissingError

from .little_wheels import make_wheel

NOWHERE = "http://127.0.0.1:9/simple"


Wanted = tuple[Recipe, Interpreter]


@pytest.fixture
def wanted(interpreter: Interpreter) -> Wanted:
    recipe = interpreter.recipe("litert")
    assert recipe is not None
    return recipe, interpreter


def check(wheels: tuple[Wheel, ...]) -> None:
    assert [(wheel.part.name, wheel.part.version) for wheel in wheels] == [
        ("ai-edge-litert", "2.3.0"),
        ("numpy", "2.2.6"),
    ]
    for wheel in wheels:
        told = subprocess.run(["sha256sum", wheel.path], capture_output=True, text=True, check=True)
        assert told.stdout.split()[0] == wheel.part.sha256


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if path.suffix != ".lock")


def test_the_settings_of_this_hosts_pip_count(
    little: Path,
    tmp_path: Path,
    wanted: Wanted,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # An administrator's rule for installations, which this is none of.
    monkeypatch.setenv("PIP_REQUIRE_VIRTUALENV", "1")
    told: list[str] = []
    wheels = fetch_wheels(*wanted, told.append, tmp_path / "cache")
    check(wheels)
    assert wheels[0].path.read_bytes() == (little / wheels[0].path.name).read_bytes()
    assert told == ["fetching ai-edge-litert 2.3.0 and numpy 2.2.6 for Python 3.11 on x86_64"]


def test_what_was_fetched_is_there_without_a_network(
    little: Path,
    tmp_path: Path,
    wanted: Wanted,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    first = fetch_wheels(*wanted, cache=tmp_path / "cache")
    monkeypatch.setenv("PIP_FIND_LINKS", "/nowhere")
    told: list[str] = []
    assert fetch_wheels(*wanted, told.append, tmp_path / "cache") == first
    assert told == []


@pytest.mark.parametrize("harm", ["cut short", "removed", "listed wrongly", "list gone"])
def test_what_is_damaged_is_fetched_again(
    little: Path, tmp_path: Path, wanted: Wanted, harm: str
) -> None:
    wheels = fetch_wheels(*wanted, cache=tmp_path / "cache")
    path = wheels[1].path
    listed = path.with_name("wheels.json")
    if harm == "cut short":
        path.write_bytes(path.read_bytes()[:-1])
    elif harm == "removed":
        path.unlink()
    elif harm == "list gone":
        listed.unlink()
    else:
        listed.write_text('[["../../../etc/passwd", "0"], 1]')
    told: list[str] = []
    assert fetch_wheels(*wanted, told.append, tmp_path / "cache") == wheels
    assert len(told) == 1
    check(wheels)


def test_a_host_without_a_network_is_told_so(
    tmp_path: Path, wanted: Wanted, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("PIP_NO_INDEX", "PIP_FIND_LINKS", "PIP_EXTRA_INDEX_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    monkeypatch.setenv("PIP_INDEX_URL", NOWHERE)
    monkeypatch.setenv("PIP_RETRIES", "1")
    with pytest.raises(RuntimeMissingError, match=r"does not reach its package index.*FIND_LINKS"):
        fetch_wheels(*wanted, cache=tmp_path / "cache")
    assert names(tmp_path / "cache") == []


def test_an_index_without_them_is_told_so(little: Path, tmp_path: Path, wanted: Wanted) -> None:
    for path in little.glob("numpy*"):
        path.unlink()
    make_wheel(little, "numpy", "2.2.6", {}, tag="cp311-cp311-manylinux_2_99_x86_64")
    with pytest.raises(RuntimeMissingError, match=r"No matching distribution .*check that this"):
        fetch_wheels(*wanted, cache=tmp_path / "cache")
    assert names(tmp_path / "cache") == []


def test_a_host_without_pip_is_told_how_to_get_it(
    tmp_path: Path, wanted: Wanted, monkeypatch: pytest.MonkeyPatch
) -> None:
    bare = tmp_path / "bare"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", bare], check=True)
    monkeypatch.setattr(sys, "executable", str(bare / "bin" / "python"))
    with pytest.raises(RuntimeMissingError, match=r"has no pip; run: .*/bare/bin/python -m ens"):
        fetch_wheels(*wanted, cache=tmp_path / "cache")


def test_two_at_once_fetch_once(little: Path, tmp_path: Path, wanted: Wanted) -> None:
    told: list[str] = []
    with ThreadPoolExecutor(2) as threads:
        both = [
            threads.submit(fetch_wheels, *wanted, told.append, tmp_path / "cache") for _ in range(2)
        ]
    assert both[0].result() == both[1].result()
    assert len(told) == 1


FETCH = """
import sys
from pathlib import Path
from sartor.devices import LocalDevice
from sartor.profiler.provision.interpreters import choose_interpreter
from sartor.profiler.provision.wheels import fetch_wheels
interpreter = choose_interpreter(LocalDevice(Path(sys.argv[1])), "litert")
fetch_wheels(interpreter.recipe("litert"), interpreter, print, Path(sys.argv[1]))
"""


def test_what_was_cut_off_leaves_no_half(little: Path, tmp_path: Path, wanted: Wanted) -> None:
    cache = tmp_path / "cache"
    cache.mkdir()
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    with subprocess.Popen(
        [sys.executable, "-c", FETCH, str(cache)], env=environment, start_new_session=True
    ) as fetching:
        deadline = time.monotonic() + 60
        while not any(cache.glob("*.part-*")):
            assert time.monotonic() < deadline
            time.sleep(0.001)
        os.killpg(fetching.pid, signal.SIGKILL)
    assert any(cache.glob("*.part-*"))
    check(fetch_wheels(*wanted, cache=cache))
    assert len(names(cache)) == 1


def test_a_cache_that_cannot_be_written_is_told_so(
    little: Path, tmp_path: Path, wanted: Wanted
) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match=r"cannot keep wheels .* set XDG_CACHE_HOME"):
        fetch_wheels(*wanted, cache=tmp_path / "file" / "cache")


def test_they_are_kept_in_the_users_cache_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", "/somewhere")
    assert cache_folder() == Path("/somewhere/sartor/wheels")
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", "/home/me")
    assert cache_folder() == Path("/home/me/.cache/sartor/wheels")
