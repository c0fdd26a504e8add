"""Debian packages, read without Debian: a bundle is built on any host.

Source: deb(5) and ar(5): an archive of ``debian-binary``, ``control.tar`` and ``data.tar``.
"""

from __future__ import annotations

import io
import posixpath
import tarfile
from collections.abc import Iterator

from ...tables.errors import FormatError

_MAGIC = b"!<arch>\n"
_HEADER_BYTES = 60
_SIZE = slice(48, 58)
_END = b"`\n"


class DebianFiles:
    """The files of a package, by their path on a system that has it installed.

    Args:
        package: the content of a ``.deb`` file.

    Raises:
        FormatError: it is none, or is packed in a way that this Python cannot unpack.
    """

    def __init__(self, package: bytes) -> None:
        name, data = next(
            (member for member in _members(package) if member[0].startswith("data.tar")),
            ("", b""),
        )
        if not name:
            raise FormatError("a Debian package without data.tar is none")
        self._content: dict[str, bytes] = {}
        self._links: dict[str, str] = {}
        self._executable: set[str] = set()
        try:
            with tarfile.open(fileobj=io.BytesIO(data)) as archive:
                for member in archive:
                    self._add(archive, member)
        except (tarfile.TarError, EOFError) as error:
            raise FormatError(f"{name} of a Debian package cannot be unpacked: {error}") from error

    def __iter__(self) -> Iterator[str]:
        """Go through the paths of all files, links to files among them."""
        return iter(sorted({*self._content, *filter(self._exists, self._links)}))

    def read(self, path: str) -> bytes:
        """Return a file's content, whatever links lead to it; KeyError where there is none."""
        return self._content[self._resolved(path)]

    def is_executable(self, path: str) -> bool:
        """Tell whether a file may be run."""
        return self._resolved(path) in self._executable

    def _add(self, archive: tarfile.TarFile, member: tarfile.TarInfo) -> None:
        path = posixpath.normpath(f"/{member.name}")
        if member.issym():
            self._links[path] = posixpath.normpath(
                posixpath.join(posixpath.dirname(path), member.linkname)
            )
        elif member.islnk():
            self._links[path] = posixpath.normpath(f"/{member.linkname}")
        elif member.isfile() and (file := archive.extractfile(member)):
            self._content[path] = file.read()
            if member.mode & 0o100:
                self._executable.add(path)

    def _exists(self, path: str) -> bool:
        return self._resolved(path) in self._content

    def _resolved(self, path: str) -> str:
        for _ in range(8):  # links of links; more than a few are a circle
            if path not in self._links:
                break
            path = self._links[path]
        return path


def _members(archive: bytes) -> Iterator[tuple[str, bytes]]:
    """Go through the files of an ar archive: (name, content)."""
    if not archive.startswith(_MAGIC):
        raise FormatError("a Debian package begins with !<arch>; this is none")
    at = len(_MAGIC)
    while at < len(archive):
        header = archive[at : at + _HEADER_BYTES]
        size = header[_SIZE].strip()
        if not header.endswith(_END) or not size.isdigit():
            raise FormatError("a Debian package is damaged: no header where one belongs")
        at += _HEADER_BYTES
        content = archive[at : at + int(size)]
        if len(content) < int(size):
            raise FormatError("a Debian package is damaged: it ends too early")
        yield header[:16].decode("ascii", "replace").strip().rstrip("/"), content
        at += int(size) + int(size) % 2
