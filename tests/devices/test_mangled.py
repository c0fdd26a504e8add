"""Whatever a device says, facts and health are values, and no traceback."""

from __future__ import annotations

import random
from contextlib import suppress

import hypothesis.strategies as st
from hypothesis import given

from sartor.devices.facts import DeviceFacts, parse_facts
from sartor.devices.health import Health, parse_health
from sartor.devices.question import read_answer
from sartor.devices.topology import choose_cores
from sartor.tables.errors import CoresError

from .kinds import excerpts
from .kinds.test_quota import V1, V2

CPUS = "/sys/devices/system/cpu"
SAID = {
    "uname": "Linux 5.10.149-android13 aarch64\n",
    "cpuinfo": excerpts.PIXEL_6_CPUINFO,
    "board": "Raspberry Pi 5 Model B Rev 1.0\n",
    "virtual": "yes\n",
    "container": "docker\n",
    "python": '{"python": "3.11.2", "numpy": "1.26.4"}\n',
    "quota": V1 + V2.format(3),
    "quota_before": V2.format(1),
    "stat_before": "cpu 1 2 3 4 5 6 7 8\ncpu0 1 2 3 4 5\n",
    "stat": "cpu 11 12 13 14 15 16 17 18\ncpu0 11 12 13 14 15\n",
    "getprop": excerpts.PROPERTIES_VIVO,
    "battery": excerpts.BATTERY_SAMSUNG,
    "thermal": excerpts.THERMAL_PIXEL_THROTTLED,
    "saver": "0\n",
    **excerpts.PI_4,
    **excerpts.PI_5_ABOUT,
    "nvidia_about": excerpts.NVIDIA_ABOUT_535,
    "nvidia_state": excerpts.NVIDIA_HOT,
    "nvidia_processes": excerpts.NVIDIA_PROCESSES,
    "/proc/loadavg": "0.31 0.40 0.45 1/213 4242\n",
    "/proc/meminfo": "MemTotal: 8058328 kB\nMemAvailable: 7453312 kB\n",
    "/etc/os-release": 'PRETTY_NAME="Debian 12"\n',
    f"{CPUS}/present": "0-7\n",
    f"{CPUS}/cpu0/cpu_capacity": "430\n",
    f"{CPUS}/cpu0/cpufreq/scaling_cur_freq": "1500000\n",
    f"{CPUS}/cpu0/cpufreq/scaling_max_freq": "1500000\n",
    f"{CPUS}/cpu0/cpufreq/cpuinfo_max_freq": "1803000\n",
    f"{CPUS}/cpu0/cpufreq/scaling_governor": "powersave\n",
    f"{CPUS}/cpu0/thermal_throttle/core_throttle_count": "3\n",
    "/sys/devices/cpu_core/cpus": "0-3\n",
    "/sys/devices/cpu_atom/cpus": "4-7\n",
    "/sys/class/thermal/thermal_zone0/temp": "52350\n",
}
WORDS = [
    "-1",
    "0",
    "9" * 30,
    "NaN",
    "-inf",
    "1e999",
    "\x00",
    "\x1b[2J",
    "é\u2028",
    "{",
    "}",
    ":",
    ",",
]


def mangle(text: str, seed: int) -> str:
    """Damage a text in a few places, as a broken link or a hostile device would."""
    rng = random.Random(seed)
    for _ in range(rng.randint(0, 4)):
        start = rng.randrange(len(text) + 1)
        end = min(len(text), start + rng.choice([0, 1, 3, 20]))
        put = rng.choice([*WORDS, text[start:end] * 3, ""])
        text = text[:start] + put + text[end:]
    return text


def check(facts: DeviceFacts, health: Health) -> None:
    for name, value in facts.pairs:
        assert name.isprintable()
        assert value.isprintable()
        assert len(value) <= 2000
    for warning in health.warnings:
        assert warning.isprintable()
    for seen in (health.seen_from([0], gpu=True), health.seen_from([], gpu=False)):
        assert set(seen.disturbances) <= set(seen.warnings)
        assert seen.verdict in ("quiet", "disturbed")
    for cluster in facts.clusters:
        assert cluster.cores
    for text in ("big", "mid", "little", "0-1"):
        with suppress(CoresError):
            assert choose_cores("device", facts.clusters, facts.cores, text)


def test_what_is_not_mangled_is_read() -> None:
    facts, health = parse_facts(SAID), parse_health(SAID)
    check(facts, health)
    assert facts.kinds == ("raspberry_pi", "android", "nvidia")
    assert (health.cores, len(health.parts)) == (8, 5)
    assert health.frequency_mhz == 600


@given(st.data())
def test_mangled_answers_are_values_all_the_same(data: st.DataObject) -> None:
    names = data.draw(st.sets(st.sampled_from(sorted(SAID)), min_size=1, max_size=6))
    seed = data.draw(st.integers(0, 1 << 32))
    said = SAID | {name: mangle(SAID[name], seed) for name in sorted(names)}
    check(parse_facts(said), parse_health(said))


@given(st.dictionaries(st.sampled_from(sorted(SAID)), st.text(max_size=200)))
def test_any_text_will_do(said: dict[str, str]) -> None:
    check(parse_facts(said), parse_health(said))


@given(st.text(max_size=500), st.integers(0, 1 << 32))
def test_any_output_is_an_answer(noise: str, seed: int) -> None:
    lines = [
        f"{name if name.startswith('/') else f':{name}'}:{line}"
        for name, text in SAID.items()
        for line in text.splitlines()
    ]
    said = read_answer(mangle("\n".join(lines), seed) + noise)
    check(parse_facts(said), parse_health(said))
