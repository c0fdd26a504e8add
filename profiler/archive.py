"""The agent as one file, ready to be pushed."""

from __future__ import annotations

import hashlib
import io
import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

from ..devices.device import Device
from ..tables.errors import OutputError

AGENT_PACKAGE = "sartor_agent"

_COMMAND_TIMEOUT_S = 30


@cache
def agent_archive() -> bytes:
    """Pack the agent's folder as a zip file that Python imports from; always the same bytes."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted((Path(__file__).parent / "agent").glob("*.py")):
            # ZipInfo's default date is 1980, whenever the file was last touched.
            archive.writestr(zipfile.ZipInfo(f"{AGENT_PACKAGE}/{path.name}"), path.read_bytes())
    return content.getvalue()


def agent_sha256() -> str:
    """Return the hash of the agent's archive, in hexadecimal digits."""
    return hashlib.sha256(agent_archive()).hexdigest()


def push_archive(device: Device) -> str:
    """Put the agent's archive on a device unless it is there, whole; return its path."""
    digest = agent_sha256()
    path = device.root / f"agent-{digest[:12]}.zip"
    there = device.run(["sha256sum", str(path)], _COMMAND_TIMEOUT_S)
    if there.stdout.split()[:1] != [digest]:
        with temporary_file(agent_archive()) as local:
            device.push(local, path)
    return str(path)


@contextmanager
def temporary_file(content: bytes = b"") -> Iterator[Path]:
    """Give a file on this host that is gone afterwards.

    Raises:
        OutputError: there is no space for it.
    """
    try:
        with tempfile.TemporaryDirectory(prefix="sartor-") as folder:
            path = Path(folder) / "content"
            path.write_bytes(content)
            yield path
    except OSError as error:
        raise OutputError(
            f"cannot write a temporary file on this host: {error.strerror}; "
            "free some space, or set TMPDIR to a folder that has some"
        ) from error
