"""The states that adb knows phones to be in, each explained in a sentence that says what to do."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from ...tables.errors import DeviceUnreachableError, NotAuthorizedError

READY = "device"
PASSES_WITHIN_S = {"authorizing": 8.0, "connecting": 8.0, "detached": 8.0, "unauthorized": 1.0}
"""How long a state may pass by itself: a key is only shown after the first try without it."""
_LINE = re.compile(
    r"(?P<serial>\S+|\(no serial number\))\s+"
    r"(?P<state>no permissions\b.*?|[a-z]+)"
    r"(?P<rest>(?:\s+[a-z_]+:\S*)*)\s*"
)
_SERVICES = {"recovery", "sideload", "rescue"}
_UDEV = (
    "adb has no permission to use {it} over USB: on Debian, apt-get install "
    "android-sdk-platform-tools-common and join the group plugdev (adduser $USER plugdev), log in "
    "again, run adb kill-server, and plug {it} in again"
)
_ADVICE = {
    "unauthorized": (
        "{it} has not allowed this computer to debug it: unlock it and accept the dialogue "
        "'Allow USB debugging?'; when there is none, switch USB debugging off and on again in its "
        "developer options"
    ),
    "offline": (
        "{it} is connected but does not answer (offline): unplug it and plug it in again or, over "
        "the network, wake it and see that both are in the same one; then run adb reconnect"
    ),
    "bootloader": "{it} is in its bootloader: start Android, with fastboot reboot",
    "host": "{it} is in USB host mode: choose another USB mode on it",
    "unknown": "adb cannot tell the state of {it}: unplug it, run adb kill-server, plug it in",
}


@dataclass(frozen=True, slots=True)
class Phone:
    """A phone as ``adb devices -l`` lists it.

    Attributes:
        serial: by which adb addresses it.
        state: ``device`` when it can be used.
        details: such as (model, Pixel_6), sorted.
    """

    serial: str
    state: str
    details: tuple[tuple[str, str], ...] = ()

    def __str__(self) -> str:
        model = dict(self.details).get("model", "").replace("_", " ")
        state = self.state.partition("(")[0].partition(";")[0].strip()
        named = f"{self.serial} ({model})" if model else self.serial
        return named if state == READY else f"{named}: {state}"


def parse_devices(text: str) -> tuple[Phone, ...]:
    """Read what ``adb devices``, with or without ``-l``, printed; other lines are passed over."""
    _, heading, listed = text.partition("List of devices attached")
    found = []
    for line in listed.splitlines() if heading else ():
        if match := _LINE.fullmatch(line.strip()):
            pairs = (word.split(":", 1) for word in match["rest"].split())
            details = tuple(sorted((name, value) for name, value in pairs))
            found.append(Phone(match["serial"], match["state"].strip(), details))
    return tuple(found)


def unusable(name: str, serial: str, phones: Sequence[Phone]) -> DeviceUnreachableError | None:
    """Explain why a phone cannot be used; None when it can be.

    Args:
        name: of the device, as users know it.
        serial: of the phone.
        phones: all that adb knows.
    """
    it = f"{name} ({serial})"
    mine = [phone for phone in phones if phone.serial == serial]
    if len(mine) > 1:
        ports = [dict(phone.details).get("usb", "?") for phone in mine]
        return DeviceUnreachableError(
            f"{len(mine)} phones have the serial {serial}: address {name} by its USB port instead, "
            f"one of {', '.join(f'usb:{port}' for port in ports)}"
        )
    if not mine:
        return DeviceUnreachableError(f"{it} is not there: {_listed(phones)}")
    state = mine[0].state
    if state == READY:
        return None
    if state == "unauthorized":
        return NotAuthorizedError(_ADVICE[state].format(it=it))
    if state.startswith("no permissions"):
        return DeviceUnreachableError(_UDEV.format(it=it))
    if state in _SERVICES:
        return DeviceUnreachableError(f"{it} is in {state} mode: start Android, with adb reboot")
    if state in PASSES_WITHIN_S:
        return DeviceUnreachableError(f"{it} is still {state}: try again in a moment")
    advice = _ADVICE.get(state, "{it} cannot be used: adb calls its state " + repr(state))
    return DeviceUnreachableError(advice.format(it=it))


def unreached(name: str, serial: str, cause: str) -> DeviceUnreachableError:
    """Explain why ``adb connect`` failed.

    Args:
        name: of the device, as users know it.
        serial: its HOST:PORT.
        cause: in adb's words.
    """
    return DeviceUnreachableError(
        f"cannot connect to {name} ({serial}): {cause}; wake it, see that both are in the same "
        "network, and that it takes connections: wireless debugging is on in its developer "
        "options or, over USB, adb tcpip 5555 was run since it started"
    )


def _listed(phones: Sequence[Phone]) -> str:
    if not phones:
        return (
            "adb sees no phone; plug it in with a cable that carries data, and switch USB "
            "debugging on in its developer options"
        )
    return f"adb sees {', '.join(map(str, phones))}; plug it in, or use one of these"
