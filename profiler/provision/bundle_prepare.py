"""Puts Sartor's own bundle on a device that has no Python, such as a phone.

It travels in pieces. A connection that breaks costs one piece: whoever tries again finds those
that arrived, by their SHA-256. The tools of the device that this takes are those of Android's
toybox, or any other's: ``sh``, ``mkdir``, ``sha256sum``, ``cat``, ``zcat``, ``tar``, ``mv`` and
``rm``.

It has to lie where programs may be run from. On Android that is ``/data/local/tmp`` for what comes
over ADB: SELinux lets the shell execute what the shell put there, while ``/sdcard`` is mounted
``noexec``.
"""

from __future__ import annotations

import hashlib
import json
import re
import uuid
from collections.abc import Callable, Sequence
from pathlib import PurePosixPath

from ...devices.device import Device
from ...tables.errors import (
    CommandFailedError,
    DeviceError,
    FormatError,
    RuntimeMissingError,
)
from ..archive import temporary_file
from .bundle import MANIFEST, Bundle, build_bundle
from .bundle_lock import ARCHITECTURES, bundle_runtimes
from .prepared import Part, Prepared, content_key, find_prepared, runtime_folder

_PIECE_BYTES = 4 << 20
_TIMEOUT_S = 120
_UNPACK_TIMEOUT_S = 900  # old phones write a few megabytes a second
_CHECK_TIMEOUT_S = 600  # and compile Python's modules for the first time
_MOST_SAID = 300

_UNPACK = f"""
set -e
folder=$1 aside=$2
shift 2
mkdir -p "$aside"
for unpack in zcat "gzip -dc" "busybox zcat" none
do command -v "${{unpack%% *}}" >/dev/null && break; done
cat "$@" | $unpack | tar -xf - -C "$aside"
test -f "$aside/{MANIFEST}"
# What begins with #!/system/bin/sh starts on Android only.
test -x /system/bin/sh || mv "$aside/run-linux" "$aside/run"
rm -rf "$folder"
mv "$aside" "$folder"
"""

_CHECK = """
import importlib, json, os, platform, sys
os.environ["ORT_DISABLE_TELEMETRY"] = "1"
from importlib import metadata
import ctypes, fcntl, hashlib, select, shutil, socket, subprocess, tempfile, uuid, zipfile
import numpy.random
importlib.import_module(sys.argv[1])
found = {name: metadata.version(name) for name in sys.argv[2:]}
with tempfile.TemporaryFile():
    print(json.dumps({"python": platform.python_version(), "versions": found}))
"""


def prepare_bundle(
    device: Device, runtime: str, tell: Callable[[str], None] = lambda _: None
) -> Prepared:
    """See to it that a device can run a runtime's agent by a bundle; return what is there.

    A bundle that is there already, the same and working, is left alone. Any other is replaced.

    Args:
        device: that has no Python of its own.
        runtime: as conditions name it.
        tell: is called with what is being done.

    Raises:
        UnknownNameError: there is no bundle of that runtime, or for such a device.
        RuntimeMissingError: the bundle's sources are not to be had, or it does not work there.
        OutputError: this host cannot keep it.
        DeviceError: the device is gone, or cannot hold it.
    """
    bundle = build_bundle(runtime, read_architecture(device), tell=tell)
    return put_bundle(device, bundle, tell)


def can_bundle(device: Device, runtime: str) -> bool:
    """Tell whether there is a bundle of a runtime for a device; DeviceError if it is gone."""
    if runtime not in bundle_runtimes():
        return False
    try:
        read_architecture(device)
    except RuntimeMissingError:
        return False
    return True


def read_architecture(device: Device) -> str:
    """Ask a device's kernel what processors it has.

    Raises:
        RuntimeMissingError: such as there is no bundle for.
        DeviceError: it does not say.
    """
    said = device.run(["uname", "-m"], _TIMEOUT_S)
    machine = said.stdout.strip()
    if said.exit_code or not machine:
        raise DeviceError(f"{device.name} does not know its processors: {said.stderr.strip()}")
    if machine not in ARCHITECTURES:
        raise RuntimeMissingError(
            f"{device.name} has {machine[:40]} processors; bundles are for "
            f"{' and '.join(ARCHITECTURES)}; use Google's benchmark_model there"
        )
    return machine


def put_bundle(
    device: Device, bundle: Bundle, tell: Callable[[str], None] = lambda _: None
) -> Prepared:
    """Put a bundle on a device, unless it is there and works; errors as ``prepare_bundle``."""
    prepared = as_prepared(device, bundle)
    try:
        found = find_prepared(device, bundle.recipe.runtime)
    except FormatError:
        found = None  # a damaged note is replaced with what it is about
    if _complaint(device, bundle, prepared):
        _put(device, bundle, prepared, tell)
    if found != prepared:
        with temporary_file(prepared.to_json().encode()) as note:
            device.push(note, prepared.note)
    return prepared


def _put(device: Device, bundle: Bundle, prepared: Prepared, tell: Callable[[str], None]) -> None:
    """Bring a bundle to a device, unpack it and try it."""
    pieces = _push_pieces(device, bundle, prepared, tell)
    tell(f"unpacking the bundle on {device.name}")
    _unpack(device, prepared, pieces)
    tell(f"trying {bundle.recipe.runtime} on {device.name}")
    if complaint := _complaint(device, bundle, prepared):
        raise RuntimeMissingError(
            f"the {bundle.recipe.runtime} bundle does not work on {device.name}: {complaint}; "
            "use Google's benchmark_model there"
        )
    _remove(device, [_incoming(prepared)])


def as_prepared(device: Device, bundle: Bundle) -> Prepared:
    """Return what a device is to hold once a bundle was put there."""
    sources = bundle.recipe.sources
    parts = [Part(source.name, source.version, source.sha256) for source in sources]
    parts.append(Part("bundle", bundle.sha256[:12], bundle.sha256))
    folder = runtime_folder(device, bundle.recipe.runtime)
    return Prepared(folder, "bundle", content_key(parts), tuple(sorted(parts)))


def _incoming(prepared: Prepared) -> PurePosixPath:
    return prepared.folder / f"{prepared.key}.incoming"


def _push_pieces(
    device: Device, bundle: Bundle, prepared: Prepared, tell: Callable[[str], None]
) -> list[PurePosixPath]:
    """Bring all pieces of a bundle's archive to a device; return where they are, in order."""
    archive = bundle.archive.read_bytes()
    pieces = {
        _incoming(prepared) / f"{at // _PIECE_BYTES:03d}": archive[at : at + _PIECE_BYTES]
        for at in range(0, len(archive), _PIECE_BYTES)
    }
    digests = {path: hashlib.sha256(piece).hexdigest() for path, piece in pieces.items()}
    there = _digests(device, list(pieces))
    for number, (path, piece) in enumerate(pieces.items(), 1):
        if there.get(str(path)) != digests[path]:
            tell(f"pushing the bundle to {device.name}: piece {number} of {len(pieces)}")
            with temporary_file(piece) as local:
                device.push(local, path)
    there = _digests(device, list(pieces))
    if damaged := [path.name for path, digest in digests.items() if there.get(str(path)) != digest]:
        raise DeviceError(
            f"pieces {', '.join(damaged)} of the bundle did not arrive on {device.name} as they "
            "were sent; check its storage and its cable, and try again"
        )
    return list(pieces)


def _digests(device: Device, paths: Sequence[PurePosixPath]) -> dict[str, str]:
    """Return the SHA-256 of each file that there is on a device, by its path."""
    said = device.run(["sha256sum", *map(str, paths)], _TIMEOUT_S).stdout
    found = (re.fullmatch(r"([0-9a-f]{64}) [ *]?(.+)", line) for line in said.splitlines())
    return {match[2]: match[1] for match in found if match}


def _unpack(device: Device, prepared: Prepared, pieces: Sequence[PurePosixPath]) -> None:
    folder = prepared.folder / prepared.key
    aside = prepared.folder / f"{prepared.key}.{uuid.uuid4().hex[:8]}.new"
    arguments = [str(folder), str(aside), *map(str, pieces)]
    done = device.run(["sh", "-c", _UNPACK, "sh", *arguments], _UNPACK_TIMEOUT_S)
    if done.exit_code:
        _remove(device, [aside])
        raise CommandFailedError(
            f"{device.name} cannot unpack the bundle in {prepared.folder}: "
            f"{done.stderr.strip()[-_MOST_SAID:] or f'status {done.exit_code}'}; it takes about "
            "130 MB there, and sh, cat, zcat and tar"
        )


def _complaint(device: Device, bundle: Bundle, prepared: Prepared) -> str:
    """Try a runtime on a device; return what is wrong with it, or nothing.

    Python keeps what it compiles for this, so that agents start without doing it again.
    """
    recipe = bundle.recipe
    script = 'export PYTHONDONTWRITEBYTECODE=; exec "$0" -c "$@"'
    names = [source.name for source in recipe.wheels]
    argv = ["sh", "-c", script, str(prepared.python), _CHECK, recipe.module, *names]
    try:
        done = device.run(argv, _CHECK_TIMEOUT_S)
    except CommandFailedError as error:
        return str(error)
    if done.exit_code:
        return done.stderr.strip()[-_MOST_SAID:] or f"it ended with status {done.exit_code}"
    try:
        found = json.loads(done.stdout)["versions"]
    except (ValueError, TypeError, LookupError):
        return f"it said {done.stdout.strip()[-_MOST_SAID:]!r}"
    wanted = {source.name: source.version for source in recipe.wheels}
    return "" if found == wanted else f"it found {str(found)[:_MOST_SAID]}"


def _remove(device: Device, folders: Sequence[PurePosixPath]) -> None:
    device.run(["rm", "-rf", *map(str, folders)], _TIMEOUT_S)
