"""Stages on which things go wrong: real devices behind real connections that can be broken."""

from __future__ import annotations

import os
import signal
import subprocess
import tempfile
import threading
import time
import uuid
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path, PurePosixPath

from sartor.devices import Device
from sartor.devices.adb import AdbDevice
from sartor.devices.ssh import SshAddress, SshDevice
from sartor.profiler.provision import prepare
from sartor.profiler.provision.bundle_prepare import put_bundle

from ...real.adbd import Phone, running_adb_server, running_phone
from ...real.bundle import built_bundle
from ...real.cache import cache_folder
from ...real.link import Link, running_far_sshd
from ...real.sshd import Sshd
from ..hostile import program_that

_SHELL_USER = 2000


class Stage(ABC):
    """A device of one kind, and all that can happen to it.

    Attributes:
        kind: ``SSH`` or ``ADB``.
    """

    kind: str

    @abstractmethod
    def device(self) -> Device:
        """Return the device as users get it: without patience, and not connected yet."""

    @abstractmethod
    def prepare(self) -> None:
        """Put LiteRT on it."""

    @abstractmethod
    def unprepare(self) -> None:
        """Remove LiteRT from it."""

    @abstractmethod
    def cut(self) -> None:
        """Break all connections, and let new ones through."""

    @abstractmethod
    def unplug(self) -> None:
        """Break all connections, and let no new ones through."""

    @abstractmethod
    def plug(self) -> None:
        """Let connections through."""

    @abstractmethod
    def silence(self) -> None:
        """Let nothing pass and tell nobody, until ``plug``."""

    @abstractmethod
    def restart(self) -> None:
        """Switch it off and on."""

    @abstractmethod
    def inside(self, place: PurePosixPath) -> tuple[int, Path]:
        """Return a process of the device's own, and what it calls a place of the device."""

    @property
    @abstractmethod
    def account(self) -> int:
        """The number of the account that we have there."""

    def soon(self, act: Callable[[], object], after_s: float) -> None:
        """Do something in a moment, from another thread, at whatever that breaks."""
        threading.Timer(after_s, act).start()

    def processes(self, *words: str) -> list[int]:
        """Return the process ids, as this machine counts them, of programs of ours over there."""
        found, root = [], str(self.device().root)
        for folder in Path("/proc").glob("[0-9]*"):
            with suppress(OSError):
                command = (folder / "cmdline").read_bytes().decode(errors="replace")
                if all(word in command for word in (root, *words)):
                    found.append(int(folder.name))
        return found

    def signal(self, number: int, *words: str) -> int:
        """Send a signal to programs of ours over there; return to how many."""
        pids = self.processes(*words)
        for pid in pids:
            with suppress(ProcessLookupError):
                os.kill(pid, number)
        return len(pids)

    def fill(self) -> None:
        """Leave no room for models."""
        device = self.device()
        device.run(["mkdir", "-p", str(device.root / "agents")], 30)
        pid, place = self.inside(device.root / "agents")
        options = f"size=16k,uid={self.account},gid={self.account},mode=0700"
        self._enter(pid, "mount", "-t", "tmpfs", "-o", options, "none", str(place))

    def free(self) -> None:
        """Leave room for models again."""
        pid, place = self.inside(self.device().root / "agents")
        self._enter(pid, "umount", "-l", str(place))

    def rename_boot(self) -> None:
        """Give this boot another name; the kernel's stays, as it is this machine's."""
        pid, place = self.inside(PurePosixPath("/proc/sys/kernel/random/boot_id"))
        # A file of memory, that no other process needs to see.
        script = 'd=$(mktemp -d) && echo "$1" >"$d/boot" && mount --bind "$d/boot" "$2"'
        self._enter(pid, "sh", "-c", script, "sh", str(uuid.uuid4()), str(place))

    def python_that(self, first: str) -> str:
        """Put a program on the device that runs some code before each agent; return its path."""
        device = self.device()
        folder = device.root / f"wrong-{uuid.uuid4().hex[:8]}"
        shell = "/system/bin/sh" if self.kind == "ADB" else "/bin/sh"
        start = f'#!{shell}\nexec {device.python} {folder / "wrong.py"} "$@"\n'
        with tempfile.TemporaryDirectory() as name:
            for file, text in (
                ("python", start),
                ("wrong.py", program_that(str(folder), first)),
            ):
                (Path(name) / file).write_text(text)
                device.push(Path(name) / file, folder / file)
        device.run(["chmod", "700", str(folder / "python")], 30)
        return str(folder / "python")

    def reset(self) -> None:
        """Be whole, and have nothing of ours running."""
        self.plug()
        self.signal(signal.SIGKILL)
        deadline = time.monotonic() + 20
        while self.processes() and time.monotonic() < deadline:
            time.sleep(0.05)

    @staticmethod
    def _enter(pid: int, *argv: str) -> None:
        subprocess.run(["nsenter", f"--mount=/proc/{pid}/ns/mnt", *argv], check=True)


class SshStage(Stage):
    """An OpenSSH server behind a link, with an account and processes of its own."""

    kind = "SSH"

    def __init__(self, server: Sshd, link: Link, folder: Path) -> None:
        self.server, self.link = server, link
        self._known, self._config = folder / "known_hosts", folder / "config"
        self.know()
        self._config.write_text(server.client_config("pi", self._known))
        self._own, self._python, self._devices = folder / "own", "", list[SshDevice]()

    def know(self) -> None:
        """Know the server's present key."""
        self._known.write_text(self.server.known_hosts_line())

    def device(self) -> SshDevice:
        device = SshDevice(
            "pi4", SshAddress("pi"), None, self._python, config=self._config, known_hosts=self._own
        )
        device._root = PurePosixPath(self.server.home) / ".cache/sartor/device"
        return device

    def prepare(self) -> None:
        device = self.device()
        prepared = prepare(device, "litert", cache=cache_folder() / "wheels")
        self._python = str(prepared.python)
        device.close()

    def unprepare(self) -> None:
        self._python = ""
        device = self.device()
        device.run(["rm", "-rf", str(device.root / "environments")], 60)
        device.close()

    def cut(self) -> None:
        self.server.cut()

    def unplug(self) -> None:
        self.link.cut()

    def plug(self) -> None:
        self.link.heal()

    def silence(self) -> None:
        self.link.cut()

    def restart(self) -> None:
        self.server.stop()
        self.server.start()
        self.rename_boot()

    def inside(self, place: PurePosixPath) -> tuple[int, Path]:
        process = self.server._process
        assert process is not None
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
        pid = process.pid
        while words := children.read_text().split():
            pid = int(words[0])
            children = Path(f"/proc/{pid}/task/{pid}/children")
            if (Path(f"/proc/{pid}/ns/mnt")).readlink() != Path("/proc/self/ns/mnt").readlink():
                break
        return pid, Path(place)

    @property
    def account(self) -> int:
        return self.server.home.stat().st_uid


class AdbStage(Stage):
    """Debian's adbd as a phone, on a cable that can be pulled."""

    kind = "ADB"

    def __init__(self, phone: Phone) -> None:
        self.phone, self._python = phone, ""

    def device(self) -> AdbDevice:
        return AdbDevice("phone", self.phone.serial, python=self._python)

    def prepare(self) -> None:
        self._python = str(put_bundle(self.device(), built_bundle()).python)

    def unprepare(self) -> None:
        self._python = ""
        self.phone.empty()

    def cut(self) -> None:
        self.phone.cable.cut()

    def unplug(self) -> None:
        self.phone.cable.pull()

    def plug(self) -> None:
        self.phone.cable.plug()

    def silence(self) -> None:
        self.phone.cable.hold()

    def restart(self) -> None:
        self.phone.reboot()
        self.rename_boot()

    def inside(self, place: PurePosixPath) -> tuple[int, Path]:
        return self.phone._init, Path(f"{self.phone._settings['root']}{place}")

    @property
    def account(self) -> int:
        return _SHELL_USER


@contextmanager
def ssh_stage() -> Iterator[SshStage]:
    """Set up a device over SSH, with LiteRT on it."""
    with (
        running_far_sshd() as (server, link),
        tempfile.TemporaryDirectory(prefix="sartor-client-", dir="/tmp") as name,
    ):
        stage = SshStage(server, link, Path(name))
        stage.prepare()
        yield stage


@contextmanager
def adb_stage() -> Iterator[AdbStage]:
    """Set up a phone, with the bundle on it."""
    with (
        tempfile.TemporaryDirectory(prefix="sartor-adb-", dir="/tmp") as keys,
        tempfile.TemporaryDirectory(prefix="sartor-phone-", dir="/tmp") as data,
        running_adb_server(Path(keys)),
        running_phone(Path(data)) as phone,
    ):
        stage = AdbStage(phone)
        stage.prepare()
        yield stage
