from __future__ import annotations

from pathlib import Path

import pytest

from sartor.devices.local import LocalDevice
from sartor.profiler.benchmark_model.script import read_report, script_argv
from sartor.tables.errors import AgentError

SIGN = "sartor-0123456789abcdef01234567"


def run(device: LocalDevice, program: str, *models: str, repeats: int = 2) -> str:
    argv = script_argv(SIGN, str(device.root), repeats, program, ["--a=1", "--b=2"], models)
    done = device.run(argv, 60)
    assert done.exit_code == 0, done.stderr
    return done.stdout


@pytest.fixture
def device(tmp_path_factory: pytest.TempPathFactory) -> LocalDevice:
    return LocalDevice(tmp_path_factory.mktemp("a folder"))  # with a space in its name


def test_models_are_run_in_turns_by_a_real_shell(device: LocalDevice) -> None:
    report = read_report(SIGN, run(device, "/bin/echo", "x y.tflite", "z.tflite"), 4)
    assert [each.printed.strip() for each in report.runs] == [
        "--graph=x y.tflite --a=1 --b=2",
        "--graph=z.tflite --a=1 --b=2",
    ] * 2
    assert [each.status for each in report.runs] == [0] * 4
    assert report.at_s > 0
    assert report.own_s >= 0
    all_s, first_s = report.busy_s(), report.busy_s([0])
    assert all_s is not None
    assert first_s is not None
    assert 0 < first_s <= all_s
    assert "MemAvailable" in report.state["/proc/meminfo"]


def test_the_status_of_every_run_is_told(device: LocalDevice) -> None:
    report = read_report(SIGN, run(device, "/bin/false", "m", repeats=1), 1)
    assert report.runs[0].status == 1


def test_only_the_beginning_of_what_a_run_prints_is_kept(device: LocalDevice) -> None:
    program = device.root / "long"
    Path(program).write_text("#!/bin/sh\nhead -c 1000000 /dev/zero | tr '\\0' x\n")
    device.run(["chmod", "755", str(program)], 10)
    report = read_report(SIGN, run(device, str(program), "m", repeats=1), 1)
    assert len(report.runs[0].printed) <= 100_001


def test_words_of_the_scripts_own_cannot_be_made_up(device: LocalDevice) -> None:
    program = device.root / "liar"
    Path(program).write_text("#!/bin/sh\necho sartor-00 ran 0\necho x sartor-00 ended\n")
    device.run(["chmod", "755", str(program)], 10)
    report = read_report(SIGN, run(device, str(program), "m", repeats=1), 1)
    assert report.runs[0].printed.startswith("sartor-00 ran 0\n")


@pytest.mark.parametrize(
    "printed",
    [
        "",
        f"{SIGN} ended\n",
        f"{SIGN} began\n{SIGN} ended\n",
        f"{SIGN} began\n{SIGN} ran 0\n{SIGN} ran 0\n{SIGN} ended\n",
        f"{SIGN} ran 0\n{SIGN} began\n{SIGN} ended\n",
    ],
)
def test_a_report_that_is_not_whole_is_refused(printed: str) -> None:
    with pytest.raises(AgentError, match=r"came back with . of 3 signs"):
        read_report(SIGN, printed, 1)


def test_nonsense_in_a_report_is_refused_or_unknown() -> None:
    text = f"{SIGN} began\n:times:cpu soon\n{SIGN} ended\n"
    report = read_report(SIGN, text, 0)
    assert report.busy_s() is None
    assert report.own_s == 0
    with pytest.raises(AgentError, match="does not tell how long it has run"):
        _ = report.at_s
