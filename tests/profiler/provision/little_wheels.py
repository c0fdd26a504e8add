"""Wheels as real ones are, but little: what travels is then a matter of milliseconds."""

from __future__ import annotations

import base64
import hashlib
import zipfile
from collections.abc import Mapping
from pathlib import Path

METADATA = "Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"


def make_wheel(
    folder: Path,
    name: str,
    version: str,
    files: Mapping[str, str | bytes],
    tag: str = "cp311-cp311-manylinux_2_17_x86_64",
) -> Path:
    """Write a wheel (PEP 427) of some files; the same bytes always."""
    stem = f"{name.replace('-', '_')}-{version}"
    about = {
        f"{stem}.dist-info/METADATA": METADATA.format(name=name, version=version),
        f"{stem}.dist-info/WHEEL": f"Wheel-Version: 1.0\nRoot-Is-Purelib: false\nTag: {tag}\n",
    }
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{stem}-{tag}.whl"
    lines = []
    with zipfile.ZipFile(path, "w") as archive:
        for place, text in {**files, **about}.items():
            content = text if isinstance(text, bytes) else text.encode()
            digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=")
            lines.append(f"{place},sha256={digest.decode()},{len(content)}\n")
            archive.writestr(zipfile.ZipInfo(place), content, zipfile.ZIP_DEFLATED)
        record = f"{stem}.dist-info/RECORD"
        archive.writestr(zipfile.ZipInfo(record), "".join([*lines, f"{record},,\n"]))
    return path


def litert_wheels(folder: Path, interpreter: str = "", noise_bytes: int = 0) -> None:
    """Write wheels under the names of LiteRT's and numpy's.

    Args:
        folder: to write them to.
        interpreter: the source of the module that the agent imports.
        noise_bytes: that make them longer, so that they travel in several pieces.
    """
    noise = hashlib.shake_256(b"").digest(noise_bytes)
    package = {"ai_edge_litert/__init__.py": "", "ai_edge_litert/interpreter.py": interpreter}
    elsewhere = {
        "ai_edge_litert-2.3.0.data/purelib/ai_edge_litert/more.py": "MORE = 1\n",
        "ai_edge_litert-2.3.0.data/scripts/litert": "#!python\n",
    }
    make_wheel(folder, "ai-edge-litert", "2.3.0", {**package, **elsewhere})
    make_wheel(folder, "numpy", "2.2.6", {"numpy/__init__.py": "", "numpy/noise": noise})
