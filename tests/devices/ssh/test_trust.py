"""Host keys, with real servers, and keys and certificates that ``ssh-keygen`` has made."""

from __future__ import annotations

import base64
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("paramiko", reason="pip install 'sartor[ssh]'")

from sartor.devices.ssh import SshDevice
from sartor.devices.ssh.accept import record_host_key
from sartor.devices.ssh.certificate import read_certificate
from sartor.devices.ssh.host_key import HostKey
from sartor.tables.errors import FormatError, HostKeyError, OutputError
from sartor.tests.real.sshd import Sshd, fingerprint, make_key, running_sshd, why_no_sshd

from .conftest import Client

pytestmark = pytest.mark.skipif(bool(why_no_sshd()), reason=why_no_sshd())


def works(device: SshDevice) -> bool:
    done = device.run(["echo", "let in"], timeout_s=10)
    device.close()
    return done.stdout == "let in\n"


def public_line(key: Path, host: str, marker: str = "") -> str:
    kind, blob = key.with_suffix(".pub").read_text().split()[:2]
    return f"{marker} {host} {kind} {blob}\n".lstrip()


def test_an_unknown_host_is_refused_with_its_fingerprint(sshd: Sshd, client: Client) -> None:
    device = client.device(sshd, is_known=False)
    with pytest.raises(HostKeyError) as refused:
        works(device)
    words = str(refused.value)
    assert "not known" in words
    assert f"ED25519 {sshd.fingerprint}" in words
    assert words.endswith(f"sartor devices trust pi4 --fingerprint {sshd.fingerprint}")
    assert "ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub" in words
    assert client.known_hosts.read_text() == ""
    assert not client.own_known_hosts.exists()


def test_nobody_logs_in_to_an_unknown_host(own_sshd: Sshd, client: Client) -> None:
    with pytest.raises(HostKeyError):
        works(client.device(own_sshd, is_known=False))
    assert "publickey" not in own_sshd.log


def test_a_key_that_was_fetched_and_accepted_is_known(sshd: Sshd, client: Client) -> None:
    device = client.device(sshd, is_known=False)
    key = device.fetch_host_key()
    assert key.fingerprint == sshd.fingerprint
    device.trust_host_key(key)
    assert works(device)
    assert client.known_hosts.read_text() == ""
    assert client.own_known_hosts.parent.stat().st_mode & 0o777 == 0o700
    again = client.make("pi4")
    assert works(again)
    assert again.fetch_host_key() == key


def test_a_fingerprint_picks_the_key(own_sshd: Sshd, client: Client) -> None:
    make_key(own_sshd.folder / "rsa", "rsa")
    make_key(own_sshd.folder / "ecdsa", "ecdsa")
    own_sshd.stop()
    own_sshd.settings = "".join(f"HostKey {own_sshd.folder}/{kind}\n" for kind in ("rsa", "ecdsa"))
    own_sshd.start()
    device = client.device(own_sshd, is_known=False)
    for name in ("rsa", "ecdsa", "host_key"):
        wanted = fingerprint(own_sshd.folder / name)
        key = device.fetch_host_key(wanted)
        assert key.fingerprint == wanted
        device.trust_host_key(key)
        # The host is asked for the kind that is known, though it has others.
        assert works(device)
        assert client.own_known_hosts.read_text() == f"{key.line}\n"
    with pytest.raises(HostKeyError, match=r"has no host key SHA256:A.*it shows ED25519 SHA.*RSA"):
        device.fetch_host_key("SHA256:" + 43 * "A")
    for nonsense in ("MD5:aa:bb", "SHA256:x", "SHA256:" + 44 * "A", "ED25519"):
        with pytest.raises(FormatError, match="no fingerprint of a key"):
            device.fetch_host_key(nonsense)


def test_a_changed_host_is_refused_with_both_fingerprints(own_sshd: Sshd, client: Client) -> None:
    device = client.device(own_sshd)
    assert works(device)
    before = own_sshd.fingerprint
    own_sshd.stop()
    for file in (own_sshd.host_key, own_sshd.host_key.with_suffix(".pub")):
        file.unlink()
    make_key(own_sshd.host_key)
    own_sshd.start()
    with pytest.raises(HostKeyError) as refused:
        works(device)
    words = str(refused.value)
    assert "another host key than before" in words
    assert (
        f"ED25519 {own_sshd.fingerprint}, known is ED25519 {before} ({client.known_hosts}:1)"
        in words
    )
    assert f"sartor devices trust pi4 --fingerprint {own_sshd.fingerprint}" in words
    device.trust_host_key(device.fetch_host_key(own_sshd.fingerprint))
    assert works(device)


def test_a_host_that_hides_its_known_key_is_a_changed_one(client: Client) -> None:
    with running_sshd(host_key_type="rsa") as server:
        device = client.device(server, is_known=False)
        key = client.folder / "other"
        make_key(key, "ecdsa")
        client.known_hosts.write_text(public_line(key, f"[127.0.0.1]:{server.port}"))
        with pytest.raises(
            HostKeyError, match=r"another .*: RSA SHA256:.*, known is ECDSA SHA256:"
        ):
            works(device)


def test_what_sartor_was_told_counts_more_than_the_users_file(sshd: Sshd, client: Client) -> None:
    device = client.device(sshd)
    make_key(client.folder / "other")
    client.own_known_hosts.parent.mkdir()
    client.own_known_hosts.write_text(
        public_line(client.folder / "other", f"[127.0.0.1]:{sshd.port}")
    )
    with pytest.raises(HostKeyError, match=f"known is ED25519 .*{client.own_known_hosts}:1"):
        works(device)


def test_revoked_keys_are_refused_whoever_knows_them(sshd: Sshd, client: Client) -> None:
    device = client.device(sshd)
    with client.known_hosts.open("a") as known:
        known.write(sshd.known_hosts_line(f"@revoked [127.0.0.1]:{sshd.port}"))
    device.trust_host_key(device.fetch_host_key())
    with pytest.raises(HostKeyError, match=rf"revoked \({client.known_hosts}:2\)"):
        works(device)


def test_hashed_entries_and_aliases_are_found(sshd: Sshd, client: Client) -> None:
    device = client.device(sshd)
    subprocess.run(
        ["ssh-keygen", "-H", "-f", str(client.known_hosts)], check=True, capture_output=True
    )
    assert "127.0.0.1" not in client.known_hosts.read_text()
    assert works(device)
    client.known_hosts.write_text(sshd.known_hosts_line("the-alias"))
    assert works(client.device(sshd, "other", "HostKeyAlias the-alias", is_known=False))


def test_addresses_of_ipv6_are_known_by_their_brackets(client: Client) -> None:
    try:
        with running_sshd(host="::1") as server:
            device = client.device(server)
            assert client.known_hosts.read_text().startswith(f"[::1]:{server.port} ")
            assert works(device)
    except OSError as error:
        pytest.skip(f"this machine has no IPv6: {error}")


def test_other_lines_of_sartors_file_stay(tmp_path: Path) -> None:
    file = tmp_path / "folder" / "known_hosts"
    make_key(tmp_path / "a")
    blob = base64.b64decode((tmp_path / "a.pub").read_text().split()[1])
    file.parent.mkdir()
    others = [
        "# a comment",
        public_line(tmp_path / "a", "pi5").strip(),
        public_line(tmp_path / "a", "pi4", "@revoked").strip(),
        public_line(tmp_path / "a", "pi4,pi6").strip(),
    ]
    file.write_text("\n".join([*others[:2], "pi4 ssh-rsa AAAA", *others[2:]]))
    key = HostKey("pi4", "ssh-ed25519", blob)
    for _ in range(2):
        record_host_key(key, file)
    assert file.read_text().splitlines() == [*others, key.line]
    with pytest.raises(OutputError, match="cannot edit"):
        record_host_key(key, Path("/proc/no/known_hosts"))


def test_no_key_is_lost_when_many_are_written_down_at_once(tmp_path: Path) -> None:
    make_key(tmp_path / "a")
    blob = base64.b64decode((tmp_path / "a.pub").read_text().split()[1])
    keys = [HostKey(f"pi{number}", "ssh-ed25519", blob) for number in range(24)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda key: record_host_key(key, tmp_path / "known_hosts"), keys))
    lines = (tmp_path / "known_hosts").read_text().splitlines()
    assert sorted(lines) == sorted(key.line for key in keys)


class TestCertificates:
    @pytest.fixture
    def authority(self, tmp_path: Path) -> Path:
        make_key(tmp_path / "authority")
        return tmp_path / "authority"

    @pytest.fixture
    def server(self, own_sshd: Sshd) -> Sshd:
        own_sshd.stop()
        return own_sshd

    def start(self, server: Sshd, authority: Path, *options: str, host: bool = True) -> None:
        sign = ["ssh-keygen", "-q", "-s", str(authority), "-I", "name", *(["-h"] if host else [])]
        subprocess.run([*sign, *options, str(server.host_key) + ".pub"], check=True)
        certificate = server.folder / "host_key-cert.pub"
        server.settings = f"HostCertificate {certificate}\n"
        server.start()

    def device(self, server: Sshd, client: Client, authority: Path, pattern: str) -> SshDevice:
        client.known_hosts.write_text(public_line(authority, pattern, "@cert-authority"))
        return client.device(server, is_known=False)

    @pytest.mark.parametrize(
        "kind",
        [
            "ed25519",
            pytest.param("ecdsa", marks=pytest.mark.slow),
            pytest.param("rsa", marks=pytest.mark.slow),
        ],
    )
    def test_an_authority_vouches_for_its_hosts(
        self, server: Sshd, client: Client, tmp_path: Path, kind: str
    ) -> None:
        make_key(tmp_path / kind, kind)
        signing = ("-t", "rsa-sha2-512") if kind == "rsa" else ()
        self.start(server, tmp_path / kind, "-n", "pi4,127.0.0.1", "-V", "+1h", *signing)
        device = self.device(server, client, tmp_path / kind, "127.0.0.*")
        assert works(device)

    @pytest.mark.parametrize(
        ("options", "why"),
        [
            (("-n", "other.example"), r"it is for other\.example"),
            (
                ("-n", "127.0.0.1", "-V", "20200101:20200102"),
                "it is not valid now; check both clocks",
            ),
            (
                ("-n", "127.0.0.1", "-V", "20990101:20990102"),
                "it is not valid now; check both clocks",
            ),
            ((), "it is for nobody"),
        ],
    )
    def test_a_certificate_that_does_not_fit_does_not_count(
        self, server: Sshd, client: Client, authority: Path, options: tuple[str, ...], why: str
    ) -> None:
        self.start(server, authority, *options)
        device = self.device(server, client, authority, "*")
        with pytest.raises(HostKeyError, match=rf"not known \(its certificate .*{why}\): ED25519"):
            works(device)
        device.trust_host_key(device.fetch_host_key(server.fingerprint))
        assert works(device)

    def test_another_authority_does_not_count(
        self, server: Sshd, client: Client, authority: Path, tmp_path: Path
    ) -> None:
        self.start(server, authority, "-n", "127.0.0.1")
        make_key(tmp_path / "other")
        with pytest.raises(HostKeyError, match="no authority that we know"):
            works(self.device(server, client, tmp_path / "other", "*"))

    def test_a_revoked_authority_does_not_count(
        self, server: Sshd, client: Client, authority: Path
    ) -> None:
        self.start(server, authority, "-n", "127.0.0.1")
        device = self.device(server, client, authority, "*")
        with client.known_hosts.open("a") as known:
            known.write(public_line(authority, "*", "@revoked"))
        with pytest.raises(HostKeyError, match="of an authority, which is revoked"):
            works(device)

    def test_a_signature_that_is_wrong_is_noticed(self, authority: Path, tmp_path: Path) -> None:
        make_key(tmp_path / "key")
        sign = ["ssh-keygen", "-q", "-s", str(authority), "-I", "n", "-h", "-n", "pi4"]
        subprocess.run([*sign, str(tmp_path / "key.pub")], check=True)
        blob = base64.b64decode((tmp_path / "key-cert.pub").read_text().split()[1])
        certificate = read_certificate(blob)
        assert certificate.is_signed
        assert certificate.principals == ("pi4",)
        assert certificate.is_for_host
        for position in (60, len(blob) // 2, len(blob) - 1):
            broken = bytearray(blob)
            broken[position] ^= 1
            try:
                assert not read_certificate(bytes(broken)).is_signed
            except ValueError:
                continue

    def test_a_users_certificate_vouches_for_no_host(self, authority: Path, tmp_path: Path) -> None:
        make_key(tmp_path / "key")
        sign = ["ssh-keygen", "-q", "-s", str(authority), "-I", "n", "-n", "pi4"]
        subprocess.run([*sign, str(tmp_path / "key.pub")], check=True)
        blob = base64.b64decode((tmp_path / "key-cert.pub").read_text().split()[1])
        assert read_certificate(blob).objection("pi4", 0) == "it is for a user"

    @given(st.binary(max_size=300))
    def test_no_bytes_break_it(self, content: bytes) -> None:
        try:
            certificate = read_certificate(content)
        except ValueError:
            return
        assert not certificate.is_signed
