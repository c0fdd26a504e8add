"""Logging in, with real keys, a real agent and real jump hosts."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("paramiko", reason="pip install 'sartor[ssh]'")

from sartor.devices.ssh import SshDevice
from sartor.devices.ssh.private_key import read_private_key
from sartor.tables.errors import (
    ConnectionLostError,
    DeviceUnreachableError,
    HostKeyError,
    NotAuthorizedError,
)
from sartor.tests.real.sshd import Sshd, make_key, running_sshd, why_no_sshd

from .conftest import Client

pytestmark = pytest.mark.skipif(bool(why_no_sshd()), reason=why_no_sshd())


def works(device: SshDevice) -> bool:
    done = device.run(["echo", "let in"], timeout_s=10)
    device.close()
    return done.stdout == "let in\n"


@pytest.fixture
def agent(tmp_path: Path) -> Iterator[Path]:
    """The socket of a real agent that holds no key yet."""
    if shutil.which("ssh-agent") is None:
        pytest.skip("no ssh-agent is installed")
    path = tmp_path / "agent"
    argv = ["ssh-agent", "-D", "-a", str(path)]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        process.stdout.readline()  # it listens now
        yield path
        process.terminate()


def give(agent: Path, *keys: Path) -> None:
    environment = {**os.environ, "SSH_AUTH_SOCK": str(agent)}
    for key in keys:
        copy = agent.parent / "given"
        shutil.copy(key, copy)  # the agent insists on a key that is ours
        copy.chmod(0o600)
        subprocess.run(["ssh-add", str(copy)], env=environment, check=True, capture_output=True)
        copy.unlink()


@pytest.mark.parametrize("kind", ["ed25519", "rsa", "ecdsa"])
def test_keys_of_all_kinds_let_us_in(own_sshd: Sshd, client: Client, kind: str) -> None:
    key = client.folder / "key"
    make_key(key, kind)
    shutil.copy(key.with_suffix(".pub"), own_sshd.folder / "authorized_keys")
    assert works(client.device(own_sshd, more=f"IdentityFile {key}"))


@pytest.mark.parametrize("kind", ["ed25519", "ecdsa"])
@pytest.mark.parametrize("comment", ["", "é", "a comment"])
def test_keys_are_read_whatever_their_comment(tmp_path: Path, kind: str, comment: str) -> None:
    for number in range(8):  # about half of those without a comment have no padding
        key = tmp_path / f"key{number}"
        make = ["ssh-keygen", "-q", "-t", kind, "-N", "", "-C", comment, "-f", str(key)]
        subprocess.run(make, check=True)
        public = key.with_suffix(".pub").read_text().split()[1]
        assert read_private_key(key).get_base64() == public


def test_a_key_of_the_agent_lets_us_in(sshd: Sshd, client: Client, agent: Path) -> None:
    more = f"IdentitiesOnly no\nIdentityAgent {agent}"
    device = client.device(sshd, more=more, keys=[Path("none")])
    with pytest.raises(NotAuthorizedError, match=r"no key to log in by; make one .*ssh-copy-id"):
        works(device)
    give(agent, sshd.client_key)
    assert works(device)


def test_the_agent_of_the_environment_is_asked(
    sshd: Sshd, client: Client, agent: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    give(agent, sshd.client_key)
    monkeypatch.setenv("SSH_AUTH_SOCK", str(agent))
    more = "IdentitiesOnly no\nIdentityAgent SSH_AUTH_SOCK"
    assert works(client.device(sshd, more=more, keys=[Path("none")]))


def test_identities_only_leaves_the_agents_other_keys_alone(
    sshd: Sshd, client: Client, agent: Path
) -> None:
    give(agent, sshd.client_key)
    wrong = client.folder / "wrong"
    make_key(wrong)
    more = f"IdentityAgent {agent}"
    with pytest.raises(NotAuthorizedError, match=f"does not take our key {wrong}; allow one"):
        works(client.device(sshd, "only", more, keys=[wrong]))
    assert works(client.device(sshd, "all", f"{more}\nIdentitiesOnly no", keys=[wrong]))


def test_a_locked_key_is_used_through_the_agent(
    own_sshd: Sshd, client: Client, agent: Path
) -> None:
    locked, plain = client.folder / "locked", agent.parent / "plain"
    make_key(plain)
    shutil.copy(plain, locked)
    locked.chmod(0o600)
    shutil.copy(plain.with_suffix(".pub"), locked.with_suffix(".pub"))
    lock = ["ssh-keygen", "-q", "-p", "-N", "secret", "-f", str(locked)]
    subprocess.run(lock, check=True, capture_output=True)
    shutil.copy(plain.with_suffix(".pub"), own_sshd.folder / "authorized_keys")
    device = client.device(own_sshd, more=f"IdentityAgent {agent}", keys=[locked])
    with pytest.raises(
        NotAuthorizedError,
        match=f"no key could be offered; {locked} is locked by a passphrase: .* ssh-add {locked}$",
    ):
        works(device)
    give(agent, plain)
    assert works(device)


@pytest.mark.parametrize("form", ["PEM", "PKCS8", "RFC4716"])
def test_a_locked_key_of_any_form_is_told(sshd: Sshd, client: Client, form: str) -> None:
    locked = client.folder / form
    make = ["ssh-keygen", "-q", "-t", "ecdsa", "-m", form, "-N", "secret", "-f", str(locked)]
    subprocess.run(make, check=True, capture_output=True)
    with pytest.raises(NotAuthorizedError, match=f"{locked} is locked by a passphrase"):
        works(client.device(sshd, keys=[locked]))


def test_files_that_are_no_keys_do_not_stop_those_that_are(sshd: Sshd, client: Client) -> None:
    nonsense = client.folder / "nonsense"
    nonsense.write_text("no key")
    empty = client.folder / "empty"
    empty.touch()
    others = [nonsense, empty, client.folder, client.folder / "missing"]
    assert works(client.device(sshd, "works", keys=[*others, sshd.client_key]))
    with pytest.raises(NotAuthorizedError) as refused:
        works(client.device(sshd, "fails", keys=others))
    words = str(refused.value)
    assert f"{nonsense} is no private key that can be used" in words
    assert f"{client.folder} cannot be read (Is a directory)" in words


def test_an_agent_that_does_not_answer_does_not_stop_a_key(sshd: Sshd, client: Client) -> None:
    for number, path in enumerate((client.folder / "missing", client.folder)):
        assert works(client.device(sshd, f"works{number}", f"IdentityAgent {path}"))


def test_an_agent_that_hangs_holds_nobody_up(
    sshd: Sshd, client: Client, agent: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sartor.devices.ssh.login._AGENT_S", 0.3)
    (pid,) = (
        int(path.name)
        for path in Path("/proc").iterdir()
        if path.name.isdigit() and str(agent).encode() in _command(path)
    )
    os.kill(pid, signal.SIGSTOP)
    try:
        assert works(client.device(sshd, more=f"IdentityAgent {agent}"))
    finally:
        os.kill(pid, signal.SIGCONT)


def _command(process: Path) -> bytes:
    try:
        return (process / "cmdline").read_bytes()
    except OSError:
        return b""


def test_certificates_of_users_are_shown(own_sshd: Sshd, client: Client) -> None:
    authority, key = client.folder / "authority", client.folder / "key"
    make_key(authority)
    make_key(key)
    sign = ["ssh-keygen", "-q", "-s", str(authority), "-I", "me", "-n", own_sshd.user]
    subprocess.run([*sign, f"{key}.pub"], check=True)
    (own_sshd.folder / "authorized_keys").write_text("")
    own_sshd.stop()
    shutil.copy(f"{authority}.pub", own_sshd.folder / "authority.pub")
    own_sshd.settings = f"TrustedUserCAKeys {own_sshd.folder}/authority.pub"
    own_sshd.start()
    assert works(client.device(own_sshd, keys=[key]))


def test_too_many_keys_are_told_as_such(client: Client) -> None:
    keys = [client.folder / f"key{number}" for number in range(4)]
    for key in keys:
        make_key(key)
    with (
        running_sshd("MaxAuthTries 2") as server,
        pytest.raises(NotAuthorizedError, match=r"hung up after \d keys .*IdentitiesOnly yes"),
    ):
        works(client.device(server, keys=keys))


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ("PubkeyAuthentication no\nPasswordAuthentication yes", "only by .*password"),
        ("AuthenticationMethods publickey,keyboard-interactive", "as well, which Sartor does not"),
        ("DenyUsers *", "does not take our key"),
    ],
)
def test_servers_that_want_something_else_are_told(
    client: Client, settings: str, words: str
) -> None:
    more = "\nKbdInteractiveAuthentication yes" if "interactive" in settings else ""
    with running_sshd(settings + more) as server, pytest.raises(NotAuthorizedError, match=words):
        works(client.device(server))


class TestJumps:
    @pytest.fixture
    def gate(self) -> Iterator[Sshd]:
        with running_sshd() as server:
            yield server

    @pytest.fixture
    def chain(self, gate: Sshd, own_sshd: Sshd, client: Client) -> SshDevice:
        """A device behind two jump hosts, one of which is met twice."""
        client.device(gate, "gate")
        client.device(gate, "second")
        return client.device(own_sshd, more="ProxyJump gate,second")

    def test_a_device_behind_jump_hosts_is_reached(
        self, gate: Sshd, own_sshd: Sshd, chain: SshDevice, tmp_path: Path
    ) -> None:
        assert chain.run(["echo", "x"], timeout_s=10).stdout == "x\n"
        (tmp_path / "sent").write_bytes(os.urandom(3_000_000))
        chain.push(tmp_path / "sent", chain.root / "file")
        chain.pull(chain.root / "file", tmp_path / "got")
        assert (tmp_path / "got").read_bytes() == (tmp_path / "sent").read_bytes()
        assert gate.log.count("Accepted publickey") == 2
        assert own_sshd.log.count("Accepted publickey") == 1
        chain.close()

    def test_a_connection_that_breaks_anywhere_is_lost(
        self, gate: Sshd, own_sshd: Sshd, chain: SshDevice
    ) -> None:
        for server in (gate, own_sshd):
            stream = chain.open_stream(["cat"], {})
            server.cut()
            with pytest.raises(ConnectionLostError):
                stream.read_line(timeout_s=30)
            assert chain.run(["echo", "x"], timeout_s=10).stdout == "x\n"
        chain.close()

    def test_a_jump_host_that_is_gone_is_named(self, gate: Sshd, chain: SshDevice) -> None:
        gate.stop()
        with pytest.raises(DeviceUnreachableError, match=r"cannot connect to gate .*refused"):
            works(chain)

    def test_a_device_that_is_gone_behind_it_is_named(
        self, own_sshd: Sshd, chain: SshDevice
    ) -> None:
        own_sshd.stop()
        with pytest.raises(
            DeviceUnreachableError, match=r"jump host second .* cannot connect to pi4"
        ):
            works(chain)

    def test_a_jump_host_may_refuse(self, own_sshd: Sshd, client: Client) -> None:
        with running_sshd("AllowTcpForwarding no") as gate:
            client.device(gate, "gate")
            device = client.device(own_sshd, more="ProxyJump gate")
            with pytest.raises(DeviceUnreachableError, match="AllowTcpForwarding on the jump host"):
                works(device)

    def test_every_host_on_the_way_is_verified(
        self, gate: Sshd, own_sshd: Sshd, client: Client
    ) -> None:
        client.device(gate, "gate", is_known=False)
        device = client.device(own_sshd, more="ProxyJump gate", is_known=False)
        for server, name in ((gate, "gate"), (own_sshd, "pi4")):
            with pytest.raises(HostKeyError, match=f"^{name} .* not known: ED25519"):
                works(device)
            key = device.fetch_host_key(server.fingerprint)
            assert key.fingerprint == server.fingerprint == device.fetch_host_key().fingerprint
            device.trust_host_key(key)
        assert works(device)
