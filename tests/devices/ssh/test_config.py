"""What ``~/.ssh/config`` says, with ``ssh -G`` as the oracle."""

from __future__ import annotations

import getpass
import shutil
import subprocess
from pathlib import Path

import pytest

pytest.importorskip("paramiko", reason="pip install 'sartor[ssh]'")

from sartor.devices.ssh import SshAddress
from sartor.devices.ssh.config import Hop, find_route
from sartor.tables.errors import DeviceUnreachableError, FormatError

needs_ssh = pytest.mark.skipif(shutil.which("ssh") is None, reason="no ssh is installed")
CONFIG = """
Port 2200
Include {folder}/included_*

Host pi4 pi?-lab
    HostName 192.168.1.20
    User pi
    IdentityFile {folder}/first
    IdentityFile {folder}/second
    IdentitiesOnly yes
    ConnectTimeout 3

Host alias
    HostName=%h.example.org
    HostKeyAlias the-alias
    UserKnownHostsFile {folder}/%k_hosts {folder}/more
    GlobalKnownHostsFile none

Match host 10.0.0.*
    User matched

Host *
    User anybody
    GlobalKnownHostsFile /dev/null
"""


@pytest.fixture
def config(tmp_path: Path) -> Path:
    (tmp_path / "included_a").write_text("Host included pi4\n  Port 2222\n  ConnectTimeout 9\n")
    (tmp_path / "included_b").write_text("Host included\n  User included-user\n")
    config = tmp_path / "config"
    config.write_text(CONFIG.format(folder=tmp_path))
    return config


def ssh_says(config: Path, host: str) -> dict[str, list[str]]:
    argv = ["ssh", "-G", "-F", str(config), host]
    said = subprocess.run(argv, capture_output=True, text=True, check=True).stdout
    found: dict[str, list[str]] = {}
    for line in said.splitlines():
        key, _, value = line.partition(" ")
        found.setdefault(key, []).append(value)
    return found


def only(config: Path, text: str) -> Hop:
    (hop,) = find_route(SshAddress.parse(text), config)
    return hop


@needs_ssh
@pytest.mark.parametrize(
    "host", ["pi4", "pi5-lab", "alias", "10.0.0.7", "included", "other", "::1"]
)
def test_hosts_are_what_ssh_takes_them_for(config: Path, host: str) -> None:
    expected = ssh_says(config, host)
    hop = only(config, f"ssh://{f'[{host}]' if ':' in host else host}")
    assert [hop.host] == expected["hostname"]
    assert [str(hop.port)] == expected["port"]
    assert [hop.user] == expected["user"]
    assert hop.identities_only == (expected["identitiesonly"] == ["yes"])
    files = [*expected["userknownhostsfile"], *expected.get("globalknownhostsfile", [])]
    expected_files = [Path(file).expanduser() for line in files for file in line.split()]
    assert list(hop.known_hosts) == [file for file in expected_files if str(file) != "none"]
    if hop.has_own_identities:
        assert [str(file) for file in hop.identities] == expected["identityfile"]
    timeout = expected["connecttimeout"]
    assert hop.connect_timeout_s == (10 if timeout == ["none"] else float(timeout[0]))
    assert hop.has_key_alias == ("hostkeyalias" in expected)


def test_an_address_counts_more_than_the_config(config: Path) -> None:
    hop = only(config, "ssh://root@pi4:22")
    assert (hop.user, hop.host, hop.port, hop.known_as) == (
        "root",
        "192.168.1.20",
        22,
        "192.168.1.20",
    )
    assert str(hop) == "pi4 (root@192.168.1.20:22)"


def test_hosts_are_known_by_name_and_port_or_by_their_alias(config: Path) -> None:
    assert only(config, "ssh://pi4").known_as == "[192.168.1.20]:2200"
    assert only(config, "ssh://alias").known_as == "the-alias"


def test_without_a_config_the_usual_is_meant(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("SSH_AUTH_SOCK", "/run/agent")
    hop = only(tmp_path / "missing", "ssh://pi4")
    assert (hop.host, hop.port, hop.user) == ("pi4", 22, getpass.getuser())
    assert hop.identities[0] == tmp_path / ".ssh" / "id_ed25519"
    assert hop.known_hosts[0] == tmp_path / ".ssh" / "known_hosts"
    assert hop.agent == "/run/agent"
    (tmp_path / ".ssh").mkdir()
    (tmp_path / ".ssh" / "more").write_text("Host pi4\nIdentityAgent none\n")
    (tmp_path / ".ssh" / "config").write_text("Include more\nHost pi4\nUser pi\nPort 2222\n")
    (hop,) = find_route(SshAddress("pi4"))
    assert (hop.user, hop.port, hop.agent) == ("pi", 2222, None)


@pytest.mark.parametrize(
    ("value", "agent"),
    [
        *(("none", None), ("SSH_AUTH_SOCK", "/run/a"), ("$MY_AGENT", "/run/b")),
        *(("${MY_AGENT}", "/run/b"), ("/run/%r.sock", "/run/pi.sock"), ("$NO_AGENT", None)),
    ],
)
def test_agents_are_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, value: str, agent: str | None
) -> None:
    monkeypatch.setenv("SSH_AUTH_SOCK", "/run/a")
    monkeypatch.setenv("MY_AGENT", "/run/b")
    monkeypatch.delenv("NO_AGENT", raising=False)
    (tmp_path / "config").write_text(f"IdentityAgent {value}\n")
    assert only(tmp_path / "config", "ssh://pi@pi4").agent == agent


def names(config: Path, text: str) -> list[str]:
    return [f"{hop.alias}:{hop.port}" for hop in find_route(SshAddress.parse(text), config)]


def test_jump_hosts_come_before_the_device(tmp_path: Path) -> None:
    config = tmp_path / "config"
    config.write_text(
        "Host device\nProxyJump first,ops@second:2222\n"
        "Host first\nPort 2201\nProxyJump gate\n"
        "Host second\nProxyJump elsewhere\n"
        "Host gate\nPort 2200\n"
        "Host uri\nProxyJump ssh://ops@[::1]:99\n"
        "Host direct\nProxyJump none\n"
        "Host *\nProxyJump none\n"
    )
    assert names(config, "ssh://device") == ["gate:2200", "first:2201", "second:2222", "device:22"]
    assert names(config, "ssh://uri") == ["::1:99", "uri:22"]
    assert names(config, "ssh://direct") == ["direct:22"]
    assert find_route(SshAddress("device"), config)[2].user == "ops"


@pytest.mark.parametrize(
    ("text", "error", "words"),
    [
        ("Host *\nProxyJump pi4\n", DeviceUnreachableError, "circle"),
        ("Host pi4\nProxyJump a b c\n", FormatError, "ProxyJump"),
        ("Host pi4\nProxyCommand nc %h %p\n", DeviceUnreachableError, "use ProxyJump"),
        ("Host pi4\nPort many\n", FormatError, "many"),
        ("Host pi4\nConnectTimeout soon\n", FormatError, "soon"),
        ("Port\n", FormatError, "makes no sense"),
        ("Include config\n", FormatError, "includes itself"),
        ("Include 'config\n", FormatError, "makes no sense: 'config"),
        ("UserKnownHostsFile 'a\n", FormatError, "makes no sense: 'a"),
        ("Match exec true\nUser pi\n", DeviceUnreachableError, "Match exec"),
        ("Match tagged lab\nUser pi\n", DeviceUnreachableError, "Match tagged"),
    ],
)
def test_what_makes_no_sense_or_is_not_supported_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, error: type[Exception], words: str
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / ".ssh").mkdir()
    config = tmp_path / ".ssh" / "config"
    config.write_text(text)
    with pytest.raises(error, match=words):
        find_route(SshAddress("pi4"))


def test_conditions_that_are_not_supported_hurt_nobody_else(tmp_path: Path) -> None:
    config = tmp_path / "config"
    config.write_text("Match host pi5 exec false\nUser wrong\nHost pi4\nUser pi\n")
    assert only(config, "ssh://pi4").user == "pi"
    with pytest.raises(DeviceUnreachableError, match="'Match exec' for pi5"):
        find_route(SshAddress("pi5"), config)


def test_a_config_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    with pytest.raises(FormatError, match=r"cannot read .*Is a directory"):
        find_route(SshAddress("pi4"), tmp_path)
