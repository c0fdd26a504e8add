"""A Raspberry Pi for behaviour, never for speed: Debian for aarch64 under qemu-user, with sshd.

Its programs are the real ones of the distribution that boards run, wheels for ARM among them; only
the kernel is this machine's. Where it cannot run, tests are skipped with the reason.
"""

from __future__ import annotations

import os
import platform
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

from . import enter
from .apt import NoDebianError, unpack
from .cache import cached

_SUITE = "bookworm"
_PACKAGES = (
    *("base-files", "base-passwd", "bash", "busybox-static", "ca-certificates", "coreutils"),
    *("dash", "findutils", "grep", "hostname", "libc-bin", "libgomp1", "libstdc++6", "mount"),
    *("openssh-server", "openssh-sftp-server", "passwd", "procps", "python3", "sed", "tar"),
    *("tzdata", "util-linux"),
)
"""As on a board: Debian's python3 brings neither pip nor ensurepip."""

_START_TIMEOUT_S = 60
_STOP_TIMEOUT_S = 10
_BUILD_TIMEOUT_S = 600
_KERNEL = (6, 7)
"""The first whose namespaces may know programs of other processors."""

_CORE = """processor\t: {}
BogoMIPS\t: 108.00
Features\t: fp asimd evtstrm crc32 cpuid
CPU implementer\t: 0x41
CPU architecture: 8
CPU variant\t: 0x0
CPU part\t: 0xd08
CPU revision\t: 3

"""
CPUINFO = f"""{"".join(_CORE.format(core) for core in range(4))}Revision\t: c03115
Serial\t\t: 100000003b8c6f2a
Model\t\t: Raspberry Pi 4 Model B Rev 1.5
"""
"""What a Pi 4 says; with an x86 processor's, the wheels for ARM crash."""


@dataclass(frozen=True, slots=True)
class Userland:
    """A board that runs.

    Attributes:
        port: of its SSH server on loopback.
        user: who may log in, without privileges.
        client_key: file of the private key to log in with.
        host_key: public key of the server: its type, and itself in base64.
        upper: the folder on this host that holds what differs from the distribution; only for
            looking at while it runs.
    """

    port: int
    user: str
    client_key: Path
    host_key: tuple[str, str]
    upper: Path

    @property
    def address(self) -> str:
        """Its address, as users write it."""
        return f"ssh://{self.user}@127.0.0.1:{self.port}"

    @property
    def known_hosts_line(self) -> str:
        """The line by which clients know it."""
        return f"[127.0.0.1]:{self.port} {' '.join(self.host_key)}\n"

    def client_files(self, folder: Path) -> tuple[Path, Path]:
        """Write an ``ssh_config`` and a ``known_hosts`` file by which clients get in."""
        config, known_hosts = folder / "ssh_config", folder / "known_hosts"
        known_hosts.write_text(self.known_hosts_line)
        config.write_text(
            f"Host 127.0.0.1\nIdentityFile {self.client_key}\nIdentitiesOnly yes\n"
            f"IdentityAgent none\nUserKnownHostsFile {known_hosts}\n"
            "GlobalKnownHostsFile /dev/null\n"
        )
        return config, known_hosts


def why_not() -> str:
    """Tell what this machine lacks for it; empty when nothing."""
    release = tuple(int(number) for number in platform.release().split("-")[0].split(".")[:2])
    if os.geteuid():
        return "only root maps the users of a namespace"
    if release < _KERNEL:
        return f"Linux {platform.release()} has no binfmt_misc in namespaces"
    if not Path(enter.QEMU).exists():
        return "qemu-user is missing: apt-get install qemu-user-static"
    if shutil.which("ssh-keygen") is None:
        return "ssh-keygen is missing: apt-get install openssh-client"
    return ""


def distribution() -> Path:
    """Return the folder with the distribution; skip the test where it cannot be had."""
    if reason := why_not():
        pytest.skip(reason)
    try:
        return cached(f"debian-{_SUITE}-arm64-2", _build)
    except NoDebianError as error:
        pytest.skip(str(error))


@contextmanager
def running(folder: Path, files: Mapping[str, str] | None = None) -> Iterator[Userland]:
    """Have a board that runs, fresh from its distribution.

    Args:
        folder: an empty one, for all that is the board's own.
        files: texts by path on the board, such as ``usr/bin/vcgencmd``; they are executable.
    """
    lower = distribution()
    folder.chmod(0o755)
    upper, user = folder / "upper", "pi"
    for key in ("host_key", "client_key"):
        made = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / key)]
        subprocess.run(made, check=True)
    port = _free_port()
    (folder / "processor").write_text(CPUINFO)
    settings = upper / "etc" / "sartor"
    settings.mkdir(parents=True)
    for source, name in (("host_key", "host_key"), ("client_key.pub", "authorized_keys")):
        shutil.copy(folder / source, settings / name)
    (settings / "sshd_config").write_text(_CONFIG.format(port=port, user=user))
    for name, text in (files or {}).items():
        (upper / name).parent.mkdir(parents=True, exist_ok=True)
        (upper / name).write_text(text)
        (upper / name).chmod(0o755)
    command = [sys.executable, enter.__file__, str(lower), str(folder)]
    command += ["/usr/sbin/sshd", "-D", "-e", "-f", "/etc/sartor/sshd_config"]
    log = folder / "sshd.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            env={"PATH": os.environ["PATH"]},
            start_new_session=True,
        )
    try:
        _await(process, port, log)
        kind, key = (folder / "host_key.pub").read_text().split()[:2]
        yield Userland(port, user, folder / "client_key", (kind, key), upper)
    finally:
        # All that runs in there ends with the first process.
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait(_STOP_TIMEOUT_S)


_CONFIG = """Port {port}
ListenAddress 127.0.0.1
HostKey /etc/sartor/host_key
AuthorizedKeysFile /etc/sartor/authorized_keys
PidFile none
UsePAM no
PasswordAuthentication no
KbdInteractiveAuthentication no
AllowUsers {user}
Subsystem sftp internal-sftp
UseDNS no
PrintMotd no
MaxStartups 50:30:100
MaxSessions 50
"""


def _build(folder: Path) -> None:
    unpack(folder, "arm64", _SUITE, _PACKAGES)
    for name in ("dev", "etc", "home/pi", "proc", "root", "run/sshd", "sys", "tmp", "var/tmp"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    (folder / "tmp").chmod(0o1777)
    shell = folder / "usr" / "bin" / "sh"
    if not shell.exists():
        shell.symlink_to("dash")
    masters = folder / "usr" / "share" / "base-passwd"
    users = (masters / "passwd.master").read_text()
    users += "sshd:x:102:65534::/run/sshd:/usr/sbin/nologin\n"
    users += "pi:x:1000:1000::/home/pi:/bin/bash\n"
    groups = (masters / "group.master").read_text() + "pi:x:1000:\n"
    locked = [f"{line.partition(':')[0]}:*:19000:0:99999:7:::\n" for line in users.splitlines()]
    (folder / "etc" / "passwd").write_text(users)
    (folder / "etc" / "group").write_text(groups)
    (folder / "etc" / "shadow").write_text("".join(locked))
    os.chown(folder / "home" / "pi", 1000, 1000)
    _compile(folder)


def _compile(folder: Path) -> None:
    """Compile Python's modules, as installing it does, or each start would do it again."""
    library = Path("usr", "lib", "python3.11")
    script = f"exec python3 -m compileall -q -x '/(test|lib2to3|idlelib|pydoc_data)/' /{library}"
    with tempfile.TemporaryDirectory() as layer:
        command = [sys.executable, enter.__file__, str(folder), layer, "sh", "-c", script]
        subprocess.run(command, check=True, timeout=_BUILD_TIMEOUT_S)
        shutil.copytree(Path(layer, "upper", library), folder / library, dirs_exist_ok=True)


def _await(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    deadline = time.monotonic() + _START_TIMEOUT_S
    while time.monotonic() < deadline and process.poll() is None:
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), 1) as connection:
            connection.settimeout(5)
            if connection.recv(4) == b"SSH-":
                return
        time.sleep(0.05)
    raise RuntimeError(f"the board's sshd did not start: {log.read_text()[-2000:]}")


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


@pytest.fixture(scope="session")
def userland(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Userland]:
    """A board for all tests of a run; they share its files, so each uses a folder of its own."""
    with running(tmp_path_factory.mktemp("userland")) as board:
        yield board
