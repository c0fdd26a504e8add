"""Wheels for devices, fetched by this host's pip and kept in the user's cache folder."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import re
import secrets
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from ...tables.errors import FormatError, OutputError, RuntimeMissingError
from .interpreters import Interpreter
from .prepared import Part
from .recipes import Recipe

_TIMEOUT_S = 1800
_LIST = "wheels.json"
_FILE_NAME = re.compile(r"([A-Za-z0-9._]+)-([A-Za-z0-9._+!]+)(-[A-Za-z0-9._]+){3,4}\.whl")
_UNREACHABLE = re.compile(
    "connection broken|Max retries|name resolution|ProxyError|timed out|Could not fetch URL", re.I
)
_LEGACY_TAGS = {(2, 17): ("manylinux2014",), (2, 12): ("manylinux2010",), (2, 5): ("manylinux1",)}
"""What wheels for a glibc were called before PEP 600."""


@dataclass(frozen=True, slots=True)
class Wheel:
    """A wheel on this host.

    Attributes:
        path: of its file.
        part: its name, its version and its hash.
    """

    path: Path
    part: Part


def fetch_wheels(
    recipe: Recipe,
    interpreter: Interpreter,
    tell: Callable[[str], None] = lambda _: None,
    cache: Path | None = None,
) -> tuple[Wheel, ...]:
    """Return the wheels of a recipe for a Python on a device, in the order of its pins.

    What was fetched once is taken from the cache, without a network; it is fetched whole or not at
    all, by one process at a time, from wherever this host's pip fetches packages.

    Args:
        recipe: that fits the Python.
        interpreter: on the device.
        tell: is called with what is being fetched.
        cache: where to keep wheels, by default below the user's cache folder.

    Raises:
        RuntimeMissingError: they are not to be had.
        OutputError: the cache cannot be written.
    """
    tags = platform_tags(interpreter)
    wanted = json.dumps([recipe.pins, interpreter.python, tags])
    cache = cache or cache_folder()
    folder = cache / hashlib.sha256(wanted.encode()).hexdigest()[:16]
    try:
        with _alone(folder):
            if (found := _kept(folder)) is None:
                tell(f"fetching {_called(recipe)} for {_circumstances(interpreter)}")
                found = _fetch_whole(folder, recipe, interpreter, tags)
            return found
    except OSError as error:
        raise OutputError(
            f"cannot keep wheels in {cache}: {error.strerror}; "
            "free some space there, or set XDG_CACHE_HOME"
        ) from error


def cache_folder() -> Path:
    """Return the folder of all wheels on this host."""
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "sartor" / "wheels"


def platform_tags(interpreter: Interpreter) -> tuple[str, ...]:
    """Name the platforms whose wheels run beside a Python, the best first.

    Source: PEP 600, and PEP 599, 571 and 513 for the older names.
    """
    major, minor = interpreter.glibc or (2, 5)
    tags = []
    for older in range(minor, 4, -1):
        names = (f"manylinux_{major}_{older}", *_LEGACY_TAGS.get((major, older), ()))
        tags += [f"{name}_{interpreter.machine}" for name in names]
    return tuple(tags)


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    folder.parent.mkdir(parents=True, exist_ok=True)
    with folder.with_name(f"{folder.name}.lock").open("wb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _kept(folder: Path) -> tuple[Wheel, ...] | None:
    """Return what is in the cache; None unless all of it is there and whole."""
    try:
        listed = json.loads((folder / _LIST).read_text())
        wheels = tuple(_wheel(folder / Path(name).name) for name, _ in listed)
    except (OSError, ValueError, TypeError):
        return None
    return wheels if [wheel.part.sha256 for wheel in wheels] == [sha for _, sha in listed] else None


def _fetch_whole(
    folder: Path, recipe: Recipe, interpreter: Interpreter, tags: tuple[str, ...]
) -> tuple[Wheel, ...]:
    for left in folder.parent.glob(f"{folder.name}.part-*"):  # of a process that was killed
        shutil.rmtree(left)
    part = folder.with_name(f"{folder.name}.part-{secrets.token_hex(4)}")
    part.mkdir()
    try:
        _download(part, recipe, interpreter, tags)
        wheels = _in_order(part, recipe)
        listed = [(wheel.path.name, wheel.part.sha256) for wheel in wheels]
        (part / _LIST).write_text(json.dumps(listed, indent=1))
        shutil.rmtree(folder, ignore_errors=True)  # damaged, or we would not be here
        part.rename(folder)
    finally:
        shutil.rmtree(part, ignore_errors=True)
    return tuple(Wheel(folder / wheel.path.name, wheel.part) for wheel in wheels)


def _in_order(folder: Path, recipe: Recipe) -> tuple[Wheel, ...]:
    found = {wheel.part.name: wheel for wheel in map(_wheel, folder.glob("*.whl"))}
    for name, version in recipe.pins:
        if name not in found or found[name].part.version != version:
            raise RuntimeMissingError(
                f"pip did not fetch {name} {version}: check the settings that `pip config list` "
                "and the environment give it on this host"
            )
    return tuple(found[name] for name, _ in recipe.pins)


def _download(
    folder: Path, recipe: Recipe, interpreter: Interpreter, tags: tuple[str, ...]
) -> None:
    """Have pip download wheels, with whatever settings it has on this host."""
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--no-input"]
    command += ["--only-binary=:all:", "--dest", str(folder), "--implementation", "cp"]
    command += ["--python-version", ".".join(map(str, interpreter.python))]
    command += [argument for tag in tags for argument in ("--platform", tag)]
    command += [f"{name}=={version}" for name, version in recipe.pins]
    # A download needs no virtual environment, whatever installations need on this host.
    environment = {
        **os.environ,
        "PIP_REQUIRE_VIRTUALENV": "0",
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
    }
    try:
        done = subprocess.run(
            command,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_TIMEOUT_S,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise RuntimeMissingError(
            f"fetching {_called(recipe)} took more than {_TIMEOUT_S // 60} minutes; try again, "
            "or name a nearer package index by PIP_INDEX_URL"
        ) from error
    if done.returncode:
        raise RuntimeMissingError(
            f"cannot fetch {_called(recipe)} for {_circumstances(interpreter)}: "
            f"{_reason(done.stderr)}"
        )


def _reason(errors: str) -> str:
    """Say why pip failed, and what to do about it."""
    lines = [line.removeprefix("ERROR: ") for line in errors.splitlines() if line.strip()]
    last = lines[-1][:300] if lines else "pip did not say why"
    if "No module named pip" in errors:
        return f"this host's Python has no pip; run: {sys.executable} -m ensurepip"
    if _UNREACHABLE.search(errors):
        return (
            "this host does not reach its package index, and they are not in its cache; connect "
            "it, or put the wheels into a folder and name that by PIP_FIND_LINKS"
        )
    return (
        f"{last}; check that this host reaches the package index that `pip config list` names, "
        "and that it has them"
    )


def _wheel(path: Path) -> Wheel:
    found = _FILE_NAME.fullmatch(path.name)
    if found is None:
        raise FormatError(f"{path.name} is no name of a wheel")
    name = re.sub(r"[-_.]+", "-", found[1]).lower()
    return Wheel(path, Part(name, found[2], hashlib.sha256(path.read_bytes()).hexdigest()))


def _called(recipe: Recipe) -> str:
    return " and ".join(f"{name} {version}" for name, version in recipe.pins)


def _circumstances(interpreter: Interpreter) -> str:
    python = ".".join(map(str, interpreter.python))
    return f"Python {python} on {interpreter.machine}"
