from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from sartor.devices import LocalDevice
from sartor.devices.health import parse_health
from sartor.devices.kinds.quota import AFTER, BEFORE, Quota, read_quota
from sartor.devices.question import Question, ask

# Container limits as cgroup v2 and v1 show them (Documentation/admin-guide/cgroup-v2.rst).
V2 = "/sys/fs/cgroup/cpu.max:150000 100000\n/sys/fs/cgroup/cpu.stat:nr_throttled {}\n"
V1 = (
    "/sys/fs/cgroup/cpu/docker/a/cpu.cfs_quota_us:50000\n"
    "/sys/fs/cgroup/cpu/docker/a/cpu.cfs_quota_us:50000\n"
    "/sys/fs/cgroup/cpu/docker/a/cpu.cfs_period_us:100000\n"
    "/sys/fs/cgroup/cpu/docker/a/cpu.stat:nr_periods 9\n"
    "/sys/fs/cgroup/cpu/docker/a/cpu.stat:nr_throttled 4\n"
    "/sys/fs/cgroup/cpu/cpu.cfs_quota_us:-1\n"
    "/sys/fs/cgroup/cpu/cpu.cfs_period_us:100000\n"
)


def test_the_tightest_limit_counts() -> None:
    assert read_quota({"quota": V1}, 4) == Quota(0.5, 0, 0)
    assert read_quota({"quota": V1 + V2.format(0)}, 4) == Quota(0.5, 0, 0)
    assert read_quota({"quota": V2.format(0)}, 4) == Quota(1.5, 0, 0)


@pytest.mark.parametrize(
    "said",
    [
        "",
        "/sys/fs/cgroup/cpu.max:max 100000\n",
        "/sys/fs/cgroup/cpu.max:400000 100000\n",  # as much as there is
        "/sys/fs/cgroup/cpu.max:\n",
        "/sys/fs/cgroup/cpu.max:0 0\n",
        "/sys/fs/cgroup/cpu.max:-5 x\n",
    ],
)
def test_no_limit(said: str) -> None:
    assert read_quota({"quota": said}, 4) is None


def test_being_stopped_now_is_a_disturbance_and_a_limit_alone_is_not() -> None:
    def health(before: int, now: int) -> tuple[str, ...]:
        cpuinfo = "".join(f"processor\t: {core}\n" for core in range(4))
        answer = {"quota_before": V2.format(before), "quota": V2.format(now), "cpuinfo": cpuinfo}
        found = parse_health(answer)
        assert len(found.warnings) == 1
        assert "1.5 cores" in found.warnings[0]
        assert "docker run --cpus" in found.warnings[0]
        return found.disturbances

    assert health(7, 7) == ()
    (stopped,) = health(7, 9)
    assert stopped.startswith("the kernel stops its programs for a limit of 1.5 cores")


@pytest.fixture
def limited() -> Iterator[Path]:
    """A group of a fifth of a core, of whichever version of cgroups this machine has."""
    for root in ("/sys/fs/cgroup", "/sys/fs/cgroup/cpu"):
        group = Path(root) / f"sartor-test-{os.getpid()}"
        try:
            group.mkdir()
        except OSError:
            continue
        if (group / "cpu.max").exists():
            (group / "cpu.max").write_text("20000 100000")
        elif (group / "cpu.cfs_quota_us").exists():
            (group / "cpu.cfs_quota_us").write_text("20000")
        else:
            group.rmdir()
            continue
        yield group
        for pid in (group / "cgroup.procs").read_text().split():
            (group.parent / "cgroup.procs").write_text(pid)
        group.rmdir()
        return
    pytest.skip("no group of processes can be made here: not root, or no CPU controller")


def test_a_real_limit_is_found_and_seen_to_stop_programs(limited: Path, tmp_path: Path) -> None:
    script = f"""
import os, sys
open({str(limited / "cgroup.procs")!r}, "w").write(str(os.getpid()))
sys.stdout.write("in\\n"); sys.stdout.flush()
if os.fork() == 0:
    while True: pass
from sartor.devices import LocalDevice
from pathlib import Path
health = LocalDevice(Path({str(tmp_path)!r})).health()
print([part for part in health.parts], health.disturbances)
os.killpg(0, 9)
"""
    program = subprocess.Popen(
        [sys.executable, "-c", script], stdout=subprocess.PIPE, text=True, start_new_session=True
    )
    said, _ = program.communicate(timeout=120)
    assert "Quota(cores=0.2" in said
    assert "the kernel stops its programs for a limit of 0.2 cores" in said


def test_this_machine_is_asked_in_its_own_version(tmp_path: Path) -> None:
    answer = ask(LocalDevice(tmp_path), Question(programs=(BEFORE, AFTER)))
    if not Path("/sys/fs/cgroup").is_dir() or not any(Path("/sys/fs/cgroup").iterdir()):
        pytest.skip("there are no cgroups here")
    assert "cpu.stat:" in answer["quota"]
