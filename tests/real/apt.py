"""Debian's packages of any architecture, unpacked into a folder without being installed."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterable, Sequence
from pathlib import Path

_TIMEOUT_S = 300
_SOURCES = ("/etc/apt/sources.list", "/etc/apt/sources.list.d")
_KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")


class NoDebianError(Exception):
    """Packages are not to be had here; tests that need them are skipped with this reason."""


def unpack(folder: Path, architecture: str, suite: str, packages: Sequence[str]) -> None:
    """Unpack packages of a suite, and all that they need, into a folder; nothing of them is run.

    Apt finds out what belongs together, with a state of its own: the host's knows nothing of it.

    Args:
        folder: to unpack into, with ``/bin``, ``/lib`` and ``/sbin`` merged into ``/usr``.
        architecture: Debian's name of it, such as ``arm64``.
        suite: Debian's release, such as ``bookworm``.
        packages: by name.

    Raises:
        NoDebianError: there is no apt here, or no mirror that answers.
    """
    state = folder.with_name(folder.name + ".apt")
    try:
        archives = _download(state, architecture, suite, packages)
        for name in ("bin", "sbin", "lib"):
            (folder / "usr" / name).mkdir(parents=True, exist_ok=True)
            (folder / name).symlink_to(f"usr/{name}")
        for archive in archives:
            _unpack(archive, folder)
    finally:
        shutil.rmtree(state, ignore_errors=True)


def _download(state: Path, architecture: str, suite: str, packages: Iterable[str]) -> list[Path]:
    if shutil.which("apt-get") is None or not _KEYRING.exists():
        raise NoDebianError("this is no Debian: there is no apt-get, or no keyring of Debian's")
    for name in ("lists/partial", "cache/archives/partial"):
        (state / name).mkdir(parents=True)
    (state / "status").touch()
    (state / "sources").write_text(f"deb [signed-by={_KEYRING}] {_mirror()} {suite} main\n")
    (state / "apt.conf").write_text(f"""
APT::Architecture "{architecture}"; APT::Architectures {{ "{architecture}"; }};
APT::Install-Recommends "false"; APT::Sandbox::User "root"; Debug::NoLocking "true";
Acquire::Languages "none"; Acquire::Retries "3";
Dir::State::status "{state}/status"; Dir::State::lists "{state}/lists"; Dir::Cache "{state}/cache";
Dir::Etc::sourcelist "{state}/sources"; Dir::Etc::sourceparts "/dev/null";
""")
    for command in (["update"], ["-y", "--download-only", "install", *packages]):
        done = subprocess.run(
            ["apt-get", "-qq", *command],
            env={**os.environ, "APT_CONFIG": str(state / "apt.conf")},
            capture_output=True,
            text=True,
            timeout=_TIMEOUT_S,
            check=False,
        )
        if done.returncode:
            raise NoDebianError(f"apt-get {command[0]} failed: {done.stderr.strip()[-300:]}")
    return sorted((state / "cache" / "archives").glob("*.deb"))


def _mirror() -> str:
    """Return the mirror that this host uses."""
    files = [Path(_SOURCES[0]), *sorted(Path(_SOURCES[1]).glob("*"))]
    texts = [path.read_text() for path in files if path.is_file()]
    found = re.search(r"https?://\S+/debian/?(?=\s|$)", "\n".join(texts))
    if found is None:
        raise NoDebianError("apt knows no mirror of Debian here")
    return found.group()


def _unpack(archive: Path, folder: Path) -> None:
    with subprocess.Popen(
        ["dpkg-deb", "--fsys-tarfile", str(archive)], stdout=subprocess.PIPE
    ) as content:
        subprocess.run(
            ["tar", "-C", str(folder), "-xf", "-", "--keep-directory-symlink"],
            stdin=content.stdout,
            check=True,
        )
