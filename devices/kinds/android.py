"""Android: properties, battery and thermal service, as any user of ``adb shell`` may read them.

Formats: AOSP, frameworks/base, ``BatteryService.java`` (``dumpInternal``) and
``ThermalManagerService.java`` (``dumpInternal``); meanings of the status: Android documentation,
"Thermal mitigation". Vendors add lines of their own, which are passed over.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from ..question import FOUND, Answer, Question
from ..texts import clean, colon_pairs, decimal, whole
from .kind import Concern, Kind, Part, Reading

_PROPERTIES = {
    "manufacturer": "ro.product.manufacturer",
    "model": "ro.product.model",
    "soc_maker": "ro.soc.manufacturer",  # the two have been there since Android 12
    "soc_model": "ro.soc.model",
    "platform": "ro.board.platform",
    "hardware": "ro.hardware",
    "release": "ro.build.version.release",
    "sdk": "ro.build.version.sdk",
    "fingerprint": "ro.build.fingerprint",
    "abi": "ro.product.cpu.abi",
}
_PROPERTY = re.compile(r"\[([a-z0-9._]{1,60})\]: \[(.*)\]")

_CHARGING = 2  # BatteryManager.BATTERY_STATUS_CHARGING
_LOW_PERCENT = 20
_HOT_CHARGING_C = 40.0
_HOT_C = 45.0

_STATUS = re.compile(r"Thermal Status: ([0-9])")
_STATUSES = ("no", "light", "moderate", "severe", "critical", "emergency", "shutdown")
_TEMPERATURE = re.compile(
    r"Temperature\{mValue=(?P<value>[^,]{1,30}), mType=(?P<type>-?[0-9]{1,3}), "
    r"mName=[^,}]{0,80}, mStatus=(?P<status>[0-9])\}"
)
_OF_PROCESSOR = (0, 13)  # TYPE_CPU and TYPE_SOC
_POSSIBLE_C = 150.0


@dataclass(frozen=True, slots=True)
class Battery:
    """How the battery is; what it does not say is None.

    Attributes:
        percent: of its charge.
        temperature_c: its own.
        charging: whether it is being charged, which heats it.
        saver: whether Android saves power at the cost of speed.
    """

    percent: int | None
    temperature_c: float | None
    charging: bool
    saver: bool = False
    of_gpu: bool = False

    @property
    def concerns(self) -> tuple[Concern, ...]:
        """What makes Android slow itself down."""
        found = []
        if self.percent is not None and self.percent < _LOW_PERCENT:
            found.append(
                f"the battery is low: {self.percent} %, and phones slow down to save it; charge it"
            )
        if self.saver:
            found.append(
                "the battery saver slows it down; switch it off: "
                "cmd settings put global low_power 0"
            )
        if self.temperature_c is not None:
            hot = f"{self.temperature_c:g} °C"
            if self.charging and self.temperature_c >= _HOT_CHARGING_C:
                found.append(
                    f"the battery is hot from charging: {hot}; let it charge to its end or unplug "
                    "it, and let it cool"
                )
            elif self.temperature_c >= _HOT_C:
                found.append(f"the battery is hot: {hot}; let it cool, out of its case")
        return tuple(map(Concern, found))


@dataclass(frozen=True, slots=True)
class ThermalService:
    """What Android itself says of heat.

    Attributes:
        status: 0 for none to 6 for shutting down, the worst of the whole and of its processors.
        overridden: whether somebody has set the status by hand, so that it says nothing.
    """

    status: int
    overridden: bool = False
    of_gpu: bool = False

    @property
    def concerns(self) -> tuple[Concern, ...]:
        """Whether Android throttles."""
        if self.overridden:
            text = (
                "its thermal status was set by hand and says nothing; give it back: "
                "cmd thermalservice reset"
            )
            return (Concern(text, now=False),)
        if not 0 < self.status < len(_STATUSES):
            return ()
        text = f"Android throttles it for heat ({_STATUSES[self.status]}); let it cool"
        return (Concern(text),)


def read_facts(answer: Answer) -> dict[str, str]:
    """Name the phone, its chip and its Android; empty where there is none."""
    said = {
        match[1]: match[2]
        for line in answer.get("getprop", "").split("\n")
        if (match := _PROPERTY.fullmatch(line.strip()))
    }
    found = {
        name: value for name, key in _PROPERTIES.items() if (value := clean(said.get(key, "")))
    }
    if "release" not in found and "sdk" not in found:
        return {}
    facts = {
        "cpu_model": _cpu_model(found),
        "system": f"Android {found.get('release', '?')} (SDK {found.get('sdk', '?')})",
    }
    return facts | {name: found[name] for name in ("fingerprint", "abi") if name in found}


def _cpu_model(found: dict[str, str]) -> str:
    """Name the phone and its chip: ``Google Pixel 8 Pro (Google Tensor G3)``."""
    maker, model = found.get("manufacturer", ""), found.get("model", "unknown")
    phone = model if model.lower().startswith(maker.lower()) else f"{maker} {model}"
    chip = " ".join(filter(None, (found.get("soc_maker"), found.get("soc_model"))))
    return f"{phone} ({chip or found.get('platform') or found.get('hardware') or 'unknown chip'})"


def read_state(answer: Answer) -> Reading:
    """Read battery and thermal service, as far as there are any."""
    battery = _battery(answer.get("battery", ""), answer.get("saver", ""))
    thermal, temperature_c = _thermal(answer.get("thermal", ""))
    parts: list[Part] = [part for part in (battery, thermal) if part is not None]
    return Reading(tuple(parts), temperature_c)


def _battery(dump: str, saver: str) -> Battery | None:
    fields = colon_pairs(dump)
    level, scale = whole(fields.get("level")), whole(fields.get("scale")) or 100
    saves = saver.strip() == "1"
    if fields.get("present") != "true":  # boxes without any make its values up
        return Battery(None, None, charging=False, saver=True) if saves else None
    percent = round(100 * level / scale) if level is not None and 0 <= level <= scale else None
    tenths = whole(fields.get("temperature"))
    possible = tenths is not None and 0 < tenths < 10 * _POSSIBLE_C
    return Battery(
        percent=percent,
        temperature_c=tenths / 10 if tenths is not None and possible else None,
        charging=whole(fields.get("status")) == _CHARGING,
        saver=saves,
    )


def _thermal(dump: str) -> tuple[ThermalService | None, float | None]:
    """Return what Android says of throttling, and how hot the processor is in °C."""
    # What is cached may be hours old.
    block = dump.partition("Current temperatures from HAL:")[2]
    lines = (_TEMPERATURE.fullmatch(line.strip()) for line in block.split("\n"))
    of_processor = [match for match in lines if match and int(match["type"]) in _OF_PROCESSOR]
    values = [decimal(match["value"]) for match in of_processor]
    temperatures = [value for value in values if value is not None and 0 < value < _POSSIBLE_C]
    statuses = [int(match["status"]) for match in of_processor]
    if overall := _STATUS.search(dump):
        statuses.append(int(overall[1]))
    known = [status for status in statuses if status < len(_STATUSES)]
    service = None
    if known:
        service = ThermalService(max(known), overridden="IsStatusOverride: true" in dump)
    return service, max(temperatures, default=None)


ANDROID = Kind(
    name="android",
    about=Question(
        programs=(
            (
                "getprop",
                (
                    "getprop | grep -E '^.(ro[.](product[.](manufacturer|model|cpu.abi)|soc|board"
                    "[.]platform|hardware|build[.](version[.](release|sdk)|fingerprint)))'"
                ),
            ),
        ),
        when=f"command -v getprop {FOUND}",
    ),
    state=Question(
        programs=(
            ("battery", "dumpsys battery | head -n 60"),
            ("thermal", "dumpsys thermalservice | head -n 300"),
            ("saver", "cmd settings get global low_power"),
        ),
        when=f"command -v dumpsys {FOUND}",
    ),
    facts=read_facts,
    reading=read_state,
)
