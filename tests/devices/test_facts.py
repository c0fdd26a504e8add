from __future__ import annotations

from sartor.devices.facts import (
    count_cores,
    parse_cpu_model,
    parse_governor,
    parse_meminfo,
    parse_os_release,
)
from sartor.devices.files import split_files

EPYC = """\
processor	: 0
vendor_id	: AuthenticAMD
model		: 17
model name	: AMD EPYC
cpu MHz		: 2596.130

processor	: 1
model name	: AMD EPYC
"""
RASPBERRY_PI = """\
processor	: 0
BogoMIPS	: 108.00
CPU implementer	: 0x41
CPU architecture: 8
CPU part	: 0xd0b

Hardware	: BCM2835
Revision	: d04170
Model		: Raspberry Pi 5 Model B Rev 1.0
"""


def test_x86_names_its_processor() -> None:
    assert parse_cpu_model(EPYC) == "AMD EPYC"
    assert count_cores(EPYC) == 2


def test_arm_names_its_board_and_the_number_of_its_processor() -> None:
    assert parse_cpu_model(RASPBERRY_PI) == "Raspberry Pi 5 Model B Rev 1.0 (CPU 0x41/0xd0b)"
    assert parse_cpu_model(RASPBERRY_PI, "Pi 500\0\n") == "Pi 500 (CPU 0x41/0xd0b)"
    assert parse_cpu_model("") == "CPU ?/?"


def test_memory_is_in_decimal_megabytes() -> None:
    text = "MemTotal:        8058328 kB\nMemAvailable:    7453312 kB\nHugePages_Total:       0\n"
    assert parse_meminfo(text) == {"MemTotal": 8251, "MemAvailable": 7632}
    assert parse_meminfo("") == {"MemTotal": 0}


def test_the_distribution_has_a_name() -> None:
    assert parse_os_release('NAME="Debian"\nPRETTY_NAME="Debian 12"\n') == "Debian 12"
    assert parse_os_release("NAME=Alpine\n") == "Alpine"
    assert parse_os_release("") == "unknown"


def test_governors_are_named_once_each() -> None:
    cpu = "/sys/devices/system/cpu/cpu{}/cpufreq/scaling_governor"
    files = {cpu.format(0): "ondemand\n", cpu.format(1): "ondemand\n", cpu.format(4): "schedutil\n"}
    assert parse_governor(files) == "ondemand,schedutil"
    assert parse_governor({}) == "unknown"


def test_lines_are_sorted_by_the_file_they_come_from() -> None:
    output = "/a:one: two\n/b/c:\n/a:three\nnoise without a path\n"
    assert split_files(output) == {"/a": "one: two\nthree\n", "/b/c": "\n"}
