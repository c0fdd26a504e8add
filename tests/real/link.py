"""A link to another machine that can be slow, lossy and cut: a network namespace of our own."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from .sshd import Sshd


@cache
def why_no_link() -> str:
    """Tell why no link can be made here; empty where one can."""
    if os.getuid() != 0:
        return "a network namespace needs root"
    if shutil.which("ip") is None or shutil.which("nsenter") is None:
        return "no ip or no nsenter is installed; on Debian: apt-get install iproute2 util-linux"
    if not Path("/dev/net/tun").exists():
        return "this kernel offers no TUN devices"
    try:
        with running_link():
            return ""
    except AssertionError as error:
        return f"no network namespace can be made: {error}"


@dataclass(frozen=True)
class Link:
    """A link between this machine and another one, which has its own network.

    Attributes:
        here: our own address on the link.
        there: the address of the other machine.
        enter: words before a program that start it on the other machine.
    """

    here: str
    there: str
    enter: tuple[str, ...]
    _relay: subprocess.Popen[str]

    def slow_down(self, delay_ms: float, jitter_ms: float = 0) -> None:
        """Have every packet take so long, each way, and up to ``jitter_ms`` longer."""
        self._tell(f"delay {delay_ms:g} {jitter_ms:g}")

    def lose(self, share: float) -> None:
        """Lose a share of all packets, 0 to 1, each way."""
        self._tell(f"loss {share:g}")

    def cut(self) -> None:
        """Let nothing pass, and tell nobody."""
        self._tell("cut")

    def heal(self) -> None:
        """Let packets pass again."""
        self._tell("heal")

    def _tell(self, command: str) -> None:
        assert self._relay.stdin is not None
        assert self._relay.stdout is not None
        self._relay.stdin.write(f"{command}\n")
        self._relay.stdin.flush()
        assert self._relay.stdout.readline() == "ok\n", command


@contextmanager
def running_link() -> Iterator[Link]:
    """Make a link, and leave nothing of it behind; it goes, too, when the tests are killed."""
    argv = [sys.executable, str(Path(__file__).with_name("relay.py"))]
    with subprocess.Popen(
        argv,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as relay:
        assert relay.stdin is not None
        assert relay.stdout is not None
        assert relay.stderr is not None
        try:
            words = relay.stdout.readline().split()
            assert words[:1] == ["ready"], relay.stderr.read()
            enter = ("nsenter", f"--net=/proc/{relay.pid}/ns/net")
            yield Link(words[1], words[2], enter, relay)
        finally:
            relay.stdin.close()
            relay.wait(10)


@contextmanager
def running_far_sshd(settings: str = "") -> Iterator[tuple[Sshd, Link]]:
    """Make an SSH server on the other side of a link: its address is the server's."""
    with running_link() as link, tempfile.TemporaryDirectory(prefix="sshd", dir="/tmp") as name:
        Path(name).chmod(0o755)
        folder = Path(name)
        with Sshd(folder, settings, host=link.there, enter=link.enter, port=2222) as server:
            yield server, link
