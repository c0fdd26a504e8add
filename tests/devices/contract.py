"""What every transport has to do; a subclass for each provides the device."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from sartor.devices import Device, Stream
from sartor.tables.errors import CommandFailedError, DeviceError, DeviceTimeoutError


def keep_talking(stream: Stream, timeout_s: float) -> None:
    """Write lines until nobody reads them: a program may close its output before its input."""
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        stream.send_line("anybody?")
        time.sleep(0.01)


class DeviceContract:
    has_python = True  # phones have none

    @pytest.fixture
    def device(self) -> Device:
        raise NotImplementedError

    def test_run_returns_what_a_program_left(self, device: Device) -> None:
        done = device.run(["sh", "-c", "echo out; echo err >&2; exit 3"], timeout_s=10)
        assert (done.exit_code, done.stdout, done.stderr) == (3, "out\n", "err\n")

    def test_arguments_pass_no_shell(self, device: Device) -> None:
        odd = "a  b;$HOME'\"*\\ é"
        assert device.run(["printf", "%s", odd], timeout_s=10).stdout == odd

    def test_a_missing_program_is_an_error(self, device: Device) -> None:
        with pytest.raises(CommandFailedError, match="no-such-program"):
            device.run(["no-such-program"], timeout_s=10)
        with pytest.raises(CommandFailedError, match="no-such-program"):
            device.open_stream(["no-such-program"], {})

    def test_a_program_that_does_not_end_is_killed(self, device: Device) -> None:
        with pytest.raises(DeviceTimeoutError, match=r"sleep .* 0\.2 s"):
            device.run(["sleep", "60"], timeout_s=0.2)

    def test_files_come_back_as_they_went(self, device: Device, tmp_path: Path) -> None:
        sent, got = tmp_path / "sent", tmp_path / "got"
        remote = device.root / "new" / "folder" / "file"
        for content in (bytes(range(256)) * 5000, b""):
            sent.write_bytes(content)
            device.push(sent, remote)
            device.pull(remote, got)
            assert got.read_bytes() == content

    def test_a_failed_push_leaves_the_old_file_and_no_part(
        self, device: Device, tmp_path: Path
    ) -> None:
        sent, got = tmp_path / "sent", tmp_path / "got"
        sent.write_text("old")
        device.push(sent, device.root / "folder" / "file")
        with pytest.raises(DeviceError, match="cannot copy"):
            device.push(tmp_path / "missing", device.root / "folder" / "file")
        device.pull(device.root / "folder" / "file", got)
        assert got.read_text() == "old"
        assert device.run(["ls", str(device.root / "folder")], timeout_s=10).stdout == "file\n"

    def test_a_failed_pull_makes_no_file(self, device: Device, tmp_path: Path) -> None:
        with pytest.raises(DeviceError, match="cannot copy"):
            device.pull(device.root / "missing", tmp_path / "got")
        assert list(tmp_path.iterdir()) == []

    def test_a_stream_carries_lines_both_ways(self, device: Device) -> None:
        stream = device.open_stream(["cat"], {})
        for line in ("first", "", "é" * 20_000):
            stream.send_line(line)
            assert stream.read_line(timeout_s=10) == line
        assert stream.close() == 0

    def test_a_stream_sets_the_environment(self, device: Device) -> None:
        stream = device.open_stream(["sh", "-c", 'echo "$SARTOR_TEST"'], {"SARTOR_TEST": "a b"})
        assert stream.read_line(timeout_s=10) == "a b"
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

    def test_a_killed_program_is_gone(self, device: Device) -> None:
        stream = device.open_stream(["sleep", "60"], {})
        stream.kill()
        assert stream.read_line(timeout_s=10) is None
        assert stream.close() == -9

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
