from __future__ import annotations

import pytest

from sartor.devices import LocalDevice, find_cores
from sartor.devices.topology import Cluster, choose_cores, read_clusters
from sartor.tables.errors import CoresError, FormatError

from .kinds import excerpts

CPUS = "/sys/devices/system/cpu"


def pixel_6() -> dict[str, str]:
    tops = {
        f"{CPUS}/cpu{core}/cpufreq/cpuinfo_max_freq": f"{khz}\n"
        for core, khz in enumerate(excerpts.PIXEL_6_TOP_KHZ)
    }
    return {"cpuinfo": excerpts.PIXEL_6_CPUINFO, **tops}


PIXEL_6 = read_clusters(pixel_6())
ALIKE = (Cluster((0, 1, 2, 3), 1500, 0, "0xd08"),)


def test_clusters_are_told_apart_and_sorted_by_speed() -> None:
    assert list(PIXEL_6) == [
        Cluster((0, 1, 2, 3), 1803, 0, "0xd05"),
        Cluster((4, 5), 2350, 0, "0xd41"),
        Cluster((6, 7), 2850, 0, "0xd44"),
    ]
    assert ", ".join(map(str, PIXEL_6)) == "0-3 at 1803 MHz, 4-5 at 2350 MHz, 6-7 at 2850 MHz"


def test_numbers_of_cores_need_not_be_in_order_and_parts_have_to_do() -> None:
    clusters = read_clusters({"cpuinfo": excerpts.SNAPDRAGON_888_CPUINFO})
    assert [one.cores for one in clusters] == [(2, 3, 4, 5), (1, 6, 7), (0,)]


def test_cores_of_one_part_may_differ_in_speed() -> None:
    # Snapdragon 855: three of its four fast cores go to 2.42 GHz, one to 2.84 GHz.
    answer = {
        "cpuinfo": "".join(f"processor : {core}\nCPU part : 0x804\n" for core in range(4, 8)),
        **{f"{CPUS}/cpu{core}/cpufreq/cpuinfo_max_freq": "2419200" for core in (4, 5, 6)},
        f"{CPUS}/cpu7/cpufreq/cpuinfo_max_freq": "2841600",
    }
    assert [one.cores for one in read_clusters(answer)] == [(4, 5, 6), (7,)]


def test_the_kernels_rating_comes_before_frequency() -> None:
    # An efficient core may tick faster than a big one, and still do less.
    answer = {
        "cpuinfo": "".join(f"processor : {core}\nCPU part : {core}\n" for core in range(2)),
        f"{CPUS}/cpu0/cpu_capacity": "1024",
        f"{CPUS}/cpu1/cpu_capacity": "430",
        f"{CPUS}/cpu0/cpufreq/cpuinfo_max_freq": "2000000",
        f"{CPUS}/cpu1/cpufreq/cpuinfo_max_freq": "2200000",
    }
    assert [one.cores for one in read_clusters(answer)] == [(1,), (0,)]


def test_an_intel_hybrid_has_two_and_favoured_cores_make_none() -> None:
    tops = {0: 5200, 1: 5200, 2: 5000, 3: 5000, 4: 3800, 5: 3800}
    answer = {
        f"{CPUS}/cpu{core}/cpufreq/cpuinfo_max_freq": f"{mhz}000" for core, mhz in tops.items()
    }
    assert [one.cores for one in read_clusters(answer)] == [(0, 1, 2, 3, 4, 5)]
    kinds = {"/sys/devices/cpu_core/cpus": "0-3\n", "/sys/devices/cpu_atom/cpus": "4-5\n"}
    assert [one.cores for one in read_clusters(answer | kinds)] == [(4, 5), (0, 1, 2, 3)]


@pytest.mark.parametrize(
    ("text", "cores"),
    [
        ("big", (6, 7)),
        ("mid", (4, 5)),
        ("little", (0, 1, 2, 3)),
        ("4-7", (4, 5, 6, 7)),
        ("0", (0,)),
    ],
)
def test_users_name_clusters_or_list_cores(text: str, cores: tuple[int, ...]) -> None:
    assert choose_cores("phone", PIXEL_6, 8, text) == cores


def test_what_is_not_there_is_refused_with_what_is() -> None:
    with pytest.raises(CoresError, match=r"phone has no core 8-9; it has 0-3 at 1803 MHz, 4-5"):
        choose_cores("phone", PIXEL_6, 8, "7-9")
    with pytest.raises(CoresError, match=r"pi4 has no little cores: .* one kind of cores \(0-3 at"):
        choose_cores("pi4", ALIKE, 4, "little")
    with pytest.raises(CoresError, match="no mid cores: it has 2 kinds"):
        choose_cores("phone", PIXEL_6[1:], 4, "mid")
    with pytest.raises(FormatError, match="--cores takes big, mid, little, or such a list"):
        choose_cores("pi4", ALIKE, 4, "fast")


def test_where_all_are_alike_all_are_big() -> None:
    assert choose_cores("pi4", ALIKE, 4, "big") == (0, 1, 2, 3)


def test_a_kernel_that_says_nothing_has_cores_all_the_same() -> None:
    assert read_clusters({}) == ()
    assert choose_cores("box", (), 2, "1") == (1,)
    with pytest.raises(CoresError, match="no big cores"):
        choose_cores("box", (), 2, "big")


def test_this_machine_has_its_cores(local: LocalDevice) -> None:
    assert find_cores(local, "") == ()
    assert find_cores(local, "0") == (0,)
    assert find_cores(local, "big")
    with pytest.raises(CoresError, match="local has no core 4095"):
        find_cores(local, "4095")


@pytest.fixture
def local(tmp_path_factory: pytest.TempPathFactory) -> LocalDevice:
    return LocalDevice(tmp_path_factory.mktemp("device"))
