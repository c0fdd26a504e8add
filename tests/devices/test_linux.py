from __future__ import annotations

import pytest

from sartor.devices.facts import parse_facts
from sartor.devices.health import parse_health
from sartor.devices.kinds.linux import count_cores, cpu_model, memory_mb, system

EPYC = """\
processor	: 0
model name	: AMD EPYC
microcode	: 0x1000065
processor	: 1
model name	: AMD EPYC
microcode	: 0x1000065
"""
RASPBERRY_PI = """\
processor	: 0
CPU implementer	: 0x41
CPU part	: 0xd0b
Hardware	: BCM2835
Model		: Raspberry Pi 5 Model B Rev 1.0
"""
CPUS = "/sys/devices/system/cpu"
CPUFREQ = CPUS + "/cpu{}/cpufreq/{}"


def cores(count: int) -> str:
    return "".join(f"processor\t: {core}\n" for core in range(count))


QUIET = {
    "cpuinfo": cores(4),
    "/proc/loadavg": "0.31 0.40 0.45 1/213 4242\n",
    "/proc/meminfo": "MemTotal: 8058328 kB\nMemAvailable: 7453312 kB\n",
    CPUFREQ.format(0, "scaling_cur_freq"): "1500000\n",
    CPUFREQ.format(1, "scaling_cur_freq"): "2400000\n",
    CPUFREQ.format(0, "scaling_governor"): "performance\n",
    "/sys/class/thermal/thermal_zone0/temp": "52350\n",
    "/sys/class/thermal/thermal_zone1/temp": "-274000\n",
}


def test_x86_names_its_processor() -> None:
    assert cpu_model(EPYC) == "AMD EPYC"
    assert count_cores({"cpuinfo": EPYC}) == 2


def test_arm_names_its_board_and_the_number_of_its_processor() -> None:
    assert cpu_model(RASPBERRY_PI) == "Raspberry Pi 5 Model B Rev 1.0 (CPU 0x41/0xd0b)"
    assert cpu_model(RASPBERRY_PI, "Pi 500\n\n") == "Pi 500 (CPU 0x41/0xd0b)"
    assert cpu_model("") == "CPU ?/?"


def test_cores_that_arm_has_off_line_count() -> None:
    assert count_cores({"cpuinfo": RASPBERRY_PI, f"{CPUS}/present": "0-3\n"}) == 4
    assert count_cores({f"{CPUS}/present": "0-5\n"}) == 6
    assert count_cores({f"{CPUS}/present": "many\n"}) == 0


def test_memory_is_in_decimal_megabytes() -> None:
    text = "MemTotal:        8058328 kB\nMemAvailable:    7453312 kB\nHugePages_Total:       0\n"
    assert memory_mb({"/proc/meminfo": text}, "MemTotal") == 8251
    assert memory_mb({"/proc/meminfo": text}, "MemAvailable") == 7632
    assert memory_mb({"/proc/meminfo": text}, "HugePages_Total") is None
    assert memory_mb({}, "MemTotal") is None


def test_the_distribution_has_a_name() -> None:
    assert system('NAME="Debian"\nPRETTY_NAME="Debian 12"\n') == "Debian 12"
    assert system("NAME=Alpine\n") == "Alpine"
    assert system("") == "unknown"


def test_facts_tell_what_changes_latency() -> None:
    facts = parse_facts(
        {
            "cpuinfo": EPYC,
            "uname": "Linux 6.1.0-18-amd64 x86_64\n",
            "virtual": "yes\n",
            "container": "docker\nkubernetes\n",
            f"{CPUS}/intel_pstate/no_turbo": "1\n",
            "/sys/class/dmi/id/sys_vendor": "Amazon EC2\n",
            "/sys/class/dmi/id/product_name": "m5.large\n",
            CPUFREQ.format(0, "scaling_governor"): "ondemand\n",
            CPUFREQ.format(1, "scaling_governor"): "schedutil\n",
            "quota": "/sys/fs/cgroup/cpu.max:50000 100000\n",
            "python": '{"python": "3.11.2", "numpy": "1.26.4", "odd": "1", "torch": 2}\n',
        }
    )
    assert dict(facts.pairs) == {
        "architecture": "x86_64",
        "cores": "2",
        "cpu_model": "AMD EPYC",
        "governor": "ondemand,schedutil",
        "kernel": "Linux 6.1.0-18-amd64",
        "memory_mb": "0",
        "system": "unknown",
        "container": "docker",
        "cpu_limit": "0.5 cores",
        "machine": "Amazon EC2 m5.large",
        "microcode": "0x1000065",
        "turbo": "off",
        "virtual": "yes",
        "numpy": "1.26.4",
        "python": "3.11.2",
    }


@pytest.mark.parametrize(
    "said", ["", "sh: 1: python3: not found\n", "[]", '{"python": 3}', "[" * 100_000, "1"]
)
def test_a_device_without_python_has_no_distributions(said: str) -> None:
    assert parse_facts({"cpuinfo": EPYC, "python": said}).distributions == ()


def test_a_quiet_device() -> None:
    health = parse_health(QUIET)
    assert (health.cores, health.load, health.memory_available_mb) == (4, 0.31, 7632)
    assert (health.frequency_mhz, health.governor) == (2400, "performance")
    assert health.temperature_c == 52.35
    assert health.verdict == "quiet"
    assert health.warnings == ()


def test_everything_that_disturbs_is_said() -> None:
    health = parse_health(
        QUIET
        | {
            "/proc/loadavg": "2.5 1 1 4/213 4242\n",
            "/proc/meminfo": "MemTotal: 8058328 kB\nMemAvailable: 200000 kB\n",
            CPUFREQ.format(0, "scaling_governor"): "powersave\n",
            "/sys/class/thermal/thermal_zone0/temp": "84000\n",
        }
    )
    assert health.verdict == "disturbed"
    load, heat, governor, memory = health.warnings
    assert "load 2.5 on 4 cores; end them" in load
    assert "84 °C; cool it" in heat
    assert "sudo cpupower frequency-set -g performance" in governor
    assert "only 204 MB" in memory
    assert health.disturbances == health.warnings


def test_what_the_kernel_does_not_offer_is_unknown_and_no_reproach() -> None:
    health = parse_health({"cpuinfo": cores(1)})
    assert (health.cores, health.load, health.frequency_mhz) == (1, None, None)
    assert (health.governor, health.temperature_c, health.states) == ("unknown", None, ())
    assert health.verdict == "quiet"


def stat(core: str, user: int, idle: int) -> str:
    return f"{core} {user} 0 0 {idle} 0 0 0 0 {user} 0\n"


def watched(before: str, after: str) -> dict[str, str]:
    return QUIET | {"stat_before": before, "stat": after}


def test_what_is_busy_now_counts_and_not_the_average_of_a_minute() -> None:
    busy_before = {"/proc/loadavg": "4.0 1 1 4/213 4242\n"}
    health = parse_health(watched(stat("cpu", 1000, 2000), stat("cpu", 1010, 2190)) | busy_before)
    assert health.busy_cores == pytest.approx(0.2)
    assert health.verdict == "quiet"
    health = parse_health(watched(stat("cpu", 1000, 2000), stat("cpu", 1100, 2100)))
    assert health.warnings == (
        "other programs are running: 2.0 of 4 cores are busy; end them, or wait",
    )


@pytest.mark.parametrize("before", ["", "intr 5\n", stat("cpu", 1000, 2000), "cpu a b c d e\n"])
def test_a_stat_that_does_not_count_is_unknown(before: str) -> None:
    assert parse_health(watched(before, stat("cpu", 1000, 2000))).busy_cores is None


def test_cores_that_others_use_are_no_concern_of_who_is_pinned() -> None:
    before = "".join(stat(name, 0, 0) for name in ("cpu", "cpu0", "cpu1"))
    after = stat("cpu", 100, 100) + stat("cpu0", 100, 0) + stat("cpu1", 0, 100)
    health = parse_health(watched(before, after))
    assert health.verdict == "disturbed"
    mine, theirs = (health.seen_from([core], gpu=False) for core in (1, 0))
    assert (mine.verdict, mine.cores, mine.frequency_mhz) == ("quiet", 1, 2400)
    assert theirs.verdict == "disturbed"
    assert theirs.governor == "performance"


def test_throttles_are_counted_over_cores() -> None:
    path = CPUS + "/cpu{}/thermal_throttle/core_throttle_count"
    assert parse_health(QUIET | {path.format(0): "3\n", path.format(1): "4\n"}).throttles == 7


# Linux kernel, Documentation/admin-guide/pm/intel_pstate.rst: with hardware-managed P-states
# `powersave` is the usual governor, and frequency follows load.
def test_powersave_of_a_driver_that_follows_load_is_no_reproach() -> None:
    files = QUIET | {
        CPUFREQ.format(0, "scaling_governor"): "powersave\n",
        CPUFREQ.format(0, "scaling_driver"): "intel_pstate\n",
        CPUFREQ.format(0, "energy_performance_preference"): "balance_performance\n",
    }
    assert parse_health(files).verdict == "quiet"
    saving = {CPUFREQ.format(0, "energy_performance_preference"): "power\n"}
    assert parse_health(files | saving).verdict == "disturbed"


def test_capped_frequencies_are_said_and_not_waited_for() -> None:
    files = dict(QUIET)
    for core in range(4):
        files[CPUFREQ.format(core, "cpuinfo_max_freq")] = "2400000\n"
        files[CPUFREQ.format(core, "scaling_max_freq")] = f"{1800000 if core < 2 else 2400000}\n"
    health = parse_health(files)
    (warning,) = health.warnings
    assert warning.startswith("frequencies are capped: cores 0-1 at 1800 of 2400 MHz; lift it")
    assert health.verdict == "quiet"
    assert health.seen_from([2, 3], gpu=False).warnings == ()


@pytest.mark.parametrize(
    ("raw", "celsius"),
    [("47", 47.0), ("47000", 47.0), ("470", None), ("999999", None), ("x", None)],
)
def test_old_kernels_count_in_degrees(raw: str, celsius: float | None) -> None:
    files = {"cpuinfo": cores(1), "/sys/class/thermal/thermal_zone0/temp": f"{raw}\n"}
    assert parse_health(files).temperature_c == celsius
