from __future__ import annotations

from sartor.devices.health import Health, parse_health

CPUFREQ = "/sys/devices/system/cpu/cpu{}/cpufreq/scaling_{}"
QUIET = {
    "/proc/cpuinfo": "processor : 0\nprocessor : 1\nprocessor : 2\nprocessor : 3\n",
    "/proc/loadavg": "0.31 0.40 0.45 1/213 4242\n",
    "/proc/meminfo": "MemTotal: 8058328 kB\nMemAvailable: 7453312 kB\n",
    CPUFREQ.format(0, "cur_freq"): "1500000\n",
    CPUFREQ.format(1, "cur_freq"): "2400000\n",
    CPUFREQ.format(0, "governor"): "performance\n",
    "/sys/class/thermal/thermal_zone0/temp": "52350\n",
    "/sys/class/thermal/thermal_zone1/temp": "-274000\n",
}


def test_a_quiet_device() -> None:
    health = parse_health(QUIET)
    assert health == Health(4, 0.31, 7632, 2400, "performance", 52.35)
    assert health.verdict == "quiet"
    assert health.warnings == ()


def test_everything_that_disturbs_is_said() -> None:
    files = QUIET | {
        "/proc/loadavg": "2.5 1 1 4/213 4242\n",
        "/proc/meminfo": "MemTotal: 8058328 kB\nMemAvailable: 200000 kB\n",
        CPUFREQ.format(0, "governor"): "powersave\n",
        "/sys/class/thermal/thermal_zone0/temp": "84000\n",
    }
    health = parse_health(files)
    assert health.verdict == "disturbed"
    assert [warning.split(":")[0].split(" ")[0] for warning in health.warnings] == [
        "other",
        "it",
        "the",
        "only",
    ]
    assert "load 2.5 on 4 cores" in health.warnings[0]
    assert "84 °C" in health.warnings[1]


def test_what_the_kernel_does_not_offer_is_unknown_and_no_reproach() -> None:
    health = parse_health({"/proc/cpuinfo": "processor : 0\n"})
    assert health == Health(1, None, None, None, "unknown", None)
    assert health.verdict == "quiet"


def stat(user: int, idle: int) -> dict[str, str]:
    return {"/proc/stat": f"cpu  {user} 0 0 {idle} 0 0 0 0 {user} 0\ncpu0 1 2 3\nintr 5\n"}


def test_what_is_busy_now_counts_and_not_the_average_of_a_minute() -> None:
    busy_before = QUIET | {"/proc/loadavg": "4.0 1 1 4/213 4242\n"}
    health = parse_health(busy_before | stat(1010, 2190), stat(1000, 2000))
    assert health.busy_cores is not None
    assert abs(health.busy_cores - 0.2) < 1e-9
    assert health.verdict == "quiet"
    health = parse_health(QUIET | stat(1100, 2100), stat(1000, 2000))
    assert health.warnings == ("other programs are running: 2.0 of 4 cores are busy",)


def test_a_stat_that_does_not_count_is_unknown() -> None:
    for before in ({}, {"/proc/stat": "intr 5\n"}, stat(1000, 2000)):
        health = parse_health(QUIET | stat(1000, 2000), before)
        assert health.busy_cores is None


def test_throttles_are_counted_over_cores() -> None:
    path = "/sys/devices/system/cpu/cpu{}/thermal_throttle/core_throttle_count"
    health = parse_health(QUIET | {path.format(0): "3\n", path.format(1): "4\n"})
    assert health.throttles == 7
