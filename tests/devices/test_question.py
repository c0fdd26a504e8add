from __future__ import annotations

import shlex
import shutil
import subprocess
from pathlib import Path

import pytest

from sartor.devices import Completed, LocalDevice
from sartor.devices.facts import parse_facts
from sartor.devices.health import parse_health
from sartor.devices.kinds import KINDS
from sartor.devices.kinds.linux import ABOUT, STATE
from sartor.devices.question import Question, ask, read_answer, script_of
from sartor.tables.errors import DeviceError

SCRIPTS = {
    "facts": script_of(ABOUT, *(kind.about for kind in KINDS)),
    "health": script_of(STATE, *(kind.state for kind in KINDS)),
}


@pytest.fixture
def local(tmp_path: Path) -> LocalDevice:
    return LocalDevice(tmp_path / "device")


def test_files_and_programs_are_read_in_one_go(local: LocalDevice, tmp_path: Path) -> None:
    for name, text in (("a1", "one: two\n:three:\n"), ("a2", "x"), ("b", "")):
        (tmp_path / name).write_text(text)
    question = Question(
        files=(f"{tmp_path}/a*", f"{tmp_path}/b", f"{tmp_path}/missing"),
        programs=(
            ("said", "echo /not:a:file; echo complaint >&2; printf 'no end'"),
            ("both", "{ echo heard; echo complaint >&2; } 2>&1"),
            ("missing", "no-such-program"),
        ),
    )
    never = Question(programs=(("never", "echo never"),), when="false")
    assert ask(local, question, never) == {
        f"{tmp_path}/a1": "one: two\n:three:\n",
        f"{tmp_path}/a2": "x\n",
        "said": "/not:a:file\nno end\n",
        "both": "heard\ncomplaint\n",
        "end": "\n",
    }


def test_a_carriage_return_of_an_old_adb_is_no_part_of_a_line() -> None:
    assert read_answer("/a:1\r\n:b:2\r\nnoise\r\n::\r\n/:\r\n") == {
        "/a": "1\n",
        "b": "2\n",
        "/": "\n",
    }


@pytest.mark.parametrize("stdout", ["", "/proc/meminfo:MemTotal: 1 kB\n", ":end", "\n" * 9])
def test_an_answer_that_broke_off_is_none(
    local: LocalDevice, monkeypatch: pytest.MonkeyPatch, stdout: str
) -> None:
    monkeypatch.setattr(LocalDevice, "run", lambda *_, **__: Completed(127, stdout, "sh: \x1b[2J"))
    with pytest.raises(DeviceError, match="local does not say what it is: sh: ") as complaint:
        local.facts()
    assert "\x1b" not in str(complaint.value)


def test_an_endless_answer_is_cut_off(local: LocalDevice) -> None:
    endless = Question(programs=(("yes", "yes"),))
    with pytest.raises(DeviceError, match="its answer broke off, or has over 2000000 bytes"):
        ask(local, endless)


def test_facts_and_health_take_one_round_trip_each(
    local: LocalDevice, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, trips = LocalDevice.run, list[str]()

    def count(device: LocalDevice, argv: list[str], timeout_s: float) -> Completed:
        trips.append(argv[0])
        return run(device, argv, timeout_s)

    monkeypatch.setattr(LocalDevice, "run", count)
    assert local.facts().cores == local.health().cores
    assert trips == ["sh", "sh"]


# The oldest adb daemons take 4096 bytes, quoted (AOSP, packages/modules/adb, MAX_PAYLOAD_V1).
@pytest.mark.parametrize("name", SCRIPTS)
def test_scripts_fit_into_a_command_of_an_old_phone(name: str) -> None:
    assert len(shlex.join(["sh", "-c", SCRIPTS[name]])) < 4000


@pytest.mark.parametrize("shell", ["dash", "bash --posix", "busybox sh", "mksh"])
@pytest.mark.parametrize("name", SCRIPTS)
def test_any_shell_will_do(name: str, shell: str) -> None:
    program, *options = shell.split()
    if shutil.which(program) is None:
        pytest.skip(f"there is no {program} here")
    done = subprocess.run(
        [program, *options, "-c", SCRIPTS[name]], capture_output=True, text=True, check=True
    )
    assert done.stderr == ""
    answer = read_answer(done.stdout)
    assert "end" in answer
    cores = len([line for line in Path("/proc/cpuinfo").read_text().splitlines() if ":" in line])
    assert cores > 0
    if name == "facts":
        facts = parse_facts(answer)
        assert facts.kernel.startswith("Linux ")
        assert facts.memory_mb > 100
    else:
        health = parse_health(answer)
        assert health.load is not None
        assert health.busy_cores is not None
        assert 0 <= health.busy_cores <= health.cores
        assert len(health.states) == health.cores
