"""Jobs in, events out, until standard input ends."""

from __future__ import annotations

import json
import os
import re
import shutil
import sys
from pathlib import Path

from .hello import hello
from .lock import TakenError, take
from .pinning import PinningError, pin

_SESSION = re.compile("[0-9a-f]{12}")
"""Names of agents' folders; whatever else lies there is not ours."""


def main(
    runtime_name: str,
    threads: int,
    folder: Path,
    lock: str,
    holder: str,
    patience_s: float,
    cores: str = "",
) -> int:
    """Serve one host, as the only agent of the device; return the exit status."""
    events = _Events()
    try:
        # Before anything is imported that starts threads, or counts cores.
        pin(cores)
        # Before the runtime is imported, which would disturb the other agent.
        with take(lock, f"process {os.getpid()}, an agent of {holder}", patience_s):
            _make_alone(folder)
            return _serve(events, runtime_name, threads, folder)
    except TakenError as error:
        events.emit({"event": "taken", "by": error.by})
        return 1
    except PinningError as error:
        events.emit({"event": "unpinned", "error": str(error)})
        return 1
    except BrokenPipeError:
        return 1  # the host is gone, and nobody is left to tell
    except OSError as error:
        events.emit({"event": "failed", "error": str(error.strerror)})
        return 1
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _make_alone(folder: Path) -> None:
    """Make our folder, and remove those of agents that were killed: we are the only one alive."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    for other in folder.parent.iterdir():
        if other != folder and _SESSION.fullmatch(other.name):
            shutil.rmtree(other, ignore_errors=True)


def _serve(events: _Events, runtime_name: str, threads: int, folder: Path) -> int:
    try:
        # Only now, because without numpy or a runtime there is still something to say.
        from .jobs import Workbench
        from .models import import_runtime

        runtime = import_runtime(runtime_name)
    except ImportError as error:
        advice = getattr(error, "advice", None)
        more = {"advice": advice} if advice else {}
        events.emit({"event": "missing", "error": str(error), **more})
        return 1
    workbench = Workbench(runtime, threads, folder)
    about = hello(runtime_name, runtime.distribution, runtime.package)
    events.emit({**about, "vitals": workbench.vitals()})
    for line in sys.stdin:
        job = json.loads(line)
        if job.get("renew"):
            _renew(events)
        events.emit(workbench.do(job))
    return 0


class _Events:
    """Standard output, kept for events: what runtimes print there goes to standard error."""

    def __init__(self) -> None:
        self._file = os.fdopen(os.dup(1), "w", encoding="utf-8")
        os.dup2(2, 1)

    def emit(self, event: dict[str, object]) -> None:
        """Write an event."""
        self._file.write(json.dumps(event) + "\n")
        self._file.flush()

    def give_back(self) -> None:
        """Let standard output be what it was."""
        os.dup2(self._file.fileno(), 1)


def _renew(events: _Events) -> None:
    """Start anew in place of this process: its number, its pipes and its folder stay.

    The lock goes with this process, and is taken anew.
    """
    events.give_back()
    told = getattr(sys, "orig_argv", None)  # from Python 3.10
    arguments = told[1:] if told else ["-m", str(__package__), *sys.argv[1:]]
    os.execv(sys.executable, [sys.executable, *arguments])  # noqa: S606 (as it was started)


if __name__ == "__main__":
    called, threads, folder, lock, holder, patience_s, *cores = sys.argv[1:]
    sys.exit(main(called, int(threads), Path(folder), lock, holder, float(patience_s), *cores))
