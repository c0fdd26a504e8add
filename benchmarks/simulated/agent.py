"""A simulated device's Python: runs the real lock, and an agent that answers from a recording.

It needs Python's standard library only, and starts in some milliseconds. To a host it is what
``python`` is on any device: ``-m sartor_agent`` speaks the agent's protocol, and takes as long over
a job as the recorded one took, times ``pace``; ``-m sartor_agent.lock`` is the agent's own lock;
with ``-c`` it is Python itself.

A line of the device's journal says of every job when it came, when it was answered, how many models
it measured, and by which process: seconds of the monotonic clock, which all processes of a machine
share.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

VISITS = 4  # as profiler/batches.py has them: what was recorded of a network holds that many


def main(device: str, folder: str, recording: str, pace: float, fault: str, argv: list[str]) -> int:
    """Be the Python of a simulated device; return the exit status.

    Args:
        device: its name.
        folder: its own.
        recording: folder of the recording.
        pace: how long a job takes, over how long the recorded one took.
        fault: empty for none; ``hangs`` never answers a job; ``dies:N`` dies of its Nth job, and
            whatever is started from then on dies, too.
        argv: as Python has it.
    """
    journal = Path(folder) / "journal"
    deaths = fault.partition(":")[2]
    if deaths and _jobs_in(journal) >= int(deaths):
        sys.stderr.write("it has died\n")
        return 1
    if argv[1] != "-m":
        bare = () if argv[1] == "-c" else ("-ISE",)
        os.execv(sys.executable, [sys.executable, *bare, *argv[1:]])  # noqa: S606 (no shell)
    sys.path[:0] = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    from sartor_agent import lock  # type: ignore[import-not-found]  # of the archive pushed here

    lock._machine = lambda: f"simulated {device}"  # noqa: SLF001 (or all were one machine)
    if argv[2] == "sartor_agent.lock":
        status: int = lock.main(argv[3], argv[4], float(argv[5]))
        return status
    sessions, held, holder, patience_s = argv[5], argv[6], argv[7], argv[8]
    try:
        with lock.take(held, f"process {os.getpid()}, an agent of {holder}", float(patience_s)):
            _serve(Path(sessions), Path(recording), pace, fault, journal)
    except lock.TakenError as error:
        _emit({"event": "taken", "by": error.by})
        return 1
    except BrokenPipeError:
        return 1
    finally:
        shutil.rmtree(sessions, ignore_errors=True)
    return 0


def _serve(folder: Path, recording: Path, pace: float, fault: str, journal: Path) -> None:
    about = json.loads((recording / "about.json").read_text())
    _emit({"event": "hello", **about["hello"], "vitals": _vitals()})
    from sartor_agent.packs import unpack  # type: ignore[import-not-found]

    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    kept: dict[str, str] = {}
    with journal.open("a", buffering=1) as log:
        for line in sys.stdin:
            came_s, job = time.monotonic(), json.loads(line)
            if fault == "hangs":
                time.sleep(3600)
            for name in job["measure"]:
                if name not in kept:
                    unpack(folder, name)
            answer = _measured(job, folder, recording, kept)
            time.sleep(pace * answer["busy_ms"] / 1000)
            log.write(f"{came_s} {time.monotonic()} {len(job['measure'])} {os.getpid()}\n")
            if fault.startswith("dies") and _jobs_in(journal) >= int(fault.partition(":")[2]):
                os._exit(1)
            _emit(answer)


def _measured(
    job: Mapping[str, Any], folder: Path, recording: Path, kept: dict[str, str]
) -> dict[str, Any]:
    windows: list[dict[str, Any]] = []
    for name in job["measure"]:
        if (digest := kept.get(name)) is None:
            path = folder / name
            digest = hashlib.sha256(path.read_bytes()).hexdigest()
            if not job.get("reuse"):
                path.unlink()
            if job["keep"]:
                kept[name] = digest
        windows.append(_recorded(recording / f"{digest}.json", folder.name, job))
    samples_us = sum(sum(window.get("samples_us", ())) for window in windows)
    return {
        "job": job["job"],
        "windows": windows,
        "started_s": time.monotonic(),
        "busy_ms": samples_us / 1000,
        "vitals": _vitals(),
    }


def _recorded(path: Path, session: str, job: Mapping[str, Any]) -> dict[str, Any]:
    """Return what was recorded of a model in some pass, another one for another session."""
    try:
        windows = json.loads(path.read_text())
    except OSError:
        return {"error": f"ValueError: nothing is recorded of a model {path.stem}"}
    samples_us, preempted = windows[int(session, 16) % len(windows)]
    if "evict_mb" not in job and len(samples_us) > 5 * VISITS:  # at one visit of several
        first = job["job"] % VISITS
        samples_us = samples_us[first::VISITS]
    return {"samples_us": samples_us, "preempted": preempted}


def _vitals() -> dict[str, object]:
    """Tell of a device that nothing disturbs, though this machine runs hundreds of such."""
    return {
        "at_s": time.monotonic(),
        "cores": 4,
        "busy_s": 0.0,
        "own_s": 0.0,
        "load": 0.0,
        "memory_available_mb": 1500,
        "frequency_khz": 1500000,
        "temperature_mc": 45000,
        "throttles": 0,
        "governor": "performance",
    }


def _jobs_in(journal: Path) -> int:
    try:
        return journal.read_bytes().count(b"\n")
    except OSError:
        return 0


def _emit(event: Mapping[str, object]) -> None:
    sys.stdout.write(json.dumps(event) + "\n")
    sys.stdout.flush()
