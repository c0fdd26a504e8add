"""What a link costs: the same latency table collected locally and over SSH, with delay.

    python benchmarks/remote.py                       # 50 ms each way; six minutes
    python benchmarks/remote.py --delay-ms 100        # as to the other side of the world
    python benchmarks/remote.py --resolutions 160 224 --passes 3   # a smaller table

As root, it starts a real OpenSSH server in a network namespace of its own on this machine, behind a
link that delays every packet. Both collections measure the operators of the Once-for-All
MobileNetV3 space, so the processor is the same, and so is the work. What differs is the link, whose
programs run here as well, both ends of them (sshd, encryption, checksums): on all processors but
the last one, which stands for the device. It prints seconds, connecting included, bytes, how often
something was asked of the device, and which share of the time the device was at work on models.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path, PurePosixPath

import numpy as np

from sartor.benchmarks.arguments import documented_parser
from sartor.devices import Completed, Device, DeviceFacts, Health, LocalDevice, Stream
from sartor.devices.ssh import SshAddress, SshDevice
from sartor.devices.view import View
from sartor.profiler import RUNTIMES, Plan, Progress, collect, make_plan
from sartor.profiler.reservation import reserved
from sartor.specializer.cli.options import DEFAULT_NETWORKS
from sartor.specializer.cli.output import note, print_json, print_table, progress_bar
from sartor.specializer.cost import calibration_networks, reachable_operators
from sartor.specializer.supernets.mobilenet_v3 import MobileNetV3
from sartor.tables import Condition, SartorError, Store
from sartor.tests.real.link import Link, running_link, why_no_link
from sartor.tests.real.sshd import Sshd, why_no_sshd

DEVICE_CORE = max(os.sched_getaffinity(0))
"""Stands for the device: nothing but agents runs there."""

_SPACE = (128, 144, 160, 176, 192, 208, 224)


class Counted(View):
    """A device as it is, that counts what is asked of it.

    Attributes:
        device: as it is.
        calls: programs run, files pushed and pulled, streams opened.
    """

    def __init__(self, device: Device) -> None:
        super().__init__(device)
        self.calls = 0

    def run(self, argv: Sequence[str], timeout_s: float) -> Completed:
        """Run a program to its end."""
        self.calls += 1
        return self.device.run(argv, timeout_s)

    def push(self, local: Path, remote: PurePosixPath) -> None:
        """Copy a file to the device."""
        self.calls += 1
        self.device.push(local, remote)

    def pull(self, remote: PurePosixPath, local: Path) -> None:
        """Copy a file from the device."""
        self.calls += 1
        self.device.pull(remote, local)

    def open_stream(self, argv: Sequence[str], environment: Mapping[str, str]) -> Stream:
        """Start a program and talk to it."""
        self.calls += 1
        return self.device.open_stream(argv, environment)

    def facts(self) -> DeviceFacts:
        """Return what the device is."""
        self.calls += 1
        return self.device.facts()

    def health(self) -> Health:
        """Return how the device is right now."""
        self.calls += 1
        return self.device.health()


@dataclass(frozen=True, slots=True)
class Collected:
    """How one collection went.

    Attributes:
        windows: measured.
        seconds: from the first question to the last window.
        busy_share: share of that time in which the device was at work on models.
        calls: how often something was asked of the device, besides what its streams carry.
        sent_mb: over the link, to the device, in megabytes (10⁶ bytes).
        received_mb: from it.
    """

    windows: int
    seconds: float
    busy_share: float
    calls: int
    sent_mb: float
    received_mb: float


@dataclass(frozen=True, slots=True)
class Outcome:
    """Both collections.

    Attributes:
        delay_ms: of every packet, each way.
        operators: that the tables hold.
        local: without a link.
        far: over the link.
        ratio: of the times, far to local.
    """

    delay_ms: float
    operators: int
    local: Collected
    far: Collected
    ratio: float


def run(arguments: argparse.Namespace) -> Outcome:
    """Collect both tables."""
    spec = MobileNetV3(classes=1000, resolutions=tuple(arguments.resolutions))
    plan = make_plan(
        reachable_operators(spec),
        calibration_networks(spec, DEFAULT_NETWORKS),
        arguments.passes,
        framed=RUNTIMES[arguments.runtime].frames(""),
    )
    with tempfile.TemporaryDirectory(prefix="sartor-remote-", dir="/tmp") as name:
        folder = Path(name)
        local = gather(Counted(LocalDevice(folder / "local")), folder / "db", plan, arguments)
        with running_link() as link, traffic(link) as moved, server_behind(link) as server:
            known, config = folder / "known_hosts", folder / "config"
            known.write_text(server.known_hosts_line())
            config.write_text(server.client_config("far", known))
            link.slow_down(arguments.delay_ms)
            device = SshDevice("far", SshAddress("far"), python=sys.executable, config=config)
            far = gather(Counted(device), folder / "db", plan, arguments, moved)
            device.close()
    return Outcome(
        delay_ms=arguments.delay_ms,
        operators=len(plan.operators),
        local=local,
        far=far,
        ratio=far.seconds / local.seconds,
    )


@contextmanager
def server_behind(link: Link) -> Iterator[Sshd]:
    """Run an SSH server for our own account: an unprivileged one may not see our Python."""
    with tempfile.TemporaryDirectory(prefix="sshd", dir="/tmp") as name:
        folder = Path(name)
        with Sshd(folder, host=link.there, enter=link.enter, port=2222, is_private=False) as server:
            yield server


class Traffic:
    """Bytes that went over our end of a link.

    Args:
        interface: of that end.
    """

    def __init__(self, interface: str) -> None:
        self._folder = Path("/sys/class/net") / interface / "statistics"
        self._before = self._read()

    @property
    def moved_mb(self) -> tuple[float, float]:
        """What was sent and what was received, in megabytes."""
        sent, received = (now - then for now, then in zip(self._read(), self._before, strict=True))
        return sent / 1e6, received / 1e6

    def _read(self) -> tuple[int, int]:
        sent, received = (self._folder / f"{way}_bytes" for way in ("tx", "rx"))
        return int(sent.read_text()), int(received.read_text())


@contextmanager
def traffic(link: Link) -> Iterator[Traffic]:
    """Count what goes over a link."""
    listed = subprocess.run(["ip", "-j", "addr"], check=True, capture_output=True, text=True)
    (interface,) = (
        found["ifname"]
        for found in json.loads(listed.stdout)
        if any(address["local"] == link.here for address in found["addr_info"])
    )
    yield Traffic(interface)


def gather(
    device: Counted,
    where: Path,
    plan: Plan,
    arguments: argparse.Namespace,
    moved: Traffic | None = None,
) -> Collected:
    """Collect one table from scratch, on a device that has been prepared."""
    with reserved(device):  # puts our archives there, as ``sartor devices prepare`` does
        pass
    if isinstance(device.device, SshDevice):
        device.device.close()
    rng = np.random.default_rng(arguments.seed)
    with Store.open(where) as store, progress_bar() as bar:
        task = bar.add_task(device.name, total=plan.windows)

        def show(done: Progress) -> None:
            bar.update(task, completed=done.windows + done.failures, total=done.of_windows)

        condition = Condition(arguments.runtime, cores=str(DEVICE_CORE))
        report = collect(device, store, device.name, plan, condition, rng, show, tell=note)
    sent_mb, received_mb = moved.moved_mb if moved else (0.0, 0.0)
    return Collected(
        windows=report.measured,
        seconds=report.seconds,
        busy_share=report.busy_share,
        calls=device.calls,
        sent_mb=sent_mb,
        received_mb=received_mb,
    )


def show(outcome: Outcome) -> None:
    """Print an outcome for people."""
    print_table(
        f"{outcome.operators} operators, {outcome.delay_ms:g} ms each way: "
        f"{outcome.ratio:.3f} times as long",
        ("", "windows", "seconds", "at work", "calls", "MB sent", "MB received"),
        [
            (
                *(name, found.windows, f"{found.seconds:.1f}", f"{found.busy_share:.1%}"),
                *(found.calls, f"{found.sent_mb:.1f}", f"{found.received_mb:.1f}"),
            )
            for name, found in (("local", outcome.local), ("far", outcome.far))
        ],
    )


def main() -> None:
    """Read the command line, collect, and print."""
    parser = documented_parser(__doc__)
    parser.add_argument("--runtime", default="litert", choices=sorted(RUNTIMES), help="(litert)")
    parser.add_argument("--delay-ms", type=float, default=50, help="of a packet, each way (50)")
    parser.add_argument("--resolutions", type=int, nargs="+", default=_SPACE, help="(128–224)")
    parser.add_argument("--passes", type=int, default=8, help="over all operators (8)")
    parser.add_argument("--seed", type=int, default=1, help="of networks and order (1)")
    parser.add_argument("--json", action="store_true", help="print the result as JSON")
    arguments = parser.parse_args()
    if why := why_no_sshd() or why_no_link():
        sys.exit(f"remote: {why}")
    os.sched_setaffinity(0, os.sched_getaffinity(0) - {DEVICE_CORE} or {DEVICE_CORE})
    try:
        outcome = run(arguments)
    except SartorError as error:
        sys.exit(f"remote: {error}")
    if arguments.json:
        print_json(asdict(outcome))
    else:
        show(outcome)


if __name__ == "__main__":
    main()
