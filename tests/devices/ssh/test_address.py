from __future__ import annotations

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sartor.devices.ssh import SshAddress
from sartor.tables.errors import FormatError

names = st.text(string.ascii_letters + string.digits + "._-äß\\+", min_size=1).filter(
    lambda name: not name.startswith("-")
)
ips = st.one_of(st.ip_addresses(v=4).map(str), st.ip_addresses(v=6).map(str), st.just("fe80::1%e0"))
addresses = st.builds(
    SshAddress, st.one_of(names, ips), st.none() | names, st.none() | st.integers(1, 65535)
)


@given(addresses)
def test_text_round_trips(address: SshAddress) -> None:
    assert SshAddress.parse(str(address)) == address


@pytest.mark.parametrize(
    ("text", "host", "user", "port"),
    [
        ("ssh://pi4", "pi4", None, None),
        ("ssh://pi@192.168.1.20", "192.168.1.20", "pi", None),
        ("ssh://pi@192.168.1.20:2222/", "192.168.1.20", "pi", 2222),
        ("ssh://[::1]:22", "::1", None, 22),
        ("ssh://pi@[fe80::1%eth0]", "fe80::1%eth0", "pi", None),
    ],
)
def test_addresses_of_users_are_read(
    text: str, host: str, user: str | None, port: int | None
) -> None:
    assert SshAddress.parse(text) == SshAddress(host, user, port)


@pytest.mark.parametrize(
    "text",
    [
        *("", "pi4", "ssh://", "ssh:///path", "ssh://@host", "ssh://host:", "ssh://host:x"),
        *("http://host", "ssh://host/path", "ssh://a b", "ssh://-oProxyCommand=x", "ssh://host\n"),
        *("ssh://user@-x", "ssh://::1", "ssh://[host]", "ssh://[::1", "ssh://h?x", "ssh://a@b@c"),
        *("ssh://host:0", "ssh://host:65536", "ssh://host:99999", "ssh://host:-1"),
    ],
)
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(FormatError):
        SshAddress.parse(text)


def test_a_password_is_refused_as_such() -> None:
    with pytest.raises(FormatError, match="no password"):
        SshAddress.parse("ssh://pi:raspberry@pi4")


@pytest.mark.parametrize("parts", [("a b", None, 1), ("h", "a:b", 1), ("h", "", 1), ("", None, 1)])
def test_parts_are_checked_too(parts: tuple[str, str | None, int]) -> None:
    with pytest.raises(FormatError):
        SshAddress(*parts)
