"""Streams over a cable that really breaks, to programs that are really there."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sartor.devices import Device, patience
from sartor.devices import attachment as attachment_module
from sartor.devices import lasting as lasting_module
from sartor.devices.lasting import LastingStream, open_lasting_stream
from sartor.devices.patience import Patience
from sartor.devices.patient import Patient
from sartor.tables.errors import (
    ConnectionLostError,
    DeviceRestartedError,
    DeviceUnreachableError,
)

from .contract import DeviceContract
from .shaky import ShakyDevice


class TestPatientDevice(DeviceContract):
    """The whole contract, behind a cable that holds."""

    @pytest.fixture
    def device(self, tmp_path: Path) -> Device:
        return Patient(ShakyDevice(tmp_path / "device"))


@pytest.fixture(autouse=True)
def _short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patience, "_FIRST_PAUSE_S", 0.02)
    monkeypatch.setattr(patience, "_LONGEST_PAUSE_S", 0.1)


@pytest.fixture
def far(tmp_path: Path) -> ShakyDevice:
    return ShakyDevice(tmp_path / "device")


@pytest.fixture
def told() -> list[str]:
    return []


def opened(
    far: ShakyDevice, argv: list[str], told: list[str], patience_s: float = 60
) -> LastingStream:
    stream = open_lasting_stream(far, argv, {}, Patience("far", patience_s, told.append))
    assert isinstance(stream, LastingStream)
    return stream


def wait_until(condition: Callable[[], bool], timeout_s: float = 30) -> None:
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.01)


def relays(far: ShakyDevice) -> list[str]:
    """Names of the relays on a device."""
    folder = Path(far.root) / "relays"
    return sorted(path.name for path in folder.iterdir()) if folder.exists() else []


def keepers(far: ShakyDevice) -> list[int]:
    """Process ids of what runs from a device's archive."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if f"{far.root}/sartor_relay-".encode() in (folder / "cmdline").read_bytes():
                found.append(int(folder.name))
    return found


def end_relays(far: ShakyDevice) -> None:
    for keeper in keepers(far):
        with suppress(ProcessLookupError):  # what carries ends with what is carried
            os.kill(keeper, signal.SIGKILL)


@given(
    lines=st.lists(
        st.text(st.characters(blacklist_characters="\n", codec="utf-8"), max_size=300),
        min_size=1,
        max_size=30,
    ),
    cuts=st.lists(st.integers(0, 6000), max_size=6),
)
@settings(max_examples=10)
def test_cuts_at_any_byte_lose_nothing_and_double_nothing(
    lines: list[str], cuts: list[int]
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        far = ShakyDevice(Path(folder))
        stream = opened(far, ["cat"], [])
        for cut in cuts:
            far.cable.cut_after(cut)
        for line in lines:
            stream.send_line(line)
        assert [stream.read_line(60) for _ in lines] == lines
        assert stream.close() == 0
        wait_until(lambda: not keepers(far))
        assert relays(far) == []


def test_what_a_program_writes_while_nobody_listens_is_kept(
    far: ShakyDevice, told: list[str]
) -> None:
    script = "import sys\nfor i in range(200_000): print(i)\nsys.exit(7)"
    stream = opened(far, [sys.executable, "-c", script], told)
    far.cable.cut(down_s=0.5)
    assert [stream.read_line(60) for _ in range(200_000)] == [str(i) for i in range(200_000)]
    assert stream.read_line(60) is None
    assert stream.close() == 7
    assert told[0].startswith("the connection to far is lost: the cable was cut; trying again for")
    assert told[1].startswith("far is there again after ")
    assert len(told) == 2


def test_a_program_that_writes_too_much_waits(
    far: ShakyDevice, told: list[str], tmp_path: Path
) -> None:
    """A relay keeps some of it, the kernel a little, and no more is written meanwhile."""
    script = (
        "import os, sys\nline = b'x' * 99_999 + b'\\n'\nfor i in range(300):\n"
        f"    os.write(1, line); open({str(tmp_path / 'count')!r}, 'w').write(str(i))"
    )
    stream = opened(far, [sys.executable, "-c", script], told)
    far.cable.cut(down_s=1e6)
    count = tmp_path / "count"
    wait_until(lambda: count.exists() and count.read_text() not in ("", "0"))
    before = ""
    while (now := count.read_text()) != before:
        before = now
        time.sleep(0.5)
    assert 60 < int(now) < 120
    far.cable.heal()
    assert [stream.read_line(60) for _ in range(300)] == ["x" * 99_999] * 300
    assert stream.read_line(60) is None
    assert stream.close() == 0


@pytest.mark.slow
def test_a_silent_peer_is_noticed_within_ten_seconds(far: ShakyDevice, told: list[str]) -> None:
    stream = opened(far, ["cat"], told)
    far.cable.muted = True
    begun = time.monotonic()
    wait_until(lambda: bool(told))
    assert time.monotonic() - begun < 10.5
    assert "far has gone silent" in told[0]
    far.cable.muted = False
    stream.send_line("still there")
    assert stream.read_line(60) == "still there"
    assert stream.close() == 0
    assert "far is there again" in told[-1]


def test_time_without_a_connection_is_not_the_programs(far: ShakyDevice, told: list[str]) -> None:
    stream = opened(far, ["cat"], told)
    far.cable.cut(down_s=2)
    wait_until(lambda: bool(told))
    stream.send_line("late")
    assert stream.read_line(timeout_s=1) == "late"
    stream.close()


def test_patience_ends(far: ShakyDevice, told: list[str]) -> None:
    stream = opened(far, ["cat"], told, patience_s=0.5)
    far.cable.cut(down_s=1e6)
    with pytest.raises(
        ConnectionLostError, match=r"far did not come back within 0\.5 s .*far is unr"
    ):
        stream.read_line(60)
    begun = time.monotonic()
    with pytest.raises(ConnectionLostError, match="did not come back"):
        stream.close()
    assert time.monotonic() - begun < 5
    far.cable.heal()
    (left,) = keepers(far)
    os.kill(left, signal.SIGTERM)
    wait_until(lambda: not keepers(far))


def test_a_device_that_was_never_there_is_not_waited_for(far: ShakyDevice, told: list[str]) -> None:
    far.cable.cut(down_s=1e6)
    with pytest.raises(DeviceUnreachableError, match="far is unreachable"):
        opened(far, ["cat"], told)
    assert told == []


def test_a_program_ends_when_its_relay_is_left_alone(
    far: ShakyDevice, told: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lasting_module, "_LINGER_S", 0.2)
    stream = opened(far, ["sh", "-c", "sleep 1000 & echo $!; wait"], told, patience_s=0.3)
    child = int(stream.read_line(60) or 0)
    far.cable.cut(down_s=1e6)
    wait_until(lambda: not keepers(far) and not Path(f"/proc/{child}").exists())
    assert relays(far) == []


def test_a_relay_that_is_killed_ends_the_stream(far: ShakyDevice, told: list[str]) -> None:
    stream = opened(far, ["cat"], told)
    end_relays(far)
    assert stream.read_line(60) is None
    assert "its relay is gone" in stream.last_words()
    assert stream.close() == -9


def test_a_restarted_device_is_told_apart(
    far: ShakyDevice, told: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stream = opened(far, ["cat"], told)
    far.cable.cut(down_s=1e6)
    end_relays(far)
    stream._boot = "another"
    far.cable.heal()
    with pytest.raises(
        DeviceRestartedError, match="far was restarted meanwhile; what was measured"
    ):
        stream.read_line(60)
    with pytest.raises(DeviceRestartedError):
        stream.close()


CHILD = """
import sys
from pathlib import Path
from sartor.devices.lasting import open_lasting_stream
sys.path.insert(0, sys.argv[1])
from shaky import ShakyDevice
stream = open_lasting_stream(ShakyDevice(Path(sys.argv[2])), ["sleep", "1000"], {})
print("started", flush=True)
sys.stdin.read()
"""


def test_relays_of_a_dead_process_of_this_machine_are_ended(
    far: ShakyDevice, told: list[str]
) -> None:
    living = opened(far, ["cat"], told)
    argv = [sys.executable, "-c", CHILD, str(Path(__file__).parent), str(far.root)]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == b"started\n"
        assert len(relays(far)) == 2
        neighbour = opened(far, ["cat"], told)
        assert len(relays(far)) == 3
        child.kill()
    again = opened(far, ["cat"], told)
    assert len(relays(far)) == 3
    for stream in (living, neighbour, again):
        stream.send_line("here")
        assert stream.read_line(60) == "here"
        assert stream.close() == 0
    assert relays(far) == []


def test_a_damaged_relay_is_put_there_again(far: ShakyDevice, told: list[str]) -> None:
    path = Path(attachment_module.RELAY.path(far))
    path.parent.mkdir(parents=True)
    path.write_bytes(b"damaged")
    stream = opened(far, ["cat"], told)
    assert stream.close() == 0


def test_a_second_stream_pushes_nothing(far: ShakyDevice, told: list[str]) -> None:
    opened(far, ["cat"], told).close()
    calls = far.cable.calls
    opened(far, ["cat"], told).close()
    assert far.cable.calls == calls + 1
