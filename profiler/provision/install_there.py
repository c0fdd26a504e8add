"""Runs on a device, on nothing but Python 3.9 or later: makes an environment of wheels there.

``python -c SOURCE ORDER`` with an object of JSON; it answers with another as the last line it
prints. All it touches is the folder that the order names, and in that only names of its own making:

    KEY/                an environment that is whole: bin/python, pyvenv.cfg, lib/pythonX.Y/…
    KEY.part/           one that is being made
    NAME.whl.0003       a piece of a wheel, as the host cut it
    prepared.json       says which environment counts
    lock                is held by whoever works here

Virtual environments are no more than these three things (PEP 405), so neither ``venv`` nor pip has
to be there; and none of the three says where the environment lies, so it can take its name when it
is whole.
"""

from __future__ import annotations

import base64
import csv
import errno
import fcntl
import hashlib
import json
import os
import re
import shutil
import sys
import zipfile
from contextlib import suppress
from pathlib import Path, PurePosixPath
from typing import Any

NOTE = "prepared.json"
_OURS = re.compile(r"[0-9a-f]{12}(\.part)?|[A-Za-z0-9._+-]+\.whl\.[0-9]{4}|prepared\.json\.part")
_BLOCK = 1 << 20
_UNPACKED = re.compile(r"[^/]+\.data/(purelib|platlib)/")
"""What stands before the name of a file that belongs beside the other modules (PEP 427)."""


def look(folder: Path, order: dict[str, Any]) -> dict[str, Any]:
    """Tell which pieces are there whole, and how much space is left."""
    there = [
        name
        for name, sha256 in order["pieces"].items()
        if (folder / name).is_file() and _sha256(folder / name) == sha256
    ]
    space = os.statvfs(folder)
    return {"there": there, "free_bytes": space.f_bavail * space.f_frsize}


def make(folder: Path, order: dict[str, Any]) -> dict[str, Any]:
    """Unpack wheels, joined from their pieces, into an environment of its own."""
    part = folder / f"{order['key']}.part"
    shutil.rmtree(part, ignore_errors=True)
    modules = part / "lib" / f"python{order['python']}" / "site-packages"
    modules.mkdir(parents=True)
    (part / "bin").mkdir()
    program = Path(order["program"])
    (part / "bin" / "python").symlink_to(program)
    settings = f"home = {program.parent}\ninclude-system-site-packages = false\n"
    (part / "pyvenv.cfg").write_text(settings)
    for wheel in order["wheels"]:
        joined = part / "joined.whl"
        with joined.open("wb") as file:
            for name in wheel["pieces"]:
                file.write((folder / name).read_bytes())
        if _sha256(joined) != wheel["sha256"]:
            raise Damaged(f"{wheel['pieces'][0]} and its like do not make up their wheel")
        _unpack(joined, modules)
        joined.unlink()
    return {}


def accept(folder: Path, order: dict[str, Any]) -> dict[str, Any]:
    """Let an environment that was made count, and remove whatever else there was."""
    whole, made = folder / order["key"], folder / f"{order['key']}.part"
    if made.exists():  # or this order was carried out before, and nobody heard of it
        shutil.rmtree(whole, ignore_errors=True)
        made.rename(whole)
    if not whole.is_dir():
        raise Damaged(f"there is no {made.name}")
    os.sync()  # the note must not outlive a loss of power that files before it do not
    part = folder / f"{NOTE}.part"
    part.write_text(order["note"])
    with part.open("rb") as file:
        os.fsync(file.fileno())
    part.replace(folder / NOTE)
    return tidy(folder, order)


def tidy(folder: Path, order: dict[str, Any]) -> dict[str, Any]:
    """Remove all that is ours but an environment."""
    for path in folder.iterdir():
        if path.name != order["key"] and _OURS.fullmatch(path.name):
            _remove(path)
    return {}


def check(folder: Path, order: dict[str, Any]) -> dict[str, Any]:
    """Compare every file of an environment with what its wheels say of it."""
    whole = folder / order["key"]
    modules = whole / "lib" / f"python{order['python']}" / "site-packages"
    records = sorted(modules.glob("*.dist-info/RECORD"))
    if len(records) != order["wheels"]:
        raise Damaged(f"{len(records)} of {order['wheels']} wheels are there")
    for record in records:
        with record.open(newline="") as file:
            for name, kind_and_hash, _ in csv.reader(file):
                place = _place(name)
                kind, _, encoded = kind_and_hash.partition("=")
                if kind != "sha256" or place is None:
                    continue
                if _sha256(modules / place) != base64.urlsafe_b64decode(encoded + "=").hex():
                    raise Damaged(f"{place} has changed")
    return {}


class Damaged(Exception):  # noqa: N818 (it says what has happened)
    """Something there is not as it was put there."""


def _unpack(wheel: Path, modules: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        for member in archive.infolist():
            place = _place(member.filename)
            if place is None or member.is_dir():
                continue
            target = modules / place
            target.parent.mkdir(parents=True, exist_ok=True)
            with archive.open(member) as source, target.open("xb") as file:
                shutil.copyfileobj(source, file, _BLOCK)


def _place(name: str) -> PurePosixPath | None:
    """Return where a file of a wheel belongs, beside the modules; None where it is not needed."""
    place = PurePosixPath(_UNPACKED.sub("", name, count=1))
    if place.is_absolute() or ".." in place.parts:
        raise Damaged(f"a wheel names a file {name!r}")
    # Scripts, headers and what belongs elsewhere: models run without them.
    return None if place.parts[0].endswith(".data") else place


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        for block in iter(lambda: file.read(_BLOCK), b""):
            digest.update(block)
    return digest.hexdigest()


def _remove(path: Path) -> None:
    """Remove a file or a folder; what cannot be removed does no harm."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        with suppress(OSError):
            path.unlink()


_TASKS = {"look": look, "make": make, "accept": accept, "tidy": tidy, "check": check}


def main(order: dict[str, Any]) -> dict[str, Any]:
    """Carry out an order; what goes wrong is part of the answer."""
    folder = Path(order["folder"])
    try:
        if folder.is_symlink():
            raise Damaged(f"{folder} is a link to somewhere else")
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with (folder / "lock").open("wb") as lock:
            # One whose host was cut off may still be at work.
            fcntl.flock(lock, fcntl.LOCK_EX)
            return _TASKS[order["task"]](folder, order)
    except (Damaged, zipfile.BadZipFile, ValueError) as error:
        return {"damaged": str(error)}
    except OSError as error:
        name = errno.errorcode.get(error.errno or 0, "")
        return {"failed": name, "path": str(error.filename), "error": str(error.strerror)}


if __name__ == "__main__":
    print(json.dumps(main(json.loads(sys.argv[1]))))  # noqa: T201 (that is its answer)
