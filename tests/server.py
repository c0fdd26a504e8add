"""A private PostgreSQL server: nobody else can reach it, and it goes with the tests."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, quote_plus

_SETTINGS = """
listen_addresses = ''
unix_socket_permissions = 0700
fsync = off  # a killed server loses nothing by it; only a power cut would matter
autovacuum = off
max_connections = 40
lc_messages = 'C'
"""
_WHO_MAY_COME = """
local all locked scram-sha-256
local all barred reject
local all all trust
"""


def programs() -> Path | None:
    """Find the folder of the server's programs, which Debian keeps off the PATH."""
    if found := shutil.which("initdb"):
        return Path(found).resolve().parent
    debian = sorted(
        Path("/usr/lib/postgresql").glob("*/bin/initdb"),
        key=lambda path: int(path.parent.parent.name),
    )
    return debian[-1].parent if debian else None


@dataclass(frozen=True)
class Server:
    """A server with one database for the tests, ``lab``.

    Attributes:
        programs: folder of its programs.
        folder: of its data and its socket; short, as a socket's name has to be.
        user: runs it; not root, whom PostgreSQL refuses.
    """

    programs: Path
    folder: Path
    user: str

    def url(self, database: str = "lab", user: str = "keeper", password: str = "") -> str:
        """Return the address of a database for a store."""
        who = f"{user}:{quote(password, safe='')}" if password else user
        return f"postgresql+psycopg://{who}@/{database}?host={quote_plus(str(self.folder))}"

    def execute(self, statement: str, database: str = "lab") -> list[tuple[object, ...]]:
        """Run statements as the administrator, each by itself; return the rows of a query."""
        import psycopg

        with psycopg.connect(
            host=str(self.folder), user="keeper", dbname=database, autocommit=True
        ) as connection:
            cursor = connection.execute(statement.encode())
            return cursor.fetchall() if cursor.description else []

    def empty(self) -> None:
        """Make the database as new, whoever may still be using it."""
        if not self.runs:
            self.start()
        self.execute(
            "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity "
            "WHERE datname = 'lab' AND pid != pg_backend_pid()"
        )
        self.execute("DROP SCHEMA IF EXISTS public CASCADE; CREATE SCHEMA public")

    def make(self) -> None:
        """Make it in an empty folder, and start it."""
        self._run(
            *("initdb", "-D", "data", "-U", "keeper", "-E", "UTF8", "--locale=C"),
            *("-A", "trust", "--no-sync", "--no-instructions"),
        )
        with (self.folder / "data" / "postgresql.conf").open("a") as settings:
            settings.write(f"{_SETTINGS}unix_socket_directories = '{self.folder}'\n")
        (self.folder / "data" / "pg_hba.conf").write_text(_WHO_MAY_COME)
        self.start()
        self.execute("CREATE DATABASE lab", database="postgres")

    @property
    def runs(self) -> bool:
        """Tell whether it was started, and not stopped since."""
        return (self.folder / "data" / "postmaster.pid").exists()

    def start(self) -> None:
        """Start it, and wait until it answers."""
        self._run("pg_ctl", "start", "-D", "data", "-w", "-s", "-l", "log")

    def stop(self) -> None:
        """Kill it: it ends no transaction, and says goodbye to nobody."""
        self._run("pg_ctl", "stop", "-D", "data", "-m", "immediate", "-s")

    def clean_up_after(self) -> subprocess.Popen[str]:
        """Start a process that stops the server and removes its folder when its input ends.

        It does so, too, when the tests are killed, because then all their files are closed.
        """
        last_will = 'read _; "$0" stop -D "$1/data" -m immediate -s; cd /; rm -rf "$1"'
        argv = ["sh", "-c", last_will, str(self.programs / "pg_ctl"), str(self.folder)]
        return self._start(argv, stdin=subprocess.PIPE)

    def _run(self, program: str, *arguments: str) -> None:
        argv = [str(self.programs / program), *arguments]
        with self._start(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as process:
            said, _ = process.communicate(timeout=120)
        assert process.returncode == 0, f"{program}: {said}"

    def _start(
        self,
        argv: list[str],
        stdin: int = subprocess.DEVNULL,
        stdout: int = subprocess.DEVNULL,
        stderr: int = subprocess.DEVNULL,
    ) -> subprocess.Popen[str]:
        account = pwd.getpwnam(self.user)
        is_root = os.getuid() == 0
        return subprocess.Popen(
            argv,
            cwd=self.folder,
            env={"PATH": os.defpath, "HOME": str(self.folder), "LC_ALL": "C"},
            user=account.pw_uid if is_root else None,
            group=account.pw_gid if is_root else None,
            extra_groups=[] if is_root else None,
            start_new_session=True,  # Ctrl-C is for the tests
            stdin=stdin,
            stdout=stdout,
            stderr=stderr,
            text=True,
        )


@contextmanager
def running(programs: Path) -> Iterator[Server]:
    """Make a server, and leave nothing of it behind."""
    user = "nobody" if os.getuid() == 0 else pwd.getpwuid(os.getuid()).pw_name
    folder = Path(tempfile.mkdtemp(prefix="pg", dir="/tmp"))
    shutil.chown(folder, user)
    server = Server(programs, folder, user)
    with server.clean_up_after():
        server.make()
        yield server
