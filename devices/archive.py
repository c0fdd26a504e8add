"""Packages of our own as single files, ready to be pushed: what runs on devices."""

from __future__ import annotations

import hashlib
import io
import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePosixPath

from ..tables.errors import OutputError
from .device import Device

_COMMAND_TIMEOUT_S = 30


@dataclass(frozen=True)
class Archive:
    """A package as a zip file that Python imports from and runs; the same bytes always.

    Attributes:
        package: what it is called there.
        folder: of its modules.
        runs: whether ``python FILE`` calls ``main`` of its ``__main__``.
    """

    package: str
    folder: Path
    runs: bool = False

    @cached_property
    def content(self) -> bytes:
        """The file."""
        content = io.BytesIO()
        with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
            for path in sorted(self.folder.glob("*.py")):
                _add(archive, f"{self.package}/{path.name}", path.read_bytes())
            if self.runs:
                run = f"import sys\nfrom {self.package}.__main__ import main\nsys.exit(main())\n"
                _add(archive, "__main__.py", run.encode())
        return content.getvalue()

    @cached_property
    def digest(self) -> str:
        """The SHA-256 of the file."""
        return hashlib.sha256(self.content).hexdigest()

    def path(self, device: Device) -> PurePosixPath:
        """Return where it lies on a device, if it was put there; no other version lies there."""
        return device.root / f"{self.package}-{self.digest[:12]}.zip"

    def is_on(self, device: Device) -> bool:
        """Tell whether it lies on a device, whole."""
        there = device.run(["sha256sum", str(self.path(device))], _COMMAND_TIMEOUT_S)
        return there.stdout.split()[:1] == [self.digest]

    def push(self, device: Device) -> None:
        """Put it on a device."""
        with temporary_file(self.content) as local:
            device.push(local, self.path(device))


def _add(archive: zipfile.ZipFile, name: str, content: bytes) -> None:
    # ZipInfo's default date is 1980, whenever the file was last touched.
    archive.writestr(zipfile.ZipInfo(name), content, zipfile.ZIP_DEFLATED)


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
