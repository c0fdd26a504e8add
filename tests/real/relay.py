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
import fcntl
import heapq
import os
import random
import select
import struct
import subprocess
import sys
import time

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
            if number == _MOST_LINKS - 1 or error.errno != 16:  # EBUSY
                raise
            continue
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.unshare(_CLONE_NEWNET):
            raise OSError(ctypes.get_errno(), "no network namespace can be made")
        subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
        return near, make_tun("eth0", there, here), here, there
    raise AssertionError


def main() -> None:
    """Carry packets until the input ends."""
    near, far, here, there = make_link()
    print("ready", here, there, flush=True)
    delay_s = jitter_s = loss = 0.0
    is_cut = False
    waiting: list[tuple[float, int, int, bytes]] = []
    number = 0
    while True:
        patience = max(0.0, waiting[0][0] - time.monotonic()) if waiting else None
        readable, _, _ = select.select([near, far, sys.stdin], [], [], patience)
        if sys.stdin in readable:
            match sys.stdin.readline().split():
                case ["delay", delay_ms, jitter_ms]:
                    delay_s, jitter_s = float(delay_ms) / 1000, float(jitter_ms) / 1000
                case ["loss", share]:
                    loss = float(share)
                case ["cut"]:
                    is_cut = True
                    waiting.clear()
                case ["heal"]:
                    is_cut = False
                case _:
                    return
            print("ok", flush=True)
        now = time.monotonic()
        for source, target in ((near, far), (far, near)):
            for _ in range(_BURST if source in readable else 0):
                try:
                    packet = os.read(source, 65536)
                except BlockingIOError:
                    break
                if is_cut or random.random() < loss:
                    continue
                number += 1
                due = now + delay_s + random.random() * jitter_s
                heapq.heappush(waiting, (due, number, target, packet))
        while waiting and waiting[0][0] <= time.monotonic():
            _, _, target, packet = heapq.heappop(waiting)
            try:
                os.write(target, packet)
            except OSError:  # a full queue loses packets, as real ones do
                pass


if __name__ == "__main__":
    main()
