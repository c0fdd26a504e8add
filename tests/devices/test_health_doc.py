"""Every warning there is has its line in docs/devices-health.md."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from sartor.devices.health import Health
from sartor.devices.kinds import Concern, Part
from sartor.devices.kinds.android import Battery, ThermalService
from sartor.devices.kinds.cpufreq import CoreState
from sartor.devices.kinds.nvidia import Gpu
from sartor.devices.kinds.quota import Quota
from sartor.devices.kinds.raspberry_pi import Firmware

DOCUMENT = (Path(__file__).parents[2] / "docs" / "devices-health.md").read_text()
ROWS = re.findall(r"^\| ([^|]+) \| (yes|no) \| [^|]{20,} \|$", DOCUMENT, re.MULTILINE)

WORST = [
    Health(4, 9.0, 100, None, "powersave", 99.0, None, states=(CoreState(0, 1, 1000, 2000),)),
    Health(4, None, None, None, "unknown", None, 3.0),
]
PARTS: list[Part] = [
    Quota(1.5, 0),
    Quota(1.5, 3),
    Battery(5, 50.0, charging=True, saver=True),
    Battery(50, 50.0, charging=False),
    ThermalService(3),
    ThermalService(3, overridden=True),
    Firmware(0xF),
    Firmware(0xF0000),
    Firmware(None, refused=True),
    Gpu(99.0, 1, 1.0, 50, 0xFF, ("python",), persistent=False),
    Gpu(busy_percent=50),
    Gpu(trouble="NVIDIA-SMI has failed"),
]


def concerns() -> Iterator[Concern]:
    for health in WORST:
        yield from health.concerns
    for part in PARTS:
        yield from part.concerns


def lines_of(concern: Concern) -> list[tuple[str, str]]:
    """The rows whose words, with anything for …, begin a warning; the longest are the closest."""
    found = []
    for words, waits in ROWS:
        pattern = ".*".join(map(re.escape, words.split("…")))
        if re.match(rf"{pattern}\b", concern.text):
            found.append((words, waits))
    return found


@pytest.mark.parametrize("concern", list(concerns()), ids=lambda concern: concern.text[:40])
def test_a_warning_is_explained_and_whether_it_is_waited_for(concern: Concern) -> None:
    found = lines_of(concern)
    assert found, f"{concern.text!r} is not in docs/devices-health.md"
    _, waits = max(found, key=lambda row: len(row[0]))
    assert waits == ("yes" if concern.now else "no")
    assert "; " in concern.text or " once " in concern.text, "it does not say what to do"


def test_what_is_explained_there_is() -> None:
    assert len(ROWS) == 25
    said = {words for concern in concerns() for words, _ in lines_of(concern)}
    assert said == {words for words, _ in ROWS}
