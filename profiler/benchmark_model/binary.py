"""The tool itself: named by the user, or fetched by its address and hash, and put on a device.

Google publishes builds of it in a public bucket, at ``storage.googleapis.com/litert/binaries``, by
version and platform; with none is there a hash, and ``latest`` changes. So whoever fetches one has
to say by its SHA-256 which file is meant (``URL#sha256=…``, as pip writes it). Who does not is told
the hash of what was found there, to take or to leave.

Source: developers.google.com/edge/litert/next/benchmark (the addresses).
"""

from __future__ import annotations

import hashlib
import os
import re
import tempfile
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from ...devices.device import Device
from ...tables.errors import FormatError, ModelFileError, OutputError, RuntimeMissingError
from ..archive import temporary_file
from ..provision.prepared import Part, Prepared, content_key, find_prepared, runtime_folder
from .flags import read_help
from .session import NAME

_PUBLIC = "https://storage.googleapis.com/litert/binaries"
_VERSION = "2.2.0"
_PLATFORMS: Mapping[tuple[str, str], str] = {
    ("Android", "aarch64"): "android_arm64",
    ("Linux", "aarch64"): "linux_arm64",
    ("Linux", "x86_64"): "linux_x86_64",
}
_PINNED = re.compile(r"(?P<url>https?://[^#\s]+)(?:#sha256=(?P<sha256>[0-9a-fA-F]{64}))?")
_MOST_BYTES = 1 << 28
_BLOCK_BYTES = 1 << 20
_TIMEOUT_S = 60
_COMMAND_TIMEOUT_S = 60

_MACHINES: Mapping[int, tuple[str, frozenset[str]]] = {
    3: ("32-bit x86", frozenset({"i386", "i686", "x86_64"})),
    40: ("32-bit ARM", frozenset({"armv7l", "armv8l", "aarch64"})),
    62: ("x86-64", frozenset({"x86_64"})),
    183: ("64-bit ARM", frozenset({"aarch64"})),
    243: ("RISC-V", frozenset({"riscv64"})),
}
"""By what an ELF file says that it is for: its name, and the kernels that may run it."""


@dataclass(frozen=True, slots=True)
class Binary:
    """A benchmark_model on this host.

    Attributes:
        path: of the file.
        version: as far as its address tells, otherwise ``named``.
        sha256: of the file.
    """

    path: Path
    version: str
    sha256: str


def public_address(system: str, machine: str, version: str = _VERSION) -> str:
    """Return where Google publishes the tool for a device.

    Args:
        system: ``Android`` or ``Linux``.
        machine: as the device's kernel names its processors.
        version: of LiteRT.

    Raises:
        RuntimeMissingError: there is none for such devices.
    """
    if (platform := _PLATFORMS.get((system, machine))) is None:
        known = ", ".join(" on ".join(pair[::-1]) for pair in _PLATFORMS)
        raise RuntimeMissingError(
            f"Google publishes no {NAME} for {machine} on {system}, only for {known}; build one, "
            "and name its file"
        )
    return f"{_PUBLIC}/{version}/{platform}/{NAME}"


def published(device: Device) -> str:
    """Say in words where Google publishes the tool for a device."""
    android = device.run(["test", "-x", "/system/bin/sh"], _COMMAND_TIMEOUT_S).exit_code == 0
    machine = device.run(["uname", "-m"], _COMMAND_TIMEOUT_S).stdout.strip()
    try:
        return f"such as {public_address('Android' if android else 'Linux', machine)}"
    except RuntimeMissingError as error:
        return f"but {error}"


def find_binary(
    named: str, folder: Path | None = None, tell: Callable[[str], None] = lambda _: None
) -> Binary:
    """Return the tool that a user means.

    Args:
        named: path of a file, or ``URL#sha256=…``.
        folder: of this host, to keep what is fetched in; by default the user's cache.
        tell: is called with what is being fetched.

    Raises:
        FormatError: that is no address.
        RuntimeMissingError: there is no such file, or it is another, or not pinned.
        OutputError: the folder cannot be written.
    """
    if "://" not in named:
        path = Path(named).expanduser()
        if not path.is_file():
            raise RuntimeMissingError(f"there is no file {named}; name a {NAME}, or its address")
        return Binary(path, "named", _sha256(path))
    if (match := _PINNED.fullmatch(named)) is None:
        raise FormatError(f"{named[:200]!r} is not URL#sha256=64 hexadecimal digits")
    url, wanted = match["url"], (match["sha256"] or "").lower()
    folder = folder or _cache_folder()
    kept = folder / f"{NAME}-{wanted}"
    if not (wanted and kept.is_file() and _sha256(kept) == wanted):
        tell(f"fetching {url}")
        kept = _fetch(url, wanted, folder)
    return Binary(kept, _version(url), wanted)


def put_binary(device: Device, binary: Binary) -> Prepared:
    """Put the tool on a device, unless it is there; return what is there.

    Raises:
        RuntimeMissingError: it is none, or does not run there.
        DeviceError: the device is gone, or cannot hold it.
    """
    machine = device.run(["uname", "-m"], _COMMAND_TIMEOUT_S).stdout.strip()
    _check_fits(binary, machine, device.name)
    part = Part(NAME, binary.version, binary.sha256)
    prepared = Prepared(runtime_folder(device, NAME), "native", content_key([part]), (part,))
    program = str(prepared.python)
    there = device.run(["sha256sum", program], _COMMAND_TIMEOUT_S)
    if there.stdout.split()[:1] != [binary.sha256]:
        device.push(binary.path, prepared.python)
    device.run(["chmod", "755", program], _COMMAND_TIMEOUT_S)
    said = device.run([program, "--help"], _COMMAND_TIMEOUT_S)
    try:
        read_help(said.stdout + said.stderr)
    except ModelFileError as error:
        words = (said.stderr.strip().splitlines() or [""])[-1][:200]
        raise RuntimeMissingError(
            f"{binary.path} does not run on {device.name} as a {NAME} does: {error} ({words})"
        ) from error
    if _noted(device) != prepared:
        with temporary_file(prepared.to_json().encode()) as note:
            device.push(note, prepared.note)
    return prepared


def _noted(device: Device) -> Prepared | None:
    try:
        return find_prepared(device, NAME)
    except FormatError:
        return None


def _check_fits(binary: Binary, machine: str, device: str) -> None:
    """Raise RuntimeMissingError where a file is no program for a device."""
    with binary.path.open("rb") as file:
        head = file.read(20)
    if head.startswith(b"#!"):  # a script around it, as for taskset
        return
    if not head.startswith(b"\x7fELF") or len(head) < 20:
        raise RuntimeMissingError(f"{binary.path} is no program for Linux or Android")
    name, kernels = _MACHINES.get(int.from_bytes(head[18:20], "little"), ("others", frozenset()))
    if machine not in kernels:
        raise RuntimeMissingError(
            f"{binary.path} is for {name} processors, and {device} has {machine[:40]}"
        )


def _fetch(url: str, wanted: str, folder: Path) -> Path:
    """Fetch a file if it is the one that is wanted; return where it is kept."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder, prefix=".fetching-") as aside:
            part = Path(aside) / NAME
            _download(url, part)
            found = _sha256(part)
            if found != wanted:
                raise _another(url, wanted, found)
            part.chmod(0o755)
            return part.replace(folder / f"{NAME}-{wanted}")
    except urllib.error.URLError as error:
        status = (
            f"status {error.code}" if isinstance(error, urllib.error.HTTPError) else error.reason
        )
        raise RuntimeMissingError(
            f"cannot fetch {url}: {status}; check the address and the network, or fetch it "
            "yourself and name the file"
        ) from error
    except OSError as error:
        raise OutputError(
            f"cannot keep {url} in {folder}: {error.strerror or error}; free some space or set "
            "XDG_CACHE_HOME"
        ) from error


def _download(url: str, part: Path) -> None:
    with urllib.request.urlopen(url, timeout=_TIMEOUT_S) as answer, part.open("wb") as file:  # noqa: S310 (http and https only)
        left = _MOST_BYTES
        while block := answer.read(_BLOCK_BYTES):
            left -= len(block)
            if left < 0:
                raise RuntimeMissingError(
                    f"{url} is longer than {_MOST_BYTES >> 20} MiB, and so no {NAME}"
                )
            file.write(block)


def _another(url: str, wanted: str, found: str) -> RuntimeMissingError:
    if not wanted:
        return RuntimeMissingError(
            f"{url} is not pinned, and may be another file tomorrow; what it is now has the "
            f"SHA-256 {found}: if you trust that, name {url}#sha256={found}"
        )
    return RuntimeMissingError(
        f"{url} is not the file that was pinned: its SHA-256 is {found}, not {wanted}"
    )


def _version(url: str) -> str:
    """Return the version that an address names, such as ``2.2.0``."""
    found = re.search(r"/(\d+\.\d+(?:\.\d+)?|latest|nightly)/", url)
    return found[1] if found else "fetched"


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(_BLOCK_BYTES):
            digest.update(block)
    return digest.hexdigest()


def _cache_folder() -> Path:
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "sartor" / NAME
