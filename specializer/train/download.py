"""Imagenette: found, fetched, unpacked.

The public archive is fast.ai's. It is fetched from the public address, checked against a hash that
is written here, and unpacked into the user's cache; nothing is redistributed.
"""

from __future__ import annotations

import hashlib
import http.client
import shutil
import tarfile
import tempfile
import urllib.error
import urllib.request
import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from ...tables.errors import DatasetError, OutputError

Report = Callable[[int, int], None]
"""Called as a download goes on: bytes that are here, bytes in all."""

_CHUNK_BYTES = 1 << 20
_TIMEOUT_S = 30.0


@dataclass(frozen=True, slots=True)
class Archive:
    """A data set in a tar file that anybody can fetch.

    Attributes:
        folder: the one folder that the archive holds.
        sha256: of the file, in hexadecimal.
        size: of the file, in bytes.
    """

    folder: str
    url: str
    sha256: str
    size: int


IMAGENETTE = Archive(
    folder="imagenette2-160",
    url="https://s3.amazonaws.com/fast-ai-imageclas/imagenette2-160.tgz",
    sha256="64d0c4859f35a461889e0147755a999a48b49bf38a7e0f9bd27003f10db02fe5",
    size=99_003_388,
)


def cache_folder(environment: Mapping[str, str]) -> Path:
    """Return where Sartor keeps what it can fetch again, by the XDG convention."""
    base = environment.get("XDG_CACHE_HOME") or Path(environment.get("HOME", "~"), ".cache")
    return Path(base).expanduser() / "sartor"


def imagenette_folder(environment: Mapping[str, str], archive: Archive = IMAGENETTE) -> Path:
    """Find Imagenette on this machine; nothing is fetched.

    Looked for in this order: the folder, then the tar file under ``SARTOR_DATA`` (unpacked into
    the cache once), then what ``fetch`` left in the cache.

    Returns:
        The folder that holds ``train`` and ``val``.

    Raises:
        DatasetError: it is nowhere, or the tar file is damaged.
        OutputError: the cache cannot be written.
    """
    cache = cache_folder(environment)
    if shared := environment.get("SARTOR_DATA"):
        folder = Path(shared) / archive.folder
        if (folder / "train").is_dir():
            return folder
        packed = folder / f"{archive.folder}.tar"
        if packed.is_file():
            return _unpacked(packed, _digest(packed), archive.folder, cache)
    fetched = _place(cache, archive.folder, archive.sha256)
    if fetched.is_dir():
        return fetched
    raise DatasetError(
        f"{archive.folder} is not on this machine; set SARTOR_DATA to a folder that has it, "
        f"or fetch it ({archive.size / 1e6:.0f} MB)"
    )


def fetch(environment: Mapping[str, str], report: Report, archive: Archive = IMAGENETTE) -> Path:
    """Fetch a data set into the cache, unless it is there; return its folder.

    An interrupted download goes on where it stopped.

    Raises:
        DatasetError: the server does not answer, or sends something else.
        OutputError: the cache cannot be written.
    """
    cache = cache_folder(environment)
    place = _place(cache, archive.folder, archive.sha256)
    if place.is_dir():
        return place
    packed = cache / f"{archive.folder}-{archive.sha256[:12]}.part"
    _download(archive, packed, report)
    if _digest(packed) != archive.sha256:
        packed.unlink()
        raise DatasetError(f"what {archive.url} sent is not what it should be; try again later")
    place = _unpacked(packed, archive.sha256, archive.folder, cache)
    packed.unlink()
    return place


def _download(archive: Archive, part: Path, report: Report) -> None:
    """Complete a partial file from the network."""
    try:
        part.parent.mkdir(parents=True, exist_ok=True)
        part.touch()
        with part.open("r+b") as file:
            for offset, chunk in _chunks(archive, begin=part.stat().st_size):
                file.seek(offset)
                file.truncate()  # where the server cannot go on, it begins anew
                file.write(chunk)
                report(file.tell(), archive.size)
    except OSError as error:
        raise OutputError(
            f"cannot write {part}: {error.strerror}; free some space or set XDG_CACHE_HOME"
        ) from error


def _chunks(archive: Archive, begin: int) -> Iterator[tuple[int, bytes]]:
    """Yield (offset, bytes) of a remote file, from ``begin`` on where the server can do that."""
    if begin >= archive.size:
        return
    request = urllib.request.Request(archive.url, headers={"Range": f"bytes={begin}-"})  # noqa: S310 (our own addresses)
    offset = begin
    try:
        with urllib.request.urlopen(request, timeout=_TIMEOUT_S) as answer:  # noqa: S310
            offset = begin if answer.status == http.client.PARTIAL_CONTENT else 0
            while chunk := answer.read(_CHUNK_BYTES):
                yield offset, chunk
                offset += len(chunk)
                if offset > archive.size:
                    break
    except (OSError, http.client.HTTPException) as error:
        raise DatasetError(
            f"cannot fetch {archive.url}: {error}; what came so far is kept, so try again later"
        ) from error
    if offset < archive.size:
        raise DatasetError(
            f"{archive.url} broke off after {offset} of {archive.size} bytes; they are kept, "
            "so try again"
        )


def _digest(path: Path) -> str:
    digest = hashlib.sha256()
    try:
        with path.open("rb") as file:
            while chunk := file.read(_CHUNK_BYTES):
                digest.update(chunk)
    except OSError as error:
        raise DatasetError(f"cannot read {path}: {error.strerror}") from error
    return digest.hexdigest()


def _place(cache: Path, folder: str, sha256: str) -> Path:
    """Where the contents of the archive with that hash stand, once they are unpacked."""
    return cache / f"{folder}-{sha256[:12]}"


def _unpacked(packed: Path, sha256: str, folder: str, cache: Path) -> Path:
    """Unpack an archive's folder into the cache, whole or not at all, unless it is there."""
    place = _place(cache, folder, sha256)
    if place.is_dir():
        return place
    try:
        cache.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=cache, prefix=f".{folder}.") as scratch:
            _unpack(packed, Path(scratch))
            if not (Path(scratch) / folder).is_dir():
                raise DatasetError(f"{packed} holds no folder {folder}; restore it")
            try:
                (Path(scratch) / folder).rename(place)
            except OSError:
                if not place.is_dir():  # else another process was faster
                    raise
    except OSError as error:
        raise OutputError(
            f"cannot unpack into {cache}: {error.strerror}; free some space or set XDG_CACHE_HOME"
        ) from error
    return place


def _unpack(packed: Path, target: Path) -> None:
    """Unpack plain files and folders below ``target``, and refuse everything else.

    tarfile's own filter came with Python 3.10.12 and 3.11.4 only, and lets links through.
    """
    try:
        with tarfile.open(packed) as archive:
            for member in archive:
                inside = PurePosixPath(member.name)
                if inside.is_absolute() or ".." in inside.parts:
                    raise DatasetError(f"{packed} wants to write outside its folder; do not use it")
                path = target / inside
                if member.isdir():
                    path.mkdir(parents=True, exist_ok=True)
                elif member.isfile() and (content := archive.extractfile(member)) is not None:
                    path.parent.mkdir(parents=True, exist_ok=True)
                    with path.open("wb") as file:
                        shutil.copyfileobj(content, file)
                else:
                    raise DatasetError(f"{packed} holds more than files and folders; do not use it")
    except (tarfile.TarError, EOFError, zlib.error) as error:
        raise DatasetError(f"{packed} is damaged ({error}); copy or download it again") from error
