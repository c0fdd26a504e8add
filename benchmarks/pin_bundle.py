"""Pins the sources of Sartor's own bundles anew: the newest that there are, by hash.

    python benchmarks/pin_bundle.py [NAME==VERSION …]

This rewrites ``profiler/provision/bundle_lock.json``: the packages that it names, at the versions
that Debian's mirror has now, and the wheels that it names, at the versions given
(``numpy==2.4.6``) or as they are. It takes a host that runs Debian. Afterwards
``tests/profiler/bundle`` tells whether the new bundles work, and what their hashes are.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from sartor.profiler.provision import bundle_lock

LOCK = Path(bundle_lock.__file__).with_suffix(".json")
DEBIAN = {"aarch64": "arm64", "x86_64": "amd64"}
KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"


def main() -> None:
    """Rewrite the lock."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("wheels", nargs="*", metavar="NAME==VERSION", help="wheels to change")
    parser.add_argument("--mirror", default="https://deb.debian.org/debian", help="of Debian")
    arguments = parser.parse_args()
    versions = dict(text.split("==") for text in arguments.wheels)
    lock = json.loads(LOCK.read_text())
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for architecture, debian in DEBIAN.items():
            state = make_state(folder / debian, debian, lock["debian"], arguments.mirror)
            names = [row["name"] for row in lock["packages"][architecture]]
            lock["packages"][architecture] = packages(folder / debian, state, names)
            for runtime, rows in lock["wheels"][architecture].items():
                pins = {row["name"]: versions.get(row["name"], row["version"]) for row in rows}
                place = folder / f"{runtime}-{debian}"
                lock["wheels"][architecture][runtime] = wheels(
                    place, pins, architecture, lock["python"]
                )
    LOCK.write_text(json.dumps(lock, indent=1) + "\n")
    print(f"pinned in {LOCK}; now run the tests of the bundle")


def make_state(folder: Path, architecture: str, suite: str, mirror: str) -> Mapping[str, str]:
    """Make a state of apt's own, of another architecture; return the environment that uses it."""
    for part in ("lists/partial", "cache/archives/partial"):
        (folder / part).mkdir(parents=True)
    (folder / "status").touch()
    (folder / "sources").write_text(f"deb [signed-by={KEYRING}] {mirror} {suite} main\n")
    (folder / "apt.conf").write_text(
        f'APT::Architecture "{architecture}"; APT::Architectures {{ "{architecture}"; }};\n'
        'APT::Sandbox::User "root"; Debug::NoLocking "true"; Acquire::Languages "none";\n'
        f'Dir::State::status "{folder}/status"; Dir::State::lists "{folder}/lists";\n'
        f'Dir::Cache "{folder}/cache"; Dir::Etc::sourcelist "{folder}/sources";\n'
        'Dir::Etc::sourceparts "/dev/null";\n'
    )
    environment = {**os.environ, "APT_CONFIG": str(folder / "apt.conf")}
    subprocess.run(["apt-get", "-qq", "update"], env=environment, check=True)
    return environment


def packages(
    folder: Path, environment: Mapping[str, str], names: Sequence[str]
) -> list[dict[str, Any]]:
    """Download packages and describe them."""
    subprocess.run(["apt-get", "-qq", "download", *names], env=environment, cwd=folder, check=True)
    shown = subprocess.run(
        ["apt-cache", "show", "--no-all-versions", *names],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    rows = []
    for stanza in shown.strip().split("\n\n"):
        fields = dict(re.findall(r"^(\S+): (.*)$", stanza, re.MULTILINE))
        version = fields["Version"]
        escaped = version.replace(":", "%3a")
        file = folder / f"{fields['Package']}_{escaped}_{fields['Architecture']}.deb"
        content = file.read_bytes()
        rows.append(
            {
                "name": fields["Package"],
                "version": version.split(":")[-1],
                "path": fields["Filename"],
                "size": len(content),
                "sha256": hashlib.sha256(content).hexdigest(),
                "sha1": hashlib.sha1(content, usedforsecurity=False).hexdigest(),
            }
        )
    return sorted(rows, key=lambda row: str(row["name"]))


def wheels(
    folder: Path, pins: Mapping[str, str], machine: str, python: str
) -> list[dict[str, Any]]:
    """Download wheels and describe them."""
    platforms = [f"manylinux_{libc}_{machine}" for libc in ("2_17", "2_27", "2_28")]
    argv = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "--only-binary=:all:"]
    argv += ["--dest", str(folder), "--implementation", "cp", "--python-version", python]
    for platform in (*platforms, f"manylinux2014_{machine}"):
        argv += ["--platform", platform]
    subprocess.run([*argv, *(f"{name}=={pins[name]}" for name in pins)], check=True)
    rows = []
    for path in sorted(folder.glob("*.whl")):
        name, version = path.name.split("-")[:2]
        content = path.read_bytes()
        rows.append(
            {
                "name": name.replace("_", "-"),
                "version": version,
                "path": path.name,
                "size": len(content),
                "sha256": hashlib.sha256(content).hexdigest(),
            }
        )
    shutil.rmtree(folder)
    return rows


if __name__ == "__main__":
    main()
