"""A program that joins this machine and a network namespace of its own by a link that can fail.

It carries packets between two TUN devices, because not every kernel has ``netem``. Run it as root;
it says ``ready HERE THERE`` once addresses are set, takes one command a line, answers ``ok``, and
goes when its input ends, and namespace and devices with it.

    delay MS JITTER_MS      of each packet, each way
    loss SHARE              of packets, 0 to 1
    cut                     nothing passes, nothing is refused
    heal                    packets pass again
"""

from __future__ import annotations

import ctypes
import errno
import fcntl
import heapq
import os
import random
import select
import struct
import subprocess
import sys
import time
from contextlib import suppress

_CLONE_NEWNET = 0x40000000
_TUNSETIFF = 0x400454CA
_TUN_WITHOUT_HEADERS = 0x1001
_MOST_LINKS = 250
_BURST = 64


def make_tun(name: str, address: str, peer: str) -> int:
    """Make a device in the present namespace; OSError when the name is taken."""
    tun = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    try:
        request = struct.pack("16sH22x", name.encode(), _TUN_WITHOUT_HEADERS)
        fcntl.ioctl(tun, _TUNSETIFF, request)
    except OSError:
        os.close(tun)
        raise
    run = ["ip", "addr", "add", address, "peer", peer, "dev", name]
    subprocess.run(run, check=True)
    subprocess.run(["ip", "link", "set", name, "up"], check=True)
    return tun


def make_link() -> tuple[int, int, str, str]:
    """Make both ends; the process is in the far namespace afterwards."""
    for number in range(_MOST_LINKS):
        # 198.18.0.0/15 is for measurements of network devices (RFC 2544): nobody lives there.
        here, there = f"198.18.{number}.1", f"198.18.{number}.2"
        try:
            near = make_tun(f"sartor{number}", here, there)
        except OSError as error:
            if number == _MOST_LINKS - 1 or error.errno != errno.EBUSY:
                raise
            continue
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.unshare(_CLONE_NEWNET):
            raise OSError(ctypes.get_errno(), "no network namespace can be made")
        subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
        return near, make_tun("eth0", there, here), here, there
    raise AssertionError


class Relay:
    """Carries packets between the two ends."""

    def __init__(self, near: int, far: int) -> None:
        self.ends = ((near, far), (far, near))
        self.delay_s = self.jitter_s = self.loss = 0.0
        self.is_cut = False
        self.waiting: list[tuple[float, int, int, bytes]] = []
        self.number = 0

    def obey(self, command: list[str]) -> bool:
        """Follow a command; False at the end."""
        match command:
            case ["delay", delay_ms, jitter_ms]:
                self.delay_s, self.jitter_s = float(delay_ms) / 1000, float(jitter_ms) / 1000
            case ["loss", share]:
                self.loss = float(share)
            case ["cut"]:
                self.is_cut = True
                self.waiting.clear()
            case ["heal"]:
                self.is_cut = False
            case _:
                return False
        return True

    def take(self, source: int, target: int) -> None:
        """Read packets that are to go to the other end, each in its time."""
        for _ in range(_BURST):
            try:
                packet = os.read(source, 65536)
            except BlockingIOError:
                return
            if not self.is_cut and random.random() >= self.loss:
                self.number += 1
                due_s = time.monotonic() + self.delay_s + random.random() * self.jitter_s
                heapq.heappush(self.waiting, (due_s, self.number, target, packet))

    def deliver(self) -> None:
        """Write the packets whose time has come."""
        while self.waiting and self.waiting[0][0] <= time.monotonic():
            _, _, target, packet = heapq.heappop(self.waiting)
            with suppress(OSError):  # a full queue loses packets, as real ones do
                os.write(target, packet)

    @property
    def patience_s(self) -> float | None:
        """How long there is nothing to deliver."""
        return max(0.0, self.waiting[0][0] - time.monotonic()) if self.waiting else None


def main() -> None:
    """Carry packets until the input ends."""
    near, far, here, there = make_link()
    relay = Relay(near, far)
    sys.stdout.write(f"ready {here} {there}\n")
    sys.stdout.flush()
    while True:
        readable, _, _ = select.select([near, far, sys.stdin], [], [], relay.patience_s)
        if sys.stdin in readable:
            if not relay.obey(sys.stdin.readline().split()):
                return
            sys.stdout.write("ok\n")
            sys.stdout.flush()
        for source, target in relay.ends:
            if source in readable:
                relay.take(source, target)
        relay.deliver()


if __name__ == "__main__":
    main()
