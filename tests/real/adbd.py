"""Phones for tests: Debian 13's adbd, which is AOSP's, in namespaces of its own.

What is real: adbd, its protocol, the user ``shell`` (2000), mksh and toybox, as on a phone. What is
not: the kernel is this machine's, and there is no Android behind ``getprop``, ``dumpsys``, ``svc``,
``cmd``, ``input`` and ``settings``: those are small scripts (``android/bin``) that answer with
texts as phones print them (``android/PHONE``) and remember what they were told. This adbd asks
nobody before it lets a computer in: see ``fault_adbd`` for phones that do.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path, PurePosixPath

from .apt import unpack
from .cable import Cable
from .cache import cached

_SUITE = "trixie"
_PACKAGES = ("adbd", "libc6", "mksh", "toybox", "busybox-static")
_OF_BUSYBOX = ("dd", "tr")
"""Phones have them in toybox; Debian's was built without."""
_HERE = Path(__file__).parent
_PORT = 5555
_SHELL_USER = 2000
_STARTS_WITHIN_S = 60
_QEMU = "qemu-aarch64-static"
_USERS = {
    "passwd": "root:x:0:0::/:/bin/sh\nshell:x:2000:2000::/:/bin/sh\n",
    "group": "root:x:0:\nshell:x:2000:\n",
}


def why_no_phone(architecture: str = "amd64") -> str:
    """Say why no phone can be had here; empty if one can."""
    if os.getuid() != 0:
        return "a phone needs namespaces, and so root"
    wanted = ["adb", "unshare", "ip", "apt-get", "dpkg-deb"]
    if architecture == "arm64":
        wanted.append(_QEMU)
    missing = [program for program in wanted if shutil.which(program) is None]
    return f"not installed: {', '.join(missing)}" if missing else ""


def phone_root(architecture: str = "amd64") -> Path:
    """Return the root folder of a phone, shared by all: nothing in it may be changed."""

    def build(folder: Path) -> None:
        root = folder / "root"
        (root / "usr" / "lib64").mkdir(parents=True)
        (root / "lib64").symlink_to("usr/lib64")
        unpack(root, architecture, _SUITE, _PACKAGES)
        for name in ("data", "dev", "proc", "sys", "system/bin", "vendor/bin", "vendor/etc"):
            (root / name).mkdir(parents=True, exist_ok=True)
        toybox = [str(root / "usr/bin/toybox")]
        if architecture == "arm64":
            toybox = [_QEMU, "-L", str(root), *toybox]
        applets = subprocess.run(toybox, capture_output=True, text=True, check=True).stdout.split()
        for name in (*applets, "toybox"):
            (root / "system/bin" / name).symlink_to("/usr/bin/toybox")
        for name in _OF_BUSYBOX:
            (root / "system/bin" / name).symlink_to("/usr/bin/busybox")
        (root / "system/bin/sh").symlink_to("/usr/bin/mksh")
        (root / "usr/bin/sh").unlink(missing_ok=True)
        (root / "usr/bin/sh").symlink_to("mksh")
        (root / "etc").mkdir(exist_ok=True)
        for name in ("passwd", "group"):
            (root / "etc" / name).write_text(_USERS[name])

    return cached(f"adbd-{architecture}-4", build) / "root"


class Phone:
    """A phone, and the cable to it.

    Attributes:
        cable: that it hangs on.
        folder: of its data and its log on this machine.
    """

    def __init__(self, folder: Path, architecture: str, space: str, answers: Path) -> None:
        self.folder = folder
        self._emulator = shutil.which(_QEMU) or "" if architecture == "arm64" else ""
        self._settings = {
            "root": str(phone_root(architecture)),
            "data": str(folder / "data"),
            "commands": str(_HERE / "android" / "bin"),
            "answers": str(answers),
            "port": str(_PORT),
            "space": space,
            "emulator": self._emulator,
        }
        tmp = folder / "data" / "local" / "tmp"
        tmp.mkdir(parents=True)
        for place in (tmp, folder / "data"):
            shutil.chown(place, _SHELL_USER, _SHELL_USER)
            place.chmod(0o771)
        self._start()
        self.cable = Cable(self._init, _PORT)
        self._await()

    @property
    def serial(self) -> str:
        """By which adb knows it."""
        return f"127.0.0.1:{self.cable.port}"

    def path(self, place: str | PurePosixPath) -> Path:
        """Return where this machine finds a file of the phone's, by its absolute path there."""
        return Path(f"/proc/{self._init}/root{self._settings['root']}{place}")

    def processes(self) -> list[list[str]]:
        """Return the command lines of all that runs there; the dead are not counted."""
        found = []
        for number in self.path("/proc").iterdir():
            if number.name.isdigit():
                try:
                    line = (number / "cmdline").read_bytes()
                except OSError:
                    continue
                if line:
                    found.append(line.decode(errors="replace").rstrip("\0").split("\0"))
        return found

    def reboot(self) -> None:
        """End all that runs there, and start it again; the data stay."""
        self._stop()
        self.cable.cut()
        for forgotten in ("wakefulness", "fixed"):
            (self.folder / "data" / "phone" / forgotten).unlink(missing_ok=True)
        self._start()
        self.cable.inside = self._init, _PORT
        self._await()

    def empty(self) -> None:
        """Delete all that was put on it, and forget its settings."""
        for place in (self.path("/data/local/tmp"), self.folder / "data" / "phone"):
            for path in place.iterdir() if place.exists() else ():
                shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()

    def close(self) -> None:
        """End it."""
        self.cable.pull()
        self._stop()

    def _start(self) -> None:
        own_users = [sys.executable, "-I", str(_HERE / "own_users.py")] if self._emulator else []
        namespaces = ["--mount", "--pid", "--net", "--uts", "--ipc", "--fork", "--kill-child"]
        init = [sys.executable, "-I", str(_HERE / "phone_init.py"), json.dumps(self._settings)]
        self._log = (self.folder / "log").open("ab")
        self._process = subprocess.Popen(
            [*own_users, "unshare", *namespaces, *init],
            stdin=subprocess.PIPE,
            stdout=self._log,
            stderr=self._log,
            start_new_session=True,  # Ctrl-C is for the tests
        )
        deadline = time.monotonic() + _STARTS_WITHIN_S
        while not (found := self._first_processes()):
            self._may_still_come(deadline)
        self._init = found[0]

    def _first_processes(self) -> list[int]:
        """Return the child of ours that has number 1 in its own namespace, once it is there."""
        children = Path(f"/proc/{self._process.pid}/task/{self._process.pid}/children")
        with suppress(OSError):  # it may end meanwhile
            numbers = [int(number) for number in children.read_text().split()]
            return [number for number in numbers if "\t1\nNSpgid" in _status(number)]
        return []

    def _await(self) -> None:
        """Wait until its adbd takes connections: it greets nobody, so ask for what listens."""
        deadline = time.monotonic() + _STARTS_WITHIN_S
        listening = f":{_PORT:04X} "
        while listening not in Path(f"/proc/{self._init}/net/tcp6").read_text():
            self._may_still_come(deadline)

    def _may_still_come(self, deadline: float) -> None:
        assert self._process.poll() is None, self.log
        assert time.monotonic() < deadline, self.log
        time.sleep(0.01)

    def _stop(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        try:
            self._process.wait(10)
        finally:
            self._process.kill()
            self._process.wait()
            self._log.close()

    @property
    def log(self) -> str:
        """What its adbd said."""
        return (self.folder / "log").read_text(errors="replace")


def _status(process: int) -> str:
    return Path(f"/proc/{process}/status").read_text()


@contextmanager
def running_phone(
    folder: Path, architecture: str = "amd64", space: str = "", model: str = "pixel6"
) -> Iterator[Phone]:
    """Start a phone, and leave nothing of it behind.

    Args:
        folder: an empty one for its data.
        architecture: ``amd64``, or ``arm64``, which is emulated and slow.
        space: its size, such as ``8m``, if it is to be small.
        model: the folder of what it answers, below ``android`` or anywhere.
    """
    phone = Phone(folder, architecture, space, _HERE / "android" / model)
    try:
        yield phone
    finally:
        phone.close()


class AdbServer:
    """An adb server of the tests' own: port, keys and log are apart from the user's.

    Attributes:
        environment: makes an adb client use it.
    """

    def __init__(self, folder: Path, program: str = "adb") -> None:
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        self.environment = {
            "ANDROID_ADB_SERVER_PORT": str(self.port),
            "HOME": str(folder),
            "TMPDIR": str(folder),
            "ADB_MDNS": "0",
            "ADB_MDNS_AUTO_CONNECT": "0",
            "ADB_LIBUSB": "0",
            "ADB_LOCAL_TRANSPORT_MAX_PORT": "5553",  # looks for no emulators
        }
        self._program, self._folder = program, folder
        self.start()

    def start(self) -> None:
        """Start it; it ends when the tests end, however they do."""
        keeper = '"$@" nodaemon server >server.log 2>&1 </dev/null & read _; kill -9 $!'
        self._keeper = subprocess.Popen(
            ["sh", "-c", keeper, "sh", self._program],
            stdin=subprocess.PIPE,
            cwd=self._folder,
            env={"PATH": os.environ["PATH"], **self.environment},
            start_new_session=True,
        )
        deadline = time.monotonic() + _STARTS_WITHIN_S
        with socket.socket() as client:
            while client.connect_ex(("127.0.0.1", self.port)):
                assert time.monotonic() < deadline, (self._folder / "server.log").read_text()
                time.sleep(0.01)

    def forget(self, serial: str) -> None:
        """Have it try no more to reach a phone."""
        environment = {**os.environ, **self.environment}
        argv = [self._program, "disconnect", serial]
        subprocess.run(argv, env=environment, capture_output=True, check=False)

    def stop(self) -> None:
        """Kill it."""
        assert self._keeper.stdin is not None
        self._keeper.stdin.close()
        self._keeper.wait()


@contextmanager
def running_adb_server(folder: Path) -> Iterator[AdbServer]:
    """Start an adb server that this process and its children use; leave nothing behind."""
    server = AdbServer(folder)
    ours = [name for name in server.environment if name.startswith(("ADB_", "ANDROID_"))]
    before = {name: os.environ.get(name) for name in ours}
    os.environ.update({name: server.environment[name] for name in before})
    try:
        yield server
    finally:
        server.stop()
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
