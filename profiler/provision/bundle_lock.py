"""What Sartor's own bundle is made of, pinned: every source by its SHA-256.

The pins are data (``bundle_lock.json``), written by ``benchmarks/pin_bundle.py``.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Any

from ...tables.errors import UnknownNameError

_LOCK = Path(__file__).with_name("bundle_lock.json")

ARCHITECTURES = ("aarch64", "x86_64")
"""As kernels name them. Phones are of the first kind, emulators and tests of the second."""

LOADERS: Mapping[str, str] = {
    "aarch64": "ld-linux-aarch64.so.1",
    "x86_64": "ld-linux-x86-64.so.2",
}
"""What starts a program of glibc, by architecture."""


@dataclass(frozen=True, slots=True)
class Source:
    """One file that goes into a bundle.

    Attributes:
        name: of the Debian package, or of the Python distribution.
        version: of it, without Debian's epoch.
        path: below a mirror of Debian; of a wheel its file name.
        size: in bytes.
        sha256: of the file, which nothing else is taken for.
        sha1: of a Debian package; by this name Debian's archive of old versions keeps it.
    """

    name: str
    version: str
    path: str
    size: int
    sha256: str
    sha1: str = ""


@dataclass(frozen=True, slots=True)
class Recipe:
    """All that goes into one bundle.

    Attributes:
        runtime: as conditions name it.
        architecture: of the device, one of ``ARCHITECTURES``.
        python: its version, such as ``3.11``.
        module: that Python imports for the runtime.
        packages: Debian's, for the loader, the C library and Python.
        wheels: for NumPy and the runtime.
    """

    runtime: str
    architecture: str
    python: str
    module: str
    packages: tuple[Source, ...]
    wheels: tuple[Source, ...]

    @property
    def sources(self) -> tuple[Source, ...]:
        """Everything, each once."""
        return self.packages + self.wheels

    @property
    def digest(self) -> str:
        """A SHA-256 of what is pinned: two bundles of one digest are of the same sources."""
        return hashlib.sha256(json.dumps(asdict(self), sort_keys=True).encode()).hexdigest()


def bundle_runtimes() -> tuple[str, ...]:
    """Return the runtimes that there are bundles for."""
    return tuple(sorted(_lock()["wheels"][ARCHITECTURES[0]]))


def find_recipe(runtime: str, architecture: str) -> Recipe:
    """Return what the bundle of a runtime is made of.

    Raises:
        UnknownNameError: there is no bundle with that runtime, or for such processors.
    """
    if architecture not in ARCHITECTURES:
        raise UnknownNameError("architecture of a bundle", architecture, ARCHITECTURES)
    if runtime not in bundle_runtimes():
        raise UnknownNameError("runtime with a bundle for phones", runtime, bundle_runtimes())
    lock = _lock()
    return Recipe(
        runtime=runtime,
        architecture=architecture,
        python=lock["python"],
        module=lock["modules"][runtime],
        packages=tuple(Source(**row) for row in lock["packages"][architecture]),
        wheels=tuple(Source(**row) for row in lock["wheels"][architecture][runtime]),
    )


@cache
def _lock() -> Any:  # noqa: ANN401 (JSON; ours)
    return json.loads(_LOCK.read_text())
