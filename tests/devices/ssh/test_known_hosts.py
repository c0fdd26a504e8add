"""What ``known_hosts`` files say, with ``ssh-keygen`` as the oracle."""

from __future__ import annotations

import base64
import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sartor.devices.ssh.host_key import HostKey, host_name
from sartor.devices.ssh.known_hosts import keys_of, parse_known_hosts, read_known_hosts
from sartor.tables.errors import DeviceError
from sartor.tests.real.sshd import fingerprint, make_key

needs_ssh_keygen = pytest.mark.skipif(
    shutil.which("ssh-keygen") is None, reason="no ssh-keygen is installed"
)
HOSTS = (
    *("pi4", "10.0.0.1", "a.lab", "secret.lab", "[pi4]:2222", "[10.0.0.1]:2222"),
    *("[a.lab]:2222", "::1", "[::1]:2222", "pi"),
)
KEY = "AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl"


@needs_ssh_keygen
@pytest.mark.parametrize("kind", ["ed25519", "rsa", "ecdsa"])
def test_fingerprints_are_those_of_ssh_keygen(tmp_path: Path, kind: str) -> None:
    make_key(tmp_path / "key", kind)
    name, blob = (tmp_path / "key.pub").read_text().split()[:2]
    key = HostKey("host", name, base64.b64decode(blob))
    assert key.fingerprint == fingerprint(tmp_path / "key")
    assert str(key) == f"{kind.upper()} {key.fingerprint}"
    assert key.line == f"host {name} {blob}"


def test_hosts_are_named_with_unusual_ports_alone() -> None:
    assert host_name("Pi4.Local", 22) == "pi4.local"
    assert host_name("::1", 2222) == "[::1]:2222"


@needs_ssh_keygen
@pytest.mark.parametrize(
    "patterns",
    [
        *("pi4", "PI4", "pi4,10.0.0.1", "*.lab", "pi?", "*.lab,!secret.lab", "!secret.lab,*.lab"),
        *("[pi4]:2222", "[10.0.0.1]:2222,pi9", "::1", "[::1]:2222", "*", "[*.lab]:22??", "[p]i4"),
    ],
)
def test_hosts_match_as_ssh_keygen_says(tmp_path: Path, patterns: str) -> None:
    file = tmp_path / "known_hosts"
    file.write_text(f"{patterns} ssh-ed25519 {KEY} a comment\n")
    known = read_known_hosts([file])
    for host in HOSTS:
        argv = ["ssh-keygen", "-F", host, "-f", str(file)]
        expected = subprocess.run(argv, capture_output=True, check=False).returncode == 0
        assert bool(keys_of(known, host)) == expected, host


@needs_ssh_keygen
def test_hashed_names_are_found(tmp_path: Path) -> None:
    file = tmp_path / "known_hosts"
    file.write_text(f"pi4,[pi4]:2222 ssh-ed25519 {KEY}\n")
    subprocess.run(["ssh-keygen", "-H", "-f", str(file)], check=True, capture_output=True)
    assert "pi4" not in file.read_text()
    known = read_known_hosts([file])
    assert len(keys_of(known, "pi4")) == len(keys_of(known, "[pi4]:2222")) == 1
    assert keys_of(known, "pi5") == []


def test_markers_are_told_apart_and_nonsense_is_passed_over(tmp_path: Path) -> None:
    file = tmp_path / "known_hosts"
    lines = [
        *("# pi4 comment", "", "pi4", "pi4 ssh-ed25519", "pi4 ssh-ed25519 ***", "\0\x80"),
        *(f"@unheard-of pi4 ssh-ed25519 {KEY}", f"|1|x|y ssh-ed25519 {KEY}"),
        *(f"pi4 ssh-ed25519 {KEY}", f"@revoked\tpi4 ssh-ed25519 {KEY}"),
        f"@cert-authority *.lab ssh-ed25519 {KEY}",
    ]
    file.write_text("\n".join(lines))
    known = read_known_hosts([file, tmp_path / "missing"])
    assert [line.place for line in keys_of(known, "pi4")] == [f"{file}:9"]
    assert [line.place for line in keys_of(known, "pi4", "@revoked")] == [f"{file}:10"]
    assert [line.place for line in keys_of(known, "a.lab", "@cert-authority")] == [f"{file}:11"]


@given(st.text(), st.text())
def test_no_text_breaks_it(text: str, host: str) -> None:
    for line in parse_known_hosts(text, "file"):
        line.speaks_of(host)


def test_a_file_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    with pytest.raises(DeviceError, match=r"cannot read the host keys in .*Is a directory"):
        read_known_hosts([tmp_path])
    assert read_known_hosts([Path("/dev/null")]) == ()
