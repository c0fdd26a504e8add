"""Jobs in, events out, until standard input ends."""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

from .hello import hello


def main(runtime_name: str, threads: int, folder: Path) -> int:
    """Serve one host; return the exit status."""
    emit = _claim_stdout()
    try:
        try:
            # Only now, because without numpy or a runtime there is still something to say.
            from .jobs import Workbench
            from .models import import_runtime

            runtime = import_runtime(runtime_name)
        except ImportError as error:
            advice = getattr(error, "advice", None)
            emit(
                {"event": "missing", "error": str(error), **({"advice": advice} if advice else {})}
            )
            return 1
        workbench = Workbench(runtime, threads, folder)
        about = hello(runtime_name, runtime.distribution, runtime.package)
        emit({**about, "vitals": workbench.vitals()})
        for line in sys.stdin:
            emit(workbench.do(json.loads(line)))
    except BrokenPipeError:
        return 1  # the host is gone, and nobody is left to tell
    finally:
        shutil.rmtree(folder, ignore_errors=True)
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
    sys.exit(main(sys.argv[1], int(sys.argv[2]), Path(sys.argv[3])))
