"""What every transport has to do; a subclass for each provides the device."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from sartor.devices import Device, Stream
from sartor.tables.errors import CommandFailedError, DeviceError, DeviceTimeoutError

ODD = "a  b;$HOME'\"*\\ é`x`!~#\t-"
_PATIENCE_S = 30


def keep_talking(stream: Stream, timeout_s: float) -> None:
    """Write lines until nobody reads them: a program may close its output before its input."""
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        stream.send_line("anybody?")
        time.sleep(0.01)


def wait_for(fact: Callable[[], bool], timeout_s: float = _PATIENCE_S) -> bool:
    """Wait until a fact holds; tell whether it did in the end."""
    deadline = time.monotonic() + timeout_s
    while not (holds := fact()) and time.monotonic() < deadline:
        time.sleep(0.05)
    return holds


def is_running(device: Device, pid: str) -> bool:
    """Tell whether a process runs on a device; one that ended and nobody asked for does not."""
    look = 's=$(cat "/proc/$1/stat" 2>/dev/null) || exit 1; case $s in *") Z "*) exit 1 ;; esac'
    return device.run(["sh", "-c", look, "sh", pid], timeout_s=_PATIENCE_S).exit_code == 0


class DeviceContract:
    has_python = True  # phones have none

    @pytest.fixture
    def device(self) -> Device:
        raise NotImplementedError

    def test_run_returns_what_a_program_left(self, device: Device) -> None:
        done = device.run(["sh", "-c", "echo out; echo err >&2; exit 3"], timeout_s=10)
        assert (done.exit_code, done.stdout, done.stderr) == (3, "out\n", "err\n")

    def test_a_signal_is_told_as_minus_its_number(self, device: Device) -> None:
        assert device.run(["sh", "-c", "kill -9 $$"], timeout_s=10).exit_code == -9
        stream = device.open_stream(["sh", "-c", "kill -15 $$"], {})
        assert stream.read_line(timeout_s=10) is None
        assert stream.close() == -15

    @pytest.mark.parametrize("odd", [ODD, "", "-n", "two\nlines\n", "x" * 50_000])
    def test_arguments_pass_no_shell(self, device: Device, odd: str) -> None:
        done = device.run(["sh", "-c", 'printf "<%s>" "$@"', "sh", odd, "end"], timeout_s=10)
        assert done.stdout == f"<{odd}><end>"

    def test_what_no_program_can_be_told_is_refused(self, device: Device) -> None:
        with pytest.raises(ValueError, match=r"NUL|null"):
            device.run(["echo", "a\0b"], timeout_s=10)
        with pytest.raises(ValueError, match="environment variable"):
            device.open_stream(["cat"], {"A=B": "c"})

    def test_a_missing_program_is_an_error(self, device: Device) -> None:
        for program in ("no-such-program", "/no/such-program"):
            with pytest.raises(CommandFailedError, match=r"cannot start .*such-program"):
                device.run([program], timeout_s=10)
            with pytest.raises(CommandFailedError, match=r"cannot start .*such-program"):
                device.open_stream([program], {})

    def test_a_program_is_given_no_input(self, device: Device) -> None:
        done = device.run(["cat"], timeout_s=10)
        assert (done.exit_code, done.stdout) == (0, "")

    def test_what_is_no_text_is_marked(self, device: Device) -> None:
        assert device.run(["printf", r"a\377b"], timeout_s=10).stdout == "a\ufffdb"

    def test_much_on_both_outputs_blocks_nothing(self, device: Device) -> None:
        write = "head -c 3000000 /dev/zero | tr '\\0'"
        script = f"{write} e >&2; {write} o; {write} e >&2"
        done = device.run(["sh", "-c", script], timeout_s=60)
        assert (len(done.stdout), len(done.stderr)) == (3_000_000, 6_000_000)
        assert set(done.stdout) | set(done.stderr) == {"o", "e"}

    def test_a_program_that_writes_without_end_is_killed(self, device: Device) -> None:
        with pytest.raises(DeviceError, match=r"more than .* MiB"):
            device.run(["cat", "/dev/zero"], timeout_s=60)

    def test_a_program_that_does_not_end_is_killed(self, device: Device) -> None:
        with pytest.raises(DeviceTimeoutError, match=r"sleep .* 0\.2 s"):
            device.run(["sleep", "60"], timeout_s=0.2)
        assert device.run(["echo", "next"], timeout_s=10).stdout == "next\n"

    def test_what_a_killed_program_has_started_is_killed_too(
        self, device: Device, tmp_path: Path
    ) -> None:
        (tmp_path / "empty").touch()
        noted = device.root / "pid"
        device.push(tmp_path / "empty", noted)
        script = 'sleep 600 & echo $! > "$1"; wait'
        pid = ""
        for timeout_s in (0.5, 3, 15):  # a busy machine may take a while to begin
            with pytest.raises(DeviceTimeoutError):
                device.run(["sh", "-c", script, "sh", str(noted)], timeout_s)
            if pid := device.run(["cat", str(noted)], timeout_s=10).stdout.strip():
                break
        assert pid.isdigit()
        assert wait_for(lambda: not is_running(device, pid))

    def test_files_come_back_as_they_went(self, device: Device, tmp_path: Path) -> None:
        sent, got = tmp_path / "sent", tmp_path / "got"
        remote = device.root / "new" / "folder" / "file"
        for content in (bytes(range(256)) * 5000, b""):
            sent.write_bytes(content)
            device.push(sent, remote)
            device.pull(remote, got)
            assert got.read_bytes() == content

    def test_names_of_files_pass_no_shell(self, device: Device, tmp_path: Path) -> None:
        sent, got = tmp_path / "sent ' file", tmp_path / "got $HOME"
        sent.write_text("content")
        remote = device.root / "a 'folder' with $HOME" / '-f;*"é'
        device.push(sent, remote)
        device.pull(remote, got)
        assert got.read_text() == "content"

    def test_folders_that_are_made_are_private(self, device: Device, tmp_path: Path) -> None:
        sent = tmp_path / "sent"
        sent.write_text("x")
        device.push(sent, device.root / "made" / "below" / "file")
        for folder in (device.root / "made", device.root / "made" / "below"):
            assert device.run(["ls", "-ld", str(folder)], 10).stdout.startswith("drwx------")

    def test_a_failed_push_leaves_the_old_file_and_no_part(
        self, device: Device, tmp_path: Path
    ) -> None:
        sent, got = tmp_path / "sent", tmp_path / "got"
        sent.write_text("old")
        device.push(sent, device.root / "folder" / "file")
        with pytest.raises(DeviceError, match="cannot copy"):
            device.push(tmp_path / "missing", device.root / "folder" / "file")
        with pytest.raises(DeviceError, match="cannot copy"):
            device.push(sent, device.root / "folder" / "file" / "below")
        with pytest.raises(DeviceError, match="cannot copy"):
            device.push(sent, device.root / "folder")
        device.pull(device.root / "folder" / "file", got)
        assert got.read_text() == "old"
        assert device.run(["ls", "-A", str(device.root / "folder")], 10).stdout == "file\n"
        assert device.run(["ls", "-A", str(device.root)], 10).stdout == "folder\n"

    def test_a_failed_pull_makes_no_file(self, device: Device, tmp_path: Path) -> None:
        for missing in (device.root / "missing", device.root.parent):
            with pytest.raises(DeviceError, match="cannot copy"):
                device.pull(missing, tmp_path / "got")
            assert list(tmp_path.iterdir()) == []
        (tmp_path / "got").write_text("old")
        with pytest.raises(DeviceError, match="cannot copy"):
            device.pull(device.root / "missing", tmp_path / "got")
        assert (tmp_path / "got").read_text() == "old"
        assert len(list(tmp_path.iterdir())) == 1

    def test_a_file_may_be_pushed_by_two_at_once(self, device: Device, tmp_path: Path) -> None:
        contents = [bytes([number]) * 300_000 for number in range(2)]
        remote = device.root / "shared" / "file"

        def push(number: int) -> None:
            (tmp_path / str(number)).write_bytes(contents[number])
            for _ in range(5):
                device.push(tmp_path / str(number), remote)

        with ThreadPoolExecutor(2) as threads:
            list(threads.map(push, range(2)))
        device.pull(remote, tmp_path / "got")
        assert (tmp_path / "got").read_bytes() in contents
        assert device.run(["ls", "-A", str(remote.parent)], 10).stdout == "file\n"

    def test_a_stream_goes_on_while_others_work(self, device: Device, tmp_path: Path) -> None:
        (tmp_path / "sent").write_bytes(bytes(1_000_000))
        stream = device.open_stream(["cat"], {})

        def push(number: int) -> None:
            device.push(tmp_path / "sent", device.root / str(number))

        with ThreadPoolExecutor(2) as threads:
            pushes = [threads.submit(push, number) for number in range(4)]
            for number in range(100):
                stream.send_line(f"line {number}")
                assert stream.read_line(timeout_s=_PATIENCE_S) == f"line {number}"
            for done in pushes:
                done.result()
        assert stream.close() == 0

    def test_a_stream_carries_lines_both_ways(self, device: Device) -> None:
        stream = device.open_stream(["cat"], {})
        for line in ("first", "", "é" * 20_000, ODD):
            stream.send_line(line)
            assert stream.read_line(timeout_s=10) == line
        assert stream.close() == 0

    def test_a_line_that_was_not_finished_is_none(self, device: Device) -> None:
        stream = device.open_stream(["printf", r"whole\nhal"], {})
        assert stream.read_line(timeout_s=10) == "whole"
        assert stream.read_line(timeout_s=10) is None
        assert stream.read_line(timeout_s=10) is None
        assert stream.close() == 0

    def test_a_stream_sets_the_environment(self, device: Device) -> None:
        script = 'printf "%s" "$SARTOR_TEST" | tr "\\n" "|"; echo; echo "$HOME"'
        environment = {"SARTOR_TEST": f"{ODD}\nsecond line", "HOME": "/nowhere"}
        stream = device.open_stream(["sh", "-c", script], environment)
        assert stream.read_line(timeout_s=10) == f"{ODD}|second line"
        assert stream.read_line(timeout_s=10) == "/nowhere"
        assert stream.read_line(timeout_s=10) is None
        assert stream.close() == 0

    def test_silence_times_out(self, device: Device) -> None:
        stream = device.open_stream(["cat"], {})
        with pytest.raises(DeviceTimeoutError, match=r"0\.1 s"):
            stream.read_line(timeout_s=0.1)
        stream.send_line("still there")
        assert stream.read_line(timeout_s=10) == "still there"
        stream.close()

    def test_a_dead_program_is_noticed(self, device: Device) -> None:
        stream = device.open_stream(["sh", "-c", "echo 'last words' >&2; exit 5"], {})
        assert stream.read_line(timeout_s=10) is None
        assert stream.last_words() == "last words"
        with pytest.raises(DeviceError, match="no longer reads"):
            keep_talking(stream, timeout_s=10)
        assert stream.close() == 5
        assert stream.close() == 5

    def test_complaints_without_end_block_nothing(self, device: Device) -> None:
        script = "head -c 3000000 /dev/zero | tr '\\0' e >&2; echo the end >&2; echo done; cat"
        stream = device.open_stream(["sh", "-c", script], {})
        assert stream.read_line(timeout_s=_PATIENCE_S) == "done"
        assert wait_for(lambda: stream.last_words().endswith("ethe end"))
        assert len(stream.last_words()) <= 2000
        assert stream.close() == 0

    def test_a_killed_program_is_gone(self, device: Device) -> None:
        script = "sleep 600 & echo $!; wait"
        stream = device.open_stream(["sh", "-c", script], {})
        pid = stream.read_line(timeout_s=10)
        assert pid is not None
        assert is_running(device, pid)
        stream.kill()
        stream.kill()
        assert stream.read_line(timeout_s=10) is None
        assert stream.close() == -9
        assert wait_for(lambda: not is_running(device, pid))

    def test_close_kills_what_does_not_listen(self, device: Device) -> None:
        stream = device.open_stream(["sleep", "60"], {})
        assert stream.close(timeout_s=0.1) == -9

    def test_facts_and_health_are_there(self, device: Device) -> None:
        facts, health = device.facts(), device.health()
        assert facts.cores == health.cores >= 1
        assert facts.cpu_model
        assert facts.memory_mb > 100
        assert dict(facts.pairs)["kernel"].startswith("Linux ")
        if self.has_python:
            assert dict(facts.distributions)["python"].startswith("3.")
        assert facts.pairs == tuple(sorted(facts.pairs))
        assert health.load is not None
        assert health.verdict in {"quiet", "disturbed"}
