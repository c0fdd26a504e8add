"""What the agent says first: what it is, and what it runs on."""

from __future__ import annotations

import hashlib
import os
import platform
from importlib import metadata
from pathlib import Path

AGENT_VERSION = "3"
"""Part of a latency table's identity: raised with every change that can change a latency."""


def hello(runtime: str, distribution: str, package: Path) -> dict[str, object]:
    """Describe this process, after the runtime has been imported.

    Args:
        runtime: as the host asked for it.
        distribution: the Python distribution that brought the runtime.
        package: the folder of the runtime's package.
    """
    return {
        "event": "hello",
        "agent_version": AGENT_VERSION,
        "runtime": runtime,
        "runtime_version": f"{distribution} {metadata.version(distribution)}",
        "runtime_sha256": _sha256(_main_binary(package)),
        "python_version": platform.python_version(),
        "numpy_version": metadata.version("numpy"),
        "affinity": sorted(os.sched_getaffinity(0)),
    }


def _main_binary(package: Path) -> Path:
    """Find the largest shared library of the package that this process has loaded."""
    with Path("/proc/self/maps").open() as maps:
        mapped = {Path(line.split(maxsplit=5)[5].rstrip()) for line in maps if ".so" in line}
    own = [path for path in mapped if package in path.parents]
    return max(own, key=lambda path: path.stat().st_size)


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()
