from __future__ import annotations

import subprocess
from pathlib import Path, PurePosixPath

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sartor.devices.adb.job import Ended, Job
from sartor.tables.errors import FormatError

_JOB = Job(["program"], sign="sartor-1")
_OUT = b"sartor-1 group 41\nout\nsartor-1 status 3\n"
_ERR = b"sartor-1 begin\nerr\nsartor-1 status 3\n"


def test_a_whole_run_is_read() -> None:
    assert _JOB.read(_OUT, _ERR) == Ended(41, False, 3, b"out\n", b"err\n")


def test_what_came_apart_or_together_is_the_same() -> None:
    together = _OUT + _ERR
    assert _JOB.read(together, b"", apart=False) == _JOB.read(_OUT, _ERR)


@given(st.integers(0, len(_OUT) - 1), st.integers(0, len(_ERR)))
def test_whatever_is_cut_off_is_noticed(out: int, err: int) -> None:
    assert _JOB.read(_OUT[:out], _ERR[:err]).exit_code is None
    assert _JOB.read(_OUT, _ERR[: min(err, len(_ERR) - 1)]).exit_code is None


@given(st.integers(0, len(_OUT + _ERR) - 1))
def test_whatever_is_cut_off_is_noticed_where_both_come_together(length: int) -> None:
    assert _JOB.read((_OUT + _ERR)[:length], b"", apart=False).exit_code is None


@given(st.binary(), st.binary(), st.integers(0, 128))
def test_a_program_may_print_anything(out: bytes, err: bytes, code: int) -> None:
    end = b"sartor-1 status %d\n" % code
    ended = _JOB.read(b"sartor-1 group 7\n" + out + end, b"sartor-1 begin\n" + err + end)
    assert ended == Ended(7, False, code, out, err)


def test_news_of_adbs_server_are_no_output() -> None:
    news = b"* daemon not running; starting now at tcp:5037\n* daemon started successfully\n"
    assert _JOB.read(_OUT, news + _ERR).stderr == b"err\n"


@pytest.mark.parametrize(
    ("status", "code"), [(0, 0), (128, 128), (137, -9), (139, -11), (255, 255)]
)
def test_signals_are_told_by_minus_their_number(status: int, code: int) -> None:
    assert _JOB.status(b"%d" % status) == code


def test_no_two_jobs_have_one_sign() -> None:
    assert len({Job(["x"]).sign for _ in range(100)}) == 100


@pytest.mark.parametrize(
    ("argv", "environment", "says"),
    [
        (["x"], {"A B": "1"}, "'A B' cannot be the name"),
        (["x"], {"": "1"}, "'' cannot be the name"),
        (["x"], {"A;reboot": "1"}, "cannot be the name"),
        (["x", "a\0b"], {}, "'x' has a NUL"),
        (["x"], {"A": "\0"}, "'x' has a NUL"),
        (["x", "a" * 61_000], {}, "push them as a file"),
    ],
)
def test_what_no_shell_can_be_told_is_refused(
    argv: list[str], environment: dict[str, str], says: str
) -> None:
    with pytest.raises(FormatError, match=says):
        Job(argv, environment).shell_text()


arguments = st.text(st.characters(blacklist_characters="\0", blacklist_categories=["Cs"]))


def _run_here(job: Job, keep: Path | None = None) -> Ended:
    text = job.shell_text(PurePosixPath(keep) if keep else None)
    done = subprocess.run(["sh", "-c", text], capture_output=True, check=False)
    return job.read(done.stdout, done.stderr, apart=keep is None)


@settings(max_examples=30)
@given(st.lists(arguments, min_size=1, max_size=4), arguments)
def test_every_argument_and_variable_is_quoted_once(words: list[str], value: str) -> None:
    ended = _run_here(Job(["printf", "%s\\0", *words]))
    assert ended.stdout.decode() == "".join(f"{word}\0" for word in words)
    ended = _run_here(Job(["printenv", "A"], {"A": value}))
    assert (ended.exit_code, ended.stdout.decode()) == (0, f"{value}\n")


def test_what_was_kept_is_not_left(tmp_path: Path) -> None:
    ended = _run_here(Job(["sh", "-c", "echo out; echo err >&2; exit 4"]), tmp_path / "new")
    assert (ended.exit_code, ended.stdout, ended.stderr) == (4, b"out\n", b"err\n")
    assert list((tmp_path / "new").iterdir()) == []
