"""Two hundred devices profiled at once from one host: is any held up, and what does it take?

    python benchmarks/fleet.py                       # 200 devices, all sound
    python benchmarks/fleet.py --devices 50 --relay  # as if connections lay between
    python benchmarks/fleet.py --store postgresql+psycopg://USER@HOST/DATABASE

Every device is simulated: a process with a folder and a lock of its own, which speaks the agent's
protocol and answers with what this machine's own LiteRT was measured to take, after the time that
it took (``--pace`` times that). The host is the real ``sartor profile --device … --device …``, one
process for all of them, with the store, the models, the locks and the leases of any collection.

It prints how many tables are complete, the largest memory of the host's process, how far the
devices' finishing times spread, the longest that any device waited for its next job, how busy they
were, and how many windows the store took a second.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np

from sartor.benchmarks.arguments import documented_parser
from sartor.benchmarks.simulated.fleet import Simulated, make, write_inventory
from sartor.benchmarks.simulated.recording import record
from sartor.devices import find_device
from sartor.profiler import Plan, collect, make_plan
from sartor.specializer.cli.output import note, print_facts, print_json
from sartor.specializer.cost import calibration_networks, reachable_operators
from sartor.specializer.shipped import find_spec
from sartor.tables import Condition, SartorError, Store
from sartor.tables.errors import MeasurementError

SUPERNET = "sartor.benchmarks.simulated.small:SMALL"
_GLANCE_S = 0.1


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a fleet was profiled.

    Attributes:
        devices: that there were.
        complete: that have a table with all that was planned.
        windows: in all tables.
        seconds: from the start of the host's process to its end.
        host_mb: the largest memory of the host's process, in megabytes (10⁶ bytes).
        host_threads: the most that it had.
        host_cpu_s: that it computed, without the devices.
        first_done_s: when the first device had answered its last job.
        last_done_s: when the last had.
        longest_wait_s: that any device's agent was without a job between two.
        median_wait_s: of the longest waits of all devices.
        busy_share: of a device's time from its first job to its last, the median of all devices.
        least_busy_share: of the device that waited most.
        windows_per_s: that the store took.
    """

    devices: int
    complete: int
    windows: int
    seconds: float
    host_mb: float
    host_threads: int
    host_cpu_s: float
    first_done_s: float
    last_done_s: float
    longest_wait_s: float
    median_wait_s: float
    busy_share: float
    least_busy_share: float
    windows_per_s: float


def plan_of(passes: int, networks: int) -> Plan:
    """Plan what ``sartor profile --supernet SUPERNET`` does."""
    spec = find_spec(SUPERNET)
    return make_plan(reachable_operators(spec), calibration_networks(spec, networks), passes)


def record_here(plan: Plan, folder: Path) -> None:
    """Measure all of a plan on this machine, in one pass, for simulated devices to repeat."""
    single = Plan(plan.operators, plan.networks, passes=1)
    with Store.open(folder / "recorded.sqlite") as store:
        rng = np.random.default_rng(0)
        collect(find_device("local"), store, "recorded", single, Condition("litert"), rng)
        record(store.load("recorded"), single, folder)


def profile(
    fleet: Sequence[Simulated], folder: Path, store: str, plan: Plan, *, relay: bool
) -> Outcome:
    """Profile a fleet, and look at its host's process meanwhile.

    Args:
        fleet: to be profiled.
        folder: for the inventory, and for what the host says.
        store: file or URL.
        plan: that the host is to make.
        relay: whether the devices are to be taken for remote ones.
    """
    inventory, errors = folder / "devices.toml", folder / "errors"
    write_inventory(list(fleet), inventory)
    named = [word for one in fleet for word in ("--device", one.name)]
    command = [
        *(sys.executable, "-m", "sartor.specializer.cli", "profile", *named),
        *("--supernet", SUPERNET, "--networks", str(len(plan.networks))),
        *("--passes", str(plan.passes), "--most-passes", str(plan.passes), "--force"),
        *("--store", store, "--inventory", str(inventory), "--json"),
    ]
    if relay:
        amounts = (str(plan.passes), str(len(plan.networks)))
        program = "sartor.benchmarks.simulated.relayed"
        command = [sys.executable, "-m", program, str(inventory), store, SUPERNET, *amounts]
    started = time.monotonic()
    with errors.open("w") as said, (folder / "report.json").open("w") as report:
        host = subprocess.Popen(command, stdout=report, stderr=said)
        seen = _Seen()
        while host.poll() is None:
            seen.look(host.pid)
            time.sleep(_GLANCE_S)
    seconds = time.monotonic() - started
    complete = _complete(store, [one.name for one in fleet], plan)
    if not any(one.jobs for one in fleet):
        raise MeasurementError(f"no device was given a job: {errors.read_text()[-1000:]}")
    waits = [_waits(one) for one in fleet if one.jobs]
    done_s = [one.jobs[-1].answered_s - started for one in fleet if one.jobs]
    return Outcome(
        devices=len(fleet),
        complete=complete,
        windows=complete * plan.windows,
        seconds=seconds,
        host_mb=seen.most_bytes / 1e6,
        host_threads=seen.most_threads,
        host_cpu_s=seen.cpu_s,
        first_done_s=min(done_s),
        last_done_s=max(done_s),
        longest_wait_s=max(longest for longest, _ in waits),
        median_wait_s=statistics.median(longest for longest, _ in waits),
        busy_share=statistics.median(share for _, share in waits),
        least_busy_share=min(share for _, share in waits),
        windows_per_s=complete * plan.windows / seconds,
    )


@dataclass(slots=True)
class _Seen:
    """What was seen of a process."""

    most_bytes: int = 0
    most_threads: int = 0
    cpu_s: float = 0.0

    def look(self, pid: int) -> None:
        """Look at it, without its children."""
        try:
            status = Path(f"/proc/{pid}/status").read_text()
            ticks = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[11:13]
        except OSError:
            return  # it has just ended
        found = dict(line.split(":", 1) for line in status.splitlines() if ":" in line)
        most_kb = int(found.get("VmHWM", "0 kB").split()[0])
        self.most_bytes = max(self.most_bytes, 1024 * most_kb)
        self.most_threads = max(self.most_threads, int(found.get("Threads", "0")))
        self.cpu_s = sum(map(int, ticks)) / os.sysconf("SC_CLK_TCK")


def _complete(store: str, names: Sequence[str], plan: Plan) -> int:
    """Count the tables that hold every window that was planned."""
    with Store.open(store) as opened:
        found = {table.name: table for table in opened.tables()}
    tables = (found.get(f"{name}-litert") for name in names)
    return sum(table is not None and table.windows == plan.windows for table in tables)


def _waits(device: Simulated) -> tuple[float, float]:
    """Return the longest time between two jobs of one agent, and the share of work in all time."""
    jobs = device.jobs
    longest_s = max(
        (
            after.came_s - before.answered_s
            for before, after in pairwise(jobs)
            if before.agent == after.agent
        ),
        default=0.0,
    )
    busy_s = sum(job.answered_s - job.came_s for job in jobs)
    return longest_s, busy_s / (jobs[-1].answered_s - jobs[0].came_s)


def _print(outcome: Outcome) -> None:
    print_facts(
        f"{outcome.devices} devices at once",
        {
            "complete": f"{outcome.complete} of {outcome.devices}",
            "time": f"{outcome.seconds:.0f} s; the first device had ended after "
            f"{outcome.first_done_s:.0f} s, the last after {outcome.last_done_s:.0f} s",
            "host": f"{outcome.host_mb:.0f} MB at most, {outcome.host_threads} threads, "
            f"{outcome.host_cpu_s:.0f} s of one processor",
            "longest wait": f"{outcome.longest_wait_s:.1f} s of any device for its next job, "
            f"{outcome.median_wait_s:.1f} s in the median",
            "devices busy": f"{outcome.busy_share:.0%} of the time in the median, "
            f"{outcome.least_busy_share:.0%} at least",
            "store": f"{outcome.windows_per_s:.0f} windows a second",
        },
    )


def main() -> None:
    """Record, simulate, profile, and print."""
    parser = documented_parser(__doc__)
    parser.add_argument("--devices", type=int, default=200, help="how many (200)")
    parser.add_argument("--passes", type=int, default=3, help="over everything (3)")
    parser.add_argument("--networks", type=int, default=8, help="whole ones (8)")
    parser.add_argument("--pace", type=float, default=1.0, help="1 is that of this machine (1)")
    parser.add_argument("--relay", action="store_true", help="take them for remote devices")
    parser.add_argument("--store", default="", help="file or URL (a file of its own)")
    parser.add_argument("--recording", type=Path, help="folder to keep the recording in")
    parser.add_argument("--json", action="store_true", help="print JSON")
    arguments = parser.parse_args()
    try:
        run(arguments)
    except SartorError as error:
        sys.exit(f"{error}")


def run(arguments: argparse.Namespace) -> None:
    """Run the benchmark."""
    plan = plan_of(arguments.passes, arguments.networks)
    with tempfile.TemporaryDirectory(prefix="sartor-fleet-") as name:
        folder = Path(name)
        recording = arguments.recording or folder / "recording"
        if not (recording / "about.json").exists():
            note("measuring this machine once, for the others to repeat")
            recording.mkdir(parents=True, exist_ok=True)
            record_here(plan, recording)
        fleet = [
            make(f"sim{number:03}", folder / f"sim{number:03}", recording.resolve(), arguments.pace)
            for number in range(arguments.devices)
        ]
        store = arguments.store or str(folder / "tables.sqlite")
        outcome = profile(fleet, folder, store, plan, relay=arguments.relay)
        for line in (folder / "errors").read_text().splitlines()[:10]:
            note(line)
    if arguments.json:
        print_json(asdict(outcome) | {"load": os.getloadavg()[0], "settings": vars(arguments)})
    else:
        _print(outcome)


if __name__ == "__main__":
    main()
