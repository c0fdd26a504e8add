"""Brings the pinned sources of a bundle to this host.

Whoever delivers them, nothing is taken for a source but what has its SHA-256. So any mirror will
do, and those are asked first that the user has chosen: the mirror in ``SARTOR_DEBIAN_MIRROR``, the
one that apt uses where this host runs Debian, and for wheels whatever pip is told to use.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from urllib.parse import quote

from ...tables.errors import OutputError, RuntimeMissingError
from .bundle_lock import Recipe, Source

_APT_HELPER = Path("/usr/lib/apt/apt-helper")
_APT_SOURCES = (Path("/etc/apt/sources.list"), Path("/etc/apt/sources.list.d"))
_APT_MIRROR = re.compile(r"^(?:deb .*?|URIs:\s*)(https?://\S+?/debian)/?(?:\s|$)", re.MULTILINE)
_MIRRORS = ("https://deb.debian.org/debian",)
_ARCHIVE = "https://snapshot.debian.org/file"
"""Keeps every package that Debian ever had, by its SHA-1, after the mirrors have dropped it."""

_TIMEOUT_S = 60
_DOWNLOAD_TIMEOUT_S = 900
_BLOCK_BYTES = 1 << 20


def fetch_sources(recipe: Recipe, folder: Path, tell: Callable[[str], None]) -> dict[Source, bytes]:
    """Return the content of every source, fetching what ``folder`` does not hold yet.

    Args:
        recipe: that names the sources.
        folder: of this host, where they are kept.
        tell: is called with what is being fetched.

    Raises:
        RuntimeMissingError: a source is not to be had.
        OutputError: the folder cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for source in recipe.packages:
            if not _holds(folder, source):
                tell(f"fetching {source.name} {source.version}")
                _fetch_package(source, folder)
        if missing := [source for source in recipe.wheels if not _holds(folder, source)]:
            tell(f"fetching {', '.join(f'{each.name} {each.version}' for each in missing)}")
            _fetch_wheels(recipe, missing, folder)
        return {source: _kept(folder, source).read_bytes() for source in recipe.sources}
    except OSError as error:
        raise OutputError(
            f"cannot write {folder}: {error.strerror}; free some space or set XDG_CACHE_HOME"
        ) from error


def _kept(folder: Path, source: Source) -> Path:
    return folder / f"{source.sha256[:16]}-{Path(source.path).name}"


def _holds(folder: Path, source: Source) -> bool:
    path = _kept(folder, source)
    return path.is_file() and path.stat().st_size == source.size and _sha256(path) == source.sha256


def _keep(found: Path, folder: Path, source: Source) -> bool:
    """Take a file for a source if it is that; tell whether it is."""
    if not found.is_file() or _sha256(found) != source.sha256:
        return False
    found.replace(_kept(folder, source))
    return True


def _fetch_package(source: Source, folder: Path) -> None:
    """Fetch a Debian package from the first place that has it."""
    failures: list[str] = []
    with tempfile.TemporaryDirectory(dir=folder, prefix=".fetching-") as aside:
        part = Path(aside) / "package.deb"
        for fetch, url in _places(source):
            try:
                fetch(url, part, source)
            except (OSError, ValueError, subprocess.SubprocessError) as error:
                failures.append(f"{url}: {_said(error)}")
                continue
            if _keep(part, folder, source):
                return
            failures.append(f"{url}: it is another file than the one that is pinned")
    raise RuntimeMissingError(
        f"cannot fetch {source.name} {source.version} for the bundle ({'; '.join(failures)}); "
        "connect this host to the internet, or set SARTOR_DEBIAN_MIRROR to a mirror of Debian "
        "that it reaches"
    )


_Fetch = Callable[[str, Path, Source], None]


def _places(source: Source) -> Iterator[tuple[_Fetch, str]]:
    below = quote(source.path)
    if mirror := os.environ.get("SARTOR_DEBIAN_MIRROR", "").rstrip("/"):
        yield _download, f"{mirror}/{below}"
    if _APT_HELPER.exists():
        for mirror in _apt_mirrors():
            yield _download_by_apt, f"{mirror}/{below}"
    for mirror in _MIRRORS:
        yield _download, f"{mirror}/{below}"
    yield _download, f"{_ARCHIVE}/{source.sha1}"


def _apt_mirrors() -> Sequence[str]:
    """Find the mirrors of Debian that apt uses on this host."""
    listed = [_APT_SOURCES[0], *sorted(_APT_SOURCES[1].glob("*"))]
    texts = [path.read_text(errors="replace") for path in listed if path.is_file()]
    return list(dict.fromkeys(match for text in texts for match in _APT_MIRROR.findall(text)))


def _download_by_apt(url: str, part: Path, source: Source) -> None:
    """Fetch a file as apt does: through its proxies, with its passwords."""
    done = subprocess.run(
        [str(_APT_HELPER), "download-file", url, str(part), f"SHA256:{source.sha256}"],
        capture_output=True,
        text=True,
        errors="replace",
        timeout=_DOWNLOAD_TIMEOUT_S,
        check=False,
    )
    if done.returncode:
        raise OSError(" ".join(done.stderr.split())[-300:] or "apt could not fetch it")


def _download(url: str, part: Path, source: Source) -> None:
    if not url.startswith(("http://", "https://")):
        raise ValueError("not an address of the web")
    with urllib.request.urlopen(url, timeout=_TIMEOUT_S) as answer, part.open("wb") as file:  # noqa: S310
        left = source.size + 1  # one byte more tells that it is another file
        while left > 0 and (block := answer.read(min(_BLOCK_BYTES, left))):
            file.write(block)
            left -= len(block)


def _fetch_wheels(recipe: Recipe, wheels: Sequence[Source], folder: Path) -> None:
    """Fetch wheels by pip, which knows the user's index, its proxies and its passwords."""
    pip = _pip()
    machine = recipe.architecture
    with tempfile.TemporaryDirectory(dir=folder, prefix=".fetching-") as aside:
        pins = Path(aside) / "pins.txt"
        pins.write_text(
            "".join(f"{each.name}=={each.version} --hash=sha256:{each.sha256}\n" for each in wheels)
        )
        argv = [*pip, "download", "--quiet", "--no-deps", "--no-input", "--require-hashes"]
        argv += ["--disable-pip-version-check", "--only-binary=:all:", "--dest", aside]
        argv += ["--implementation", "cp", "--python-version", recipe.python]
        for libc in ("2_17", "2_27", "2_28"):
            argv += ["--platform", f"manylinux_{libc}_{machine}"]
        argv += ["--platform", f"manylinux2014_{machine}", "--requirement", str(pins)]
        try:
            done = subprocess.run(
                argv,
                capture_output=True,
                text=True,
                errors="replace",
                timeout=_DOWNLOAD_TIMEOUT_S,
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            raise RuntimeMissingError(
                f"pip fetched no wheels within {_DOWNLOAD_TIMEOUT_S} s; try again"
            ) from error
        for source in wheels:
            if not _keep(Path(aside) / source.path, folder, source):
                raise RuntimeMissingError(
                    f"cannot fetch {source.path} for the bundle: pip says "
                    f"{done.stderr.strip()[-300:] or 'nothing'}; connect this host to a package "
                    "index, or set PIP_FIND_LINKS to a folder that holds the file"
                )


def _pip() -> list[str]:
    for argv in ([sys.executable, "-m", "pip"], [shutil.which("pip3") or ""]):
        if (
            argv[0]
            and subprocess.run([*argv, "--version"], capture_output=True, check=False).returncode
            == 0
        ):
            return argv
    raise RuntimeMissingError(
        f"pip is needed on this host to fetch wheels: {sys.executable} -m ensurepip"
    )


def _said(error: Exception) -> str:
    if isinstance(error, urllib.error.HTTPError):
        return f"status {error.code}"
    if isinstance(error, urllib.error.URLError):
        return str(error.reason)
    return str(error) or type(error).__name__


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(_BLOCK_BYTES):
            digest.update(block)
    return digest.hexdigest()
