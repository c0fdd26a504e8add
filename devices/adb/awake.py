"""A phone that stays awake and at one speed while it is measured, and is as before afterwards.

What is changed, without root: it is woken (``input keyevent KEYCODE_WAKEUP``), kept awake as long
as it is plugged in (``svc power stayon``) and, from Android 11, if its maker has built it in, put
in fixed performance mode, in which its clocks stay where it can hold them for long. How it was
before is noted on the phone first, so that whoever comes next restores what a killed run left.

Sources: Android Open Source Project, source.android.com, "Fixed performance mode"; frameworks/base,
PowerManagerShellCommand.java (what ``cmd power`` answers) and Binder.java (``onShellCommand``).
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import PurePosixPath

from ...tables.errors import CommandFailedError, DeviceError
from ..device import Completed, Device

_NOTE = "awake.json"
_LONGEST_NOTE = 1000
_TIMEOUT_S = 30.0
_WAKES_WITHIN_S = 5.0
_PAUSE_S = 0.2
_STAY_ON = "stay_on_while_plugged_in"
_FIXED = ("cmd", "power", "set-fixed-performance-mode-enabled")
_WAKEFULNESS = re.compile(r"^\s*mWakefulness=([A-Za-z]{1,20})", re.MULTILINE)
_UNPLUGGED = re.compile(r"^\s*mIsPowered=false", re.MULTILINE)
_UNSUPPORTED = re.compile(r"FIXED_PERFORMANCE|HAL")
_TOO_OLD = re.compile(r"Unknown command|No shell command implementation|Can't find service")
_ALLOW = (
    "in its developer options, switch on USB debugging (Security settings), or switch permission "
    "monitoring off, and restart it"
)
_WRITE_NOTE = 'umask 077; mkdir -p "${1%/*}" && printf %s "$2" >"$1.part" && mv -f "$1.part" "$1"'


@dataclass(frozen=True, slots=True)
class Awake:
    """What a phone took part in.

    Attributes:
        stays_awake: until we are done.
        fixed_performance: whether it is in fixed performance mode.
        remarks: a sentence for all that it did not take part in, or that may undo it.
    """

    stays_awake: bool
    fixed_performance: bool
    remarks: tuple[str, ...] = ()

    @property
    def pairs(self) -> tuple[tuple[str, str], ...]:
        """What a table's provenance says of it: (name, value)."""
        return (("fixed_performance", "on" if self.fixed_performance else "off"),)


@dataclass(frozen=True, slots=True)
class _Before:
    """How the phone was: the setting (``null`` when it was never set), whether it slept."""

    stay_on: str
    asleep: bool

    def __post_init__(self) -> None:
        if not re.fullmatch(r"null|[0-9]{1,3}", self.stay_on) or not isinstance(self.asleep, bool):
            raise DeviceError(f"what is noted on the phone of how it was makes no sense: {self}")


@contextmanager
def kept_awake(device: Device, tell: Callable[[str], None]) -> Iterator[Awake]:
    """Keep a phone awake, and its clocks fixed, for a while.

    It is restored also when what is done meanwhile raises, Ctrl-C included. Two computers that do
    this to one phone restore what they find: lease the phone first.

    Args:
        device: a phone.
        tell: is given a sentence when it cannot be restored.

    Raises:
        DeviceError: the phone does not answer. That it refuses is no error but a remark.
    """
    restore(device)
    _note(device, _look(device))  # before anything is changed: we may be killed at any time
    try:
        yield _wake(device)
    finally:
        try:
            restore(device)
        except DeviceError as error:
            tell(
                f"{device.name} stays awake, and perhaps in fixed performance mode, until the next "
                f"run restores it: {error}"
            )


def restore(device: Device) -> bool:
    """Make a phone as it was before ``kept_awake``, if it still has to be; tell whether it had to.

    Raises:
        DeviceError: it does not answer, or refuses; the note of how it was stays.
    """
    note = _note_path(device)
    noted = device.run(["head", "-c", str(_LONGEST_NOTE), str(note)], _TIMEOUT_S)
    if noted.exit_code:
        return False
    before = _parse_note(noted.stdout)
    if before is not None:
        value = ["delete", "global", _STAY_ON]
        if before.stay_on != "null":
            value = ["put", "global", _STAY_ON, before.stay_on]
        refused = [_failure(device, ["settings", *value])]
        if before.stay_on == "0" and refused[0]:
            refused = [_failure(device, ["svc", "power", "stayon", "false"])]
        # Refused where it was refused before, so that there is nothing to be undone.
        _failure(device, [*_FIXED, "false"])
        if before.asleep:
            _failure(device, ["input", "keyevent", "KEYCODE_SLEEP"])
        if refused[0] and _setting(device) != before.stay_on:
            raise DeviceError(
                f"{device.name} does not let its setting {_STAY_ON} be {before.stay_on} again: "
                f"{refused[0]}; {_ALLOW}"
            )
    device.run(["rm", "-f", str(note)], _TIMEOUT_S)
    return before is not None


def _wake(device: Device) -> Awake:
    """Do it all; what the phone refuses is remarked."""
    remarks = []
    kept = _failure(device, ["svc", "power", "stayon", "true"])
    if kept:
        remarks.append(
            f"{device.name} may fall asleep: it refuses to stay awake ({kept}); {_ALLOW}"
        )
    woken = _failure(device, ["input", "keyevent", "KEYCODE_WAKEUP"])
    power = _await_wakefulness(device)
    if (found := _WAKEFULNESS.search(power)) and found[1] != "Awake":
        cause = f" ({woken})" if woken else ""
        remarks.append(f"{device.name} does not wake up{cause}: press its button; or {_ALLOW}")
    if _UNPLUGGED.search(power):
        remarks.append(f"{device.name} is not plugged in, so it may fall asleep: plug it in")
    fixed = _failure(device, [*_FIXED, "true"])
    if fixed:
        remarks.append(_why_not_fixed(device.name, fixed))
    return Awake(not kept, not fixed, tuple(remarks))


def _why_not_fixed(name: str, said: str) -> str:
    if _TOO_OLD.search(said):
        return f"{name} has no fixed performance mode: that came with Android 11"
    if _UNSUPPORTED.search(said):
        return f"{name} has no fixed performance mode: its maker did not build it in"
    return f"{name} refuses fixed performance mode ({said}); {_ALLOW}"


def _failure(device: Device, argv: Sequence[str]) -> str:
    """Run a command of Android's; return what it complains about, empty when it did what it should.

    A service that knows no commands says so, and exits with 0; one that does what it should is
    silent, but for ``settings delete``.
    """
    try:
        done = device.run(argv, _TIMEOUT_S)
    except CommandFailedError as error:
        return str(error)
    said = (done.stderr + done.stdout).strip()
    if done.exit_code == 0 and not done.stderr.strip() and "xception" not in said:
        return ""
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    telling = [line for line in lines if "xception:" in line] or lines
    return (telling or [f"exit code {done.exit_code}"])[0][:200]


def _look(device: Device) -> _Before:
    wakefulness = _WAKEFULNESS.search(_power(device))
    return _Before(_setting(device), wakefulness is not None and wakefulness[1] != "Awake")


def _setting(device: Device) -> str:
    """Return the setting that keeps a phone awake; ``0``, which is usual, when it does not say."""
    said = _run(device, ["settings", "get", "global", _STAY_ON]).stdout.strip()
    return said if re.fullmatch(r"null|[0-9]{1,3}", said) else "0"


def _power(device: Device) -> str:
    return _run(device, ["dumpsys", "power"]).stdout


def _run(device: Device, argv: Sequence[str]) -> Completed:
    try:
        return device.run(argv, _TIMEOUT_S)
    except CommandFailedError as error:  # no Android, or a very reduced one
        return Completed(127, "", str(error))


def _await_wakefulness(device: Device) -> str:
    """Return the state of power once the phone is awake, or after a while."""
    deadline = time.monotonic() + _WAKES_WITHIN_S
    while True:
        power = _power(device)
        found = _WAKEFULNESS.search(power)
        if found is None or found[1] == "Awake" or time.monotonic() > deadline:
            return power
        time.sleep(_PAUSE_S)


def _note_path(device: Device) -> PurePosixPath:
    return device.root / _NOTE


def _note(device: Device, before: _Before) -> None:
    text = json.dumps(asdict(before))
    done = device.run(["sh", "-c", _WRITE_NOTE, "sh", str(_note_path(device)), text], _TIMEOUT_S)
    if done.exit_code:
        raise DeviceError(
            f"cannot note on {device.name} how it was: {done.stderr.strip()[-200:]}; "
            "check free space there"
        )


def _parse_note(text: str) -> _Before | None:
    """Read a note; None when it makes no sense, so that nothing can be restored by it."""
    try:
        fields = json.loads(text)
        return _Before(**fields)
    except (ValueError, TypeError, DeviceError):
        return None
