"""Raspberry Pis: their firmware knows what their kernel does not.

Bits of ``get_throttled`` and the other commands: Raspberry Pi documentation, "vcgencmd". That the
kernel's frequency leaves throttling out: github.com/raspberrypi/linux, issue 2986.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from ..question import FOUND, Answer, Question
from ..texts import clean, decimal, whole
from .kind import Concern, Kind, Reading

_THERE = f"command -v vcgencmd {FOUND}"
_SYSFS = "/sys/devices/platform/soc*/soc*firmware/get_throttled"
_THROTTLED = re.compile(r"(?:throttled=)?(?:0x)?([0-9a-fA-F]{1,8})")
_TEMPERATURE = re.compile(r"temp=([0-9.]{1,8})'C")
_CLOCK = re.compile(r"frequency\([0-9]{1,3}\)=([0-9]{1,12})")
_REFUSED = ("VCHI initialization failed", "/dev/vcio", "/dev/vchiq", "Permission denied")

_UNDERVOLTAGE, _CAPPED, _THROTTLED_BIT, _SOFT_LIMIT = range(4)
SINCE_BOOT = 16
"""So many bits further up stands what has been since the start."""

_NOW = {
    _UNDERVOLTAGE: "undervoltage: its power supply or cable does not hold 5 V, so its cores are "
    "slowed down; use the supply made for this board, on a short cable of its own",
    _CAPPED: "its firmware caps the frequency of its cores; cool it, and mend its power supply if "
    "undervoltage is reported, too",
    _THROTTLED_BIT: "its firmware slows its cores down right now; cool it, and mend its power "
    "supply if undervoltage is reported, too",
    _SOFT_LIMIT: "it is at the soft limit of its temperature, so its cores are slowed down; "
    "give it a heat sink or a fan",
}
_SINCE = {
    _UNDERVOLTAGE: "undervoltage",
    _CAPPED: "a capped frequency",
    _THROTTLED_BIT: "slowed-down cores",
    _SOFT_LIMIT: "the soft limit of its temperature",
}


@dataclass(frozen=True, slots=True)
class Firmware:
    """What the firmware says.

    Attributes:
        bits: of ``get_throttled``; None where it does not tell.
        refused: whether it may not be asked by this user.
    """

    bits: int | None
    refused: bool = False
    of_gpu: bool = False

    @property
    def concerns(self) -> tuple[Concern, ...]:
        """What slows the board down now, and what has done so."""
        if self.bits is None:
            return (
                (
                    Concern(
                        "its firmware may not be asked whether it is throttled; let this user: "
                        "sudo usermod -aG video $USER, and log in anew",
                        now=False,
                    ),
                )
                if self.refused
                else ()
            )
        found = [Concern(text) for bit, text in _NOW.items() if self.bits >> bit & 1]
        past = [
            text
            for bit, text in _SINCE.items()
            if self.bits >> (bit + SINCE_BOOT) & 1 and not self.bits >> bit & 1
        ]
        if past:
            found.append(
                Concern(
                    f"since it was started there has been {' and '.join(past)}: timings from then "
                    "may be off; once it is mended, restart it to clear this",
                    now=False,
                )
            )
        return tuple(found)


def read_facts(answer: Answer) -> dict[str, str]:
    """Read what the firmware was told to do; empty on any other board."""
    settings = dict(
        line.partition("=")[::2] for line in answer.get("vc_config", "").split("\n") if "=" in line
    )
    found = {}
    for name, fact in (("arm_freq", "arm_freq_mhz"), ("over_voltage", "over_voltage")):
        if (value := whole(settings.get(name))) is not None:
            found[fact] = str(value)
    lines = answer.get("vc_version", "").strip().split("\n")
    if len(lines) >= 3 and "Broadcom" in lines[1]:  # otherwise it is a complaint
        found["firmware"] = clean(lines[2]).removeprefix("version ").partition(" ")[0]
    return found


def read_state(answer: Answer) -> Reading:
    """Read what the firmware says; nothing on any other board."""
    said = [answer.get(name, "").strip() for name in ("vc_throttled", "vc_sysfs")]
    matches = [match for text in said if (match := _THROTTLED.fullmatch(text))]
    bits = int(matches[0][1], 16) if matches else None
    refused = any(words in said[0] for words in _REFUSED)
    clock = _CLOCK.fullmatch(answer.get("vc_clock", "").strip())
    temperature = _TEMPERATURE.fullmatch(answer.get("vc_temp", "").strip())
    return Reading(
        parts=(Firmware(bits, refused),) if bits is not None or refused else (),
        temperature_c=decimal(temperature[1]) if temperature else None,
        frequency_mhz=(round(int(clock[1]) / 1e6) or None) if clock else None,
    )


RASPBERRY_PI = Kind(
    name="raspberry_pi",
    about=Question(
        programs=(
            ("vc_config", "vcgencmd get_config arm_freq; vcgencmd get_config over_voltage"),
            ("vc_version", "vcgencmd version"),
        ),
        when=_THERE,
    ),
    state=Question(
        programs=(
            ("vc_throttled", "vcgencmd get_throttled 2>&1"),
            ("vc_clock", "vcgencmd measure_clock arm"),
            ("vc_temp", "vcgencmd measure_temp"),
            # The same bits for everybody, where the kernel is the board's own.
            ("vc_sysfs", f"cat {_SYSFS}"),
        ),
        when=f"{_THERE} || ls {_SYSFS} {FOUND}",
    ),
    facts=read_facts,
    reading=read_state,
)
