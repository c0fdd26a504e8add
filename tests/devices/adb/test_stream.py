from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from sartor.devices.adb import AdbDevice
from sartor.tables.errors import CommandFailedError, ConnectionLostError, DeviceError

from ...real.adbd import Phone
from ...real.fault_adbd import FaultPhone, Faults
from ..contract import keep_talking
from .test_run import await_idle

Maker = Callable[[Faults], tuple[FaultPhone, AdbDevice]]


def test_lines_pass_as_they_are_in_both_directions(device: AdbDevice) -> None:
    stream = device.open_stream(["cat"], {})
    for line in ("a\r", "\t\x03\x04\x1a\x1b[0m", "~.", "", "ä€😀", "x" * 300_000):
        stream.send_line(line)
        assert stream.read_line(timeout_s=30) == line
    assert stream.close() == 0


def test_no_terminal_stands_between(device: AdbDevice) -> None:
    script = 'test -t 0 || test -t 1 || test -t 2 || echo none; read line; echo "$line"'
    stream = device.open_stream(["sh", "-c", script], {})
    assert stream.read_line(timeout_s=10) == "none"
    stream.send_line("not echoed")
    assert stream.read_line(timeout_s=10) == "not echoed"
    assert stream.close() == 0


def test_the_end_of_its_input_is_noticed_by_the_program(device: AdbDevice) -> None:
    stream = device.open_stream(["sh", "-c", "cat >/dev/null; exit 7"], {})
    stream.send_line("something")
    assert stream.close(timeout_s=30) == 7


def test_what_is_printed_last_needs_no_line_end(device: AdbDevice) -> None:
    stream = device.open_stream(["printf", "first\nsecond"], {})
    assert stream.read_line(timeout_s=10) == "first"
    assert stream.read_line(timeout_s=10) is None  # as of a local program
    assert stream.close() == 0


def test_variables_are_added_to_the_phones_own(device: AdbDevice) -> None:
    variables = {"A": "it's $HOME", "B_2": "", "PATH": "/system/bin"}
    stream = device.open_stream(["sh", "-c", 'echo "$A|$B_2|$PATH|$ANDROID_ROOT"'], variables)
    assert stream.read_line(timeout_s=10) == "it's $HOME||/system/bin|/system"
    stream.close()


def test_killing_ends_all_that_the_program_started(phone: Phone, device: AdbDevice) -> None:
    script = "trap '' HUP TERM; sleep 61 & sleep 62; echo never"
    stream = device.open_stream(["sh", "-c", script], {})
    stream.kill()
    assert stream.read_line(timeout_s=10) is None
    assert stream.close() == -9
    stream.kill()
    await_idle(phone)


def test_much_on_standard_error_holds_nothing_up(device: AdbDevice) -> None:
    script = (
        "head -c 3000000 /dev/zero | tr '\\0' x >&2; echo last >&2; echo done; read end; exit 3"
    )
    stream = device.open_stream(["sh", "-c", script], {})
    assert stream.read_line(timeout_s=60) == "done"
    assert stream.close() == 3
    words = stream.last_words()
    assert words.endswith("xxxlast")
    assert len(words) <= 2000


def test_what_is_unread_does_not_keep_it_from_closing(device: AdbDevice) -> None:
    stream = device.open_stream(["sh", "-c", "head -c 3000000 /dev/zero; exit 4"], {})
    assert stream.close(timeout_s=30) == 4


@pytest.mark.parametrize("count", [0, 500, 20_000])
def test_a_connection_that_breaks_is_no_end_of_the_program(
    phone: Phone, device: AdbDevice, count: int
) -> None:
    stream = device.open_stream(["sh", "-c", "while :; do echo abcdefghi; done"], {})
    phone.cable.cut_after(count, "from device")
    lines: list[str | None] = []
    with pytest.raises(ConnectionLostError, match="broke while sh was running"):
        lines.extend(iter(lambda: stream.read_line(timeout_s=30), None))
    assert set(lines) <= {"abcdefghi"}
    for call in (lambda: stream.read_line(1), lambda: stream.send_line("x"), stream.close):
        with pytest.raises(ConnectionLostError, match="broke while sh was running"):
            call()
    stream.kill()
    await_idle(phone)
    again = device.open_stream(["cat"], {})
    again.send_line("back")
    assert again.read_line(timeout_s=10) == "back"
    assert again.close() == 0


def test_sending_on_a_broken_connection_says_so(phone: Phone, device: AdbDevice) -> None:
    stream = device.open_stream(["cat"], {})
    phone.cable.cut()
    with pytest.raises(ConnectionLostError, match="broke while cat was running"):
        keep_talking(stream, timeout_s=30)
    with pytest.raises(ConnectionLostError, match="broke while cat was running"):
        stream.close()
    await_idle(phone)


def test_closing_a_program_that_a_break_left_says_so(phone: Phone, device: AdbDevice) -> None:
    stream = device.open_stream(["sleep", "60"], {})
    phone.cable.cut()
    for _ in range(2):
        with pytest.raises(ConnectionLostError):
            stream.close()
    await_idle(phone)


def test_a_connection_that_broke_before_is_made_anew_unseen(
    phone: Phone, device: AdbDevice
) -> None:
    device.run(["true"], timeout_s=10)
    phone.cable.cut()
    stream = device.open_stream(["echo", "back"], {})
    assert stream.read_line(timeout_s=10) == "back"
    assert stream.close() == 0


def test_a_break_while_it_starts_is_a_lost_connection(faulty: Maker) -> None:
    _, device = faulty(Faults(cut_at=re.compile("shell")))
    with pytest.raises(ConnectionLostError, match="broke while cat was being started"):
        device.open_stream(["cat"], {})
    stream = device.open_stream(["cat"], {})
    assert stream.close() == 0


def test_what_may_not_be_run_is_an_error(device: AdbDevice) -> None:
    for program in ("/data", "/etc/passwd"):
        with pytest.raises(CommandFailedError, match=f"cannot start {program} on phone"):
            device.open_stream([program], {})


def test_a_phone_without_setsid_cannot_run_programs(faulty: Maker, tmp_path: Path) -> None:
    phone, device = faulty(Faults())
    phone.variables = {"PATH": str(tmp_path)}
    for call in (lambda: device.open_stream(["cat"], {}), lambda: device.run(["cat"], 10)):
        with pytest.raises(DeviceError, match=r"odd cannot run programs: .*setsid.*not found"):
            call()


def test_an_old_android_has_no_streams(faulty: Maker) -> None:
    _, device = faulty(Faults(features=("cmd",)))
    with pytest.raises(DeviceError, match=r"odd is too old .* Android 7 or later"):
        device.open_stream(["cat"], {})
