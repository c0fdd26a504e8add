"""What other processes do to a store in these tests: ``python children.py COMMAND STORE …``."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from itertools import count

from sartor.tables import Condition, Operator, Provenance, Store, Window, queries
from sartor.tables.backends import postgresql
from sartor.tables.errors import SartorError

PROVENANCE = Provenance(
    "local", (("cores", "2"),), Condition("litert"), "2.3.0", "ab12", "1", "1", "2026", "0.1.0"
)
NOBODY = 65534


def operator(out: int) -> Operator:
    """One of many operators."""
    return Operator("dense", ((8, 1, 1),), (("out", out),))


def window(pass_index: int, value_us: float = 1000.0) -> Window:
    """A window of a hundred equal samples."""
    return Window(pass_index, (value_us,) * 100, 0, 100.0, "2026-01-01T00:00:00+00:00")


def missing(store: Store, table: str) -> Iterator[int]:
    """Yield, without end, the operators that a table does not have yet."""
    done = {text for text, _ in store.done(table)}
    return (out for out in count(1) if str(operator(out)) not in done)


def collect(path: str, table: str, most: str) -> None:
    """Measure what is not yet done, and say so on stdout once it is safe."""
    with Store.open(path) as store:
        store.create(table, PROVENANCE)
        with store.lease(table):
            for out, _ in zip(missing(store, table), range(int(most)), strict=False):
                store.add_window(table, operator(out), window(0, float(out)))
                sys.stdout.write(f"{operator(out)}\n")
                sys.stdout.flush()


def hold(path: str, table: str) -> None:
    """Hold a lease until standard input ends."""
    with Store.open(path) as store, store.lease(table):
        sys.stdout.write("held\n")
        sys.stdout.flush()
        sys.stdin.read()


def hold_device(path: str, machine: str) -> None:
    """Hold the lease of a device until standard input ends."""
    with Store.open(path) as store, store.device_lease(machine, "phone"):
        sys.stdout.write("held\n")
        sys.stdout.flush()
        sys.stdin.read()


def stall(path: str, table: str, silent_s: str) -> None:
    """Measure the first operator, but wait for standard input to end before it is committed."""
    postgresql.SILENT_WRITER_S = float(silent_s)
    with Store.open(path) as store, store._database.writing() as connection:
        handle = queries.table_id(connection, table)
        queries.insert_window(connection, handle, operator(1), window(0))
        sys.stdout.write("inside\n")
        sys.stdout.flush()
        sys.stdin.read()


def collect_as_nobody(path: str, table: str, most: str) -> None:
    """Collect without root's right to write everywhere."""
    if os.getuid() == 0:
        os.setgid(NOBODY)
        os.setuid(NOBODY)
    collect(path, table, most)


def collect_in_little_space(path: str, table: str, most: str) -> None:
    """Collect where no file grows past 200 kB."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000))
    collect(path, table, most)


def collect_until_killed(path: str, table: str, most: str, size: str) -> None:
    """Collect, and be killed by the kernel within the write that would take a file past a size."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (int(size), int(size)))
    signal.signal(signal.SIGXFSZ, signal.SIG_DFL)  # Python ignores it
    collect(path, table, most)


def child(command: str, *arguments: object) -> subprocess.Popen[str]:
    """Run one of the commands below in a process of its own."""
    return subprocess.Popen(
        [sys.executable, __file__, command, *map(str, arguments)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def lines_of(process: subprocess.Popen[str]) -> Iterator[str]:
    """Yield what a child says, line by line."""
    assert process.stdout is not None
    return (line.strip() for line in process.stdout)


COMMANDS: Mapping[str, Callable[..., None]] = {
    "collect": collect,
    "collect_as_nobody": collect_as_nobody,
    "collect_in_little_space": collect_in_little_space,
    "collect_until_killed": collect_until_killed,
    "hold": hold,
    "hold_device": hold_device,
    "stall": stall,
}


if __name__ == "__main__":
    try:
        COMMANDS[sys.argv[1]](*sys.argv[2:])
    except SartorError as error:
        sys.exit(f"{type(error).__name__}: {error}")
