"""Folders made of Debian 13's packages, which need not be those of this machine."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Sequence
from pathlib import Path

_KEYS = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
_SOURCES = (Path("/etc/apt/sources.list"), Path("/etc/apt/sources.list.d"))
_SETTINGS = """
APT::Architecture "{architecture}"; APT::Architectures {{ "{architecture}"; }};
APT::Install-Recommends "false"; APT::Sandbox::User "root";
Dir::State::status "{state}/status"; Dir::State::lists "{state}/lists";
Dir::Cache "{state}/cache";
Dir::Etc::sourcelist "{state}/sources.list"; Dir::Etc::sourceparts "/dev/null";
"""


def unpack(packages: Sequence[str], architecture: str, folder: Path, state: Path) -> None:
    """Unpack packages of Debian 13 and all that they depend on; none of their scripts run.

    Args:
        packages: their names.
        architecture: as Debian calls it, ``amd64`` or ``arm64``.
        folder: that is to hold them, made like the root of a system.
        state: an empty folder for apt alone: this machine's own packages are left as they are.
    """
    for part in ("lists/partial", "cache/archives/partial"):
        (state / part).mkdir(parents=True)
    (state / "status").touch()
    (state / "sources.list").write_text(f"deb [signed-by={_KEYS}] {_mirror()} trixie main\n")
    settings = state / "apt.conf"
    settings.write_text(_SETTINGS.format(architecture=architecture, state=state))
    environment = {**os.environ, "APT_CONFIG": str(settings), "LC_ALL": "C"}
    for argv in (["update"], ["-y", "--download-only", "install", *packages]):
        done = subprocess.run(
            ["apt-get", "-qq", *argv], env=environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, f"apt-get {argv}: {done.stderr}"
    for name in ("bin", "sbin", "lib", "lib64"):
        (folder / "usr" / name).mkdir(parents=True)
        (folder / name).symlink_to(f"usr/{name}")
    for package in sorted((state / "cache" / "archives").glob("*.deb")):
        with subprocess.Popen(
            ["dpkg-deb", "--fsys-tarfile", str(package)], stdout=subprocess.PIPE
        ) as archive:
            subprocess.run(
                ["tar", "-C", str(folder), "-x", "--keep-directory-symlink"],
                stdin=archive.stdout,
                check=True,
            )
        assert archive.returncode == 0, f"{package.name} cannot be unpacked"


def _mirror() -> str:
    """Return the address of the mirror that this machine's own apt uses."""
    for place in _SOURCES:
        for path in sorted(place.iterdir()) if place.is_dir() else [place]:
            text = path.read_text() if path.is_file() else ""
            if found := re.search(r"\bhttps?://[^\s]+/debian/?(?=\s)", text):
                return found.group()
    return "http://deb.debian.org/debian"
