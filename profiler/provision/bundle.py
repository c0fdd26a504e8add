"""Sartor's own bundle: a Python with one runtime, for devices that have none. Built on the host.

The same pins give the same tree and the same tar archive, byte for byte, on every host.
"""

from __future__ import annotations

import fcntl
import gzip
import hashlib
import io
import json
import os
import tarfile
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from ...tables.errors import OutputError
from . import bundle_contents, bundle_deb
from .bundle_contents import Entry, bundle_tree
from .bundle_fetch import fetch_sources
from .bundle_lock import Recipe, find_recipe

MANIFEST = "bundle.json"
"""The last file of the archive: where it is, all the others are."""

_WHEN = 315_532_800  # 1980-01-01: the first day that zip files know
_LEVEL = 6


@dataclass(frozen=True, slots=True)
class Bundle:
    """A bundle on this host.

    Attributes:
        recipe: what it was made of.
        archive: a compressed tar archive, as phones unpack it.
        sha256: of the tar archive within. How it is compressed differs between hosts.
        size: of ``archive``, in bytes.
    """

    recipe: Recipe
    archive: Path
    sha256: str
    size: int

    @property
    def pairs(self) -> tuple[tuple[str, str], ...]:
        """What a table is to know of it: (name, value), sorted by name."""
        versions = {source.name: source.version for source in self.recipe.sources}
        return tuple(sorted((versions | {"bundle": self.sha256}).items()))


def build_bundle(
    runtime: str,
    architecture: str,
    folder: Path | None = None,
    tell: Callable[[str], None] = lambda _: None,
) -> Bundle:
    """Return the bundle of a runtime, made now unless it was made before.

    Args:
        runtime: as conditions name it.
        architecture: of the device, as its kernel names it.
        folder: of this host to keep bundles and their sources in, by default the user's cache.
        tell: is called with what is being done.

    Raises:
        UnknownNameError: there is no bundle of that runtime, or for such a device.
        RuntimeMissingError: its sources are not to be had.
        OutputError: the folder cannot be written.
    """
    recipe = find_recipe(runtime, architecture)
    folder = folder or _cache_folder()
    name = f"{runtime}-{architecture}-{_key(recipe)}"
    with _alone(folder):
        if found := _made_before(recipe, folder, name):
            return found
        sources = fetch_sources(recipe, folder / "sources", tell)
        tell(f"putting the {runtime} bundle for {architecture} together")
        tree = bundle_tree(recipe, sources)
        return _store(recipe, tree, folder, name)


def tar_of(tree: Mapping[str, Entry]) -> bytes:
    """Pack a tree; the same tree always gives the same bytes."""
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for path, entry in (*_folders(tree), *tree.items()):
            info = tarfile.TarInfo(path)
            info.mtime = _WHEN
            if entry is None:
                info.type, info.mode = tarfile.DIRTYPE, 0o755
                archive.addfile(info)
            else:
                info.size, info.mode = len(entry.content), 0o755 if entry.executable else 0o644
                archive.addfile(info, io.BytesIO(entry.content))
    return content.getvalue()


def _folders(tree: Mapping[str, Entry]) -> list[tuple[str, None]]:
    parents = {str(parent) for path in tree for parent in Path(path).parents}
    return [(path, None) for path in sorted(parents - {"."})]


def _key(recipe: Recipe) -> str:
    """Tell bundles apart by what they are made of, and by the code that makes them."""
    key = hashlib.sha256(recipe.digest.encode())
    for source in (bundle_contents.__file__, bundle_deb.__file__, __file__):
        key.update(Path(source).read_bytes())
    return key.hexdigest()[:12]


def _store(recipe: Recipe, tree: Mapping[str, Entry], folder: Path, name: str) -> Bundle:
    about = {
        "runtime": recipe.runtime,
        "architecture": recipe.architecture,
        "sources": {source.name: source.sha256 for source in recipe.sources},
    }
    manifest = Entry(json.dumps(about, indent=1, sort_keys=True).encode())
    tar = tar_of({**tree, MANIFEST: manifest})
    packed = gzip.compress(tar, _LEVEL, mtime=0)
    sha256 = hashlib.sha256(tar).hexdigest()
    kept = {"sha256": sha256, "archive_sha256": hashlib.sha256(packed).hexdigest()}
    _write(folder / f"{name}.tar.gz", packed)
    _write(folder / f"{name}.json", json.dumps(kept).encode())  # last: with it, all is there
    return Bundle(recipe, folder / f"{name}.tar.gz", sha256, len(packed))


def _made_before(recipe: Recipe, folder: Path, name: str) -> Bundle | None:
    archive = folder / f"{name}.tar.gz"
    try:
        kept = json.loads((folder / f"{name}.json").read_bytes())
        packed = archive.read_bytes()
        if hashlib.sha256(packed).hexdigest() != kept["archive_sha256"]:
            return None
        return Bundle(recipe, archive, str(kept["sha256"]), len(packed))
    except (OSError, ValueError, TypeError, KeyError):
        return None  # not whole: it is made again


def _write(path: Path, content: bytes) -> None:
    try:
        with tempfile.NamedTemporaryFile(dir=path.parent, prefix=".making-", delete=False) as file:
            part = Path(file.name)
            try:
                file.write(content)
                part.replace(path)
            finally:
                part.unlink(missing_ok=True)
    except OSError as error:
        raise _unwritable(path.parent, error) from error


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Keep others from making bundles in a folder meanwhile; they find what we have made."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = (folder / "lock").open("w")
    except OSError as error:
        raise _unwritable(folder, error) from error
    with lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _unwritable(folder: Path, error: OSError) -> OutputError:
    return OutputError(
        f"cannot write {folder}: {error.strerror}; free some space or set XDG_CACHE_HOME"
    )


def _cache_folder() -> Path:
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "sartor" / "bundles"
