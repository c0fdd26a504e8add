"""A throw-away OpenSSH server on loopback: nobody else can log in, and it goes with the tests."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

_ACCOUNT = "pi"
_ACCOUNT_ID = 47011
_START_S = 30
_SETTINGS = """
AuthorizedKeysFile {folder}/authorized_keys
PidFile none
StrictModes no
UsePAM no
PasswordAuthentication no
KbdInteractiveAuthentication no
AllowUsers {user}
PermitRootLogin prohibit-password
SetEnv HOME={home}
UseDNS no
PrintMotd no
MaxStartups 100
MaxSessions 50
LogLevel VERBOSE
"""
# The first process of a private space of processes: when it ends, because its input does, the
# kernel ends all others, those that were started over SSH included.
_KEEPER = """
mount --bind "$1" /etc/passwd || exit 1
shift
exec 3<&0
"$@" < /dev/null 3<&- &
(read -r _ <&3) &
wait $!
"""
# The same where there are no private spaces: at least the server ends.
_PLAIN_KEEPER = """
"$@" < /dev/null &
read -r _
kill -9 "$!"
"""


def why_no_sshd() -> str:
    """Tell why no server can be started here; empty where one can."""
    if not Path("/usr/sbin/sshd").exists() or shutil.which("ssh-keygen") is None:
        return "no OpenSSH server is installed; on Debian: apt-get install openssh-server"
    return ""


@cache
def _is_mighty() -> bool:
    """Tell whether we may make accounts and processes that nobody else sees."""
    argv = ["unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc", "true"]
    return (
        os.getuid() == 0 and subprocess.run(argv, capture_output=True, check=False).returncode == 0
    )


@dataclass
class Sshd:
    """A server that lets one key of one account in.

    Where we are root, the account is an unprivileged one, ``pi``, that only the server knows;
    otherwise it is our own. Its home folder is ours alone in either case.

    Attributes:
        folder: of its keys, its log, and the account's home.
        settings: lines of ``sshd_config``, before all others, so that they win.
        host: that it listens on, an address.
        enter: words before its own that start it somewhere else, such as in a namespace.
        host_key_type: of its only host key, unless there is a key already.
        port: that it listens on, by default one that is free.
        is_private: whether the account, processes and mounts are its own.
        shell: of the account, where that is its own.
        is_of_root: whether the server runs as root all the same, as usual ones do.
    """

    folder: Path
    settings: str = ""
    host: str = "127.0.0.1"
    enter: Sequence[str] = ()
    host_key_type: str = "ed25519"
    port: int = 0
    is_private: bool = field(default_factory=_is_mighty)
    shell: str = "/bin/sh"
    is_of_root: bool = False
    _process: subprocess.Popen[bytes] | None = None

    def __post_init__(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        self.home.mkdir(exist_ok=True)
        make_key(self.host_key, self.host_key_type)
        make_key(self.client_key)
        self.port = self.port or free_port(self.host)

    @property
    def user(self) -> str:
        """The account that may log in."""
        return _ACCOUNT if self.is_private else pwd.getpwuid(os.getuid()).pw_name

    @property
    def home(self) -> Path:
        """The account's home."""
        return self.folder / "home"

    @property
    def host_key(self) -> Path:
        """The server's private key; a change shows at the next start."""
        return self.folder / "host_key"

    @property
    def client_key(self) -> Path:
        """The private key that may log in."""
        return self.folder / "client_key"

    @property
    def address(self) -> str:
        """The address of the account, as users write it."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"ssh://{self.user}@{host}:{self.port}"

    @property
    def fingerprint(self) -> str:
        """What ``ssh-keygen`` says of its host key."""
        return fingerprint(self.host_key)

    @property
    def log(self) -> str:
        """What it has said so far."""
        return (self.folder / "log").read_text(errors="replace")

    def known_hosts_line(self, host: str = "") -> str:
        """Return the line by which clients know it."""
        kind, key = self.host_key.with_suffix(".pub").read_text().split()[:2]
        return f"{host or f'[{self.host}]:{self.port}'} {kind} {key}\n"

    def client_config(self, alias: str, known_hosts: Path, keys: Sequence[Path] = ()) -> str:
        """Return the lines of an ``ssh_config`` by which clients reach it as ``alias``.

        Args:
            alias: of the server.
            known_hosts: the file of keys that the user knows.
            keys: to log in by, by default the one that may.
        """
        files = "".join(f"IdentityFile {key}\n" for key in keys or [self.client_key])
        return (
            f"Host {alias}\nHostName {self.host}\nPort {self.port}\nUser {self.user}\n"
            f"{files}IdentitiesOnly yes\nIdentityAgent none\n"
            f"UserKnownHostsFile {known_hosts}\nGlobalKnownHostsFile /dev/null\n"
        )

    def start(self) -> None:
        """Start it, and wait until it answers."""
        config = self.folder / "sshd_config"
        settings = _SETTINGS.format(folder=self.folder, user=self.user, home=self.home)
        own = f"Port {self.port}\nListenAddress {self.host}\nHostKey {self.host_key}\n"
        subsystem = "" if "Subsystem" in self.settings else "Subsystem sftp internal-sftp\n"
        config.write_text(f"{self.settings}\n{own}{subsystem}{settings}")
        allowed = self.folder / "authorized_keys"
        if not allowed.exists():
            shutil.copy(self.client_key.with_suffix(".pub"), allowed)
        (self.folder / "log").touch()
        said_before = len(self.log)
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [*self.enter, *self._argv(config)],
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                start_new_session=True,  # Ctrl-C is for the tests
                env={"PATH": f"{os.environ['PATH']}:/usr/sbin:/sbin"},
            )
        deadline = time.monotonic() + _START_S
        while f"Server listening on {self.host}" not in self.log[said_before:]:
            assert self._process.poll() is None, f"sshd died: {self.log}"
            assert time.monotonic() < deadline, f"sshd did not start: {self.log}"
            time.sleep(0.01)

    def _argv(self, config: Path) -> list[str]:
        sshd = ["/usr/sbin/sshd", "-D", "-e", "-f", str(config)]
        if os.getuid() == 0:
            Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
        if not self.is_private:
            return ["sh", "-c", _PLAIN_KEEPER, "keeper", *sshd]
        passwd = self.folder / "passwd"
        line = f"{_ACCOUNT}:x:{_ACCOUNT_ID}:{_ACCOUNT_ID}::{self.home}:{self.shell}\n"
        passwd.write_text(Path("/etc/passwd").read_text() + line)
        for path in (self.folder, *self.folder.rglob("*")):
            os.chown(path, _ACCOUNT_ID, _ACCOUNT_ID, follow_symlinks=False)
        passwd.chmod(0o644)
        spaces = ["unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"]
        numbers = [f"--reuid={_ACCOUNT_ID}", f"--regid={_ACCOUNT_ID}", "--clear-groups"]
        drop = [] if self.is_of_root else ["setpriv", *numbers]
        return [*spaces, "sh", "-c", _KEEPER, "keeper", str(passwd), *drop, *sshd]

    def session_pids(self) -> list[int]:
        """Return the processes that serve connections: a monitor, and its child with the socket."""
        assert self._process is not None
        return [pid for pid, name in _descendants(self._process.pid) if "sshd" in name][1:]

    def program_pids(self) -> list[int]:
        """Return the processes that were started over SSH, as this machine numbers them."""
        assert self._process is not None
        below = _descendants(self._process.pid)
        own = {"sh", "sshd", "sshd-session", "sshd-auth", "setpriv", "unshare"}
        return [pid for pid, name in below if name not in own]

    def mount_small_disk(self, folder: Path, size_kib: int) -> None:
        """Put a disk of a few KiB where only programs started over SSH see it; when private."""
        first = _descendants(self._process.pid if self._process else 0)[0][0]
        folder.mkdir(exist_ok=True)
        options = f"size={size_kib}k,uid={_ACCOUNT_ID},mode=0700"
        mount = ["mount", "-t", "tmpfs", "-o", options, "none", str(folder)]
        subprocess.run(["nsenter", f"--mount=/proc/{first}/ns/mnt", *mount], check=True)

    def cut(self, number: int = signal.SIGKILL) -> None:
        """End all connections without a goodbye; programs that run stay."""
        for pid in self.session_pids():
            with suppress(ProcessLookupError):
                os.kill(pid, number)

    def freeze(self) -> None:
        """Make all connections silent: the kernel still acknowledges, and nobody answers."""
        self.cut(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let frozen connections go on."""
        self.cut(signal.SIGCONT)

    def stop(self) -> None:
        """End it and all that was started over it; it may be started again."""
        if self._process is None:
            return
        below = _descendants(self._process.pid)
        assert self._process.stdin is not None
        self._process.stdin.close()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        if not self.is_private:
            for pid, _ in below:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
        self._process = None

    def __enter__(self) -> Sshd:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


@contextmanager
def running_sshd(settings: str = "", **more: Any) -> Iterator[Sshd]:  # noqa: ANN401
    """Make a server, and leave nothing of it behind.

    Args:
        settings: lines of ``sshd_config`` that win over ours.
        more: other attributes of ``Sshd``.
    """
    with tempfile.TemporaryDirectory(prefix="sshd", dir="/tmp") as name:
        Path(name).chmod(0o755)
        with Sshd(Path(name), settings, **more) as server:
            yield server


def make_key(path: Path, kind: str = "ed25519", passphrase: str = "") -> None:
    """Make a pair of keys, unless there is one."""
    if not path.exists():
        size = ["-b", "2048"] if kind == "rsa" else []  # larger ones take a second
        argv = ["ssh-keygen", "-q", "-t", kind, *size, "-N", passphrase, "-C", "", "-f", str(path)]
        subprocess.run(argv, check=True, capture_output=True)


def fingerprint(key: Path) -> str:
    """Ask ``ssh-keygen`` for the SHA256 fingerprint of a key."""
    argv = ["ssh-keygen", "-l", "-E", "sha256", "-f", str(key)]
    said = subprocess.run(argv, check=True, capture_output=True, text=True).stdout
    return said.split()[1]


def free_port(host: str = "127.0.0.1") -> int:
    """Find a port of an address of this machine that nobody listens on."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.bind((host, 0))
        return int(probe.getsockname()[1])


def _descendants(root: int) -> list[tuple[int, str]]:
    """Return the number and the name of all processes below one, parents first."""
    children: dict[int, list[tuple[int, str]]] = {}
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            with suppress(OSError):
                name, rest = (folder / "stat").read_text().split("(", 1)[1].rsplit(")", 1)
                children.setdefault(int(rest.split()[1]), []).append((int(folder.name), name))
    found, parents = [], [root]
    while parents:
        below = children.get(parents.pop(0), [])
        found += below
        parents += [pid for pid, _ in below]
    return found
