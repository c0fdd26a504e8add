"""Jobs in, events out, until standard input ends."""

from __future__ import annotations

import json
import os
import re
import shutil
import sys
from collections.abc import Callable
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
    emit = _claim_stdout()
    try:
        # Before anything is imported that starts threads, or counts cores.
        pin(cores)
        # Before the runtime is imported, which would disturb the other agent.
        with take(lock, f"process {os.getpid()}, an agent of {holder}", patience_s):
            _make_alone(folder)
            return _serve(emit, runtime_name, threads, folder)
    except TakenError as error:
        emit({"event": "taken", "by": error.by})
        return 1
    except PinningError as error:
        emit({"event": "unpinned", "error": str(error)})
        return 1
    except BrokenPipeError:
        return 1  # the host is gone, and nobody is left to tell
    except OSError as error:
        emit({"event": "failed", "error": str(error.strerror)})
        return 1
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _make_alone(folder: Path) -> None:
    """Make our folder, and remove those of agents that were killed: we are the only one alive."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    for other in folder.parent.iterdir():
        if other != folder and _SESSION.fullmatch(other.name):
            shutil.rmtree(other, ignore_errors=True)


def _serve(
    emit: Callable[[dict[str, object]], None], runtime_name: str, threads: int, folder: Path
) -> int:
    try:
        # Only now, because without numpy or a runtime there is still something to say.
        from .jobs import Workbench
        from .models import import_runtime

        runtime = import_runtime(runtime_name)
    except ImportError as error:
        advice = getattr(error, "advice", None)
        emit({"event": "missing", "error": str(error), **({"advice": advice} if advice else {})})
        return 1
    workbench = Workbench(runtime, threads, folder)
    about = hello(runtime_name, runtime.distribution, runtime.package)
    emit({**about, "vitals": workbench.vitals()})
    for line in sys.stdin:
        emit(workbench.do(json.loads(line)))
    return 0


def _claim_stdout() -> Callable[[dict[str, object]], None]:
    """Keep standard output for events: what runtimes print there goes to standard error."""
    events = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)

    def emit(event: dict[str, object]) -> None:
        events.write(json.dumps(event) + "\n")
        events.flush()

    return emit


if __name__ == "__main__":
    called, threads, folder, lock, holder, patience_s, *cores = sys.argv[1:]
    sys.exit(main(called, int(threads), Path(folder), lock, holder, float(patience_s), *cores))
