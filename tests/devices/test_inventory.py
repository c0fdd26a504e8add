from __future__ import annotations

import sys
from pathlib import Path, PurePosixPath

import pytest

from sartor.devices import LocalDevice, find_device, read_inventory
from sartor.devices.adb import AdbDevice
from sartor.devices.address import AdbAddress, LocalAddress, parse_address
from sartor.devices.inventory import inventory_path
from sartor.devices.ssh import SshAddress, SshDevice
from sartor.tables.errors import FormatError, InventoryError, UnknownNameError

LAB = """# The shelf.
[devices.pi4]
address = "ssh://pi@192.168.1.20:2222"
root = "/home/pi/lab"
python = "/usr/bin/python3.11"  # not the newest
notes = "needs its fan"

[devices.phone]
address = "adb://R58M123ABC"

[devices."old"]
address = "local"
python = "/opt/old/bin/python"
"""


def test_agents_run_by_this_interpreter_or_by_one_that_is_named() -> None:
    assert find_device("local").python == sys.executable
    assert find_device("local", "/opt/old/bin/python").python == "/opt/old/bin/python"


def test_an_unknown_device_names_the_known_ones_and_the_command_that_adds_one() -> None:
    complaint = "no device 'locl'; did you mean 'local'.* known: local; sartor devices add NAME"
    with pytest.raises(UnknownNameError, match=complaint):
        find_device("locl")


def test_devices_are_made_of_their_entries(tmp_path: Path) -> None:
    path = tmp_path / "devices.toml"
    path.write_text(LAB)
    assert read_inventory(path).names == ("local", "pi4", "phone", "old")
    pi4 = find_device("pi4", inventory=path)
    assert isinstance(pi4, SshDevice)
    assert pi4.address == SshAddress("192.168.1.20", "pi", 2222)
    assert (pi4.name, pi4.root, pi4.python) == (
        "pi4",
        PurePosixPath("/home/pi/lab"),
        "/usr/bin/python3.11",
    )
    phone = find_device("phone", inventory=path)
    assert isinstance(phone, AdbDevice)
    assert (phone.name, phone.serial) == ("phone", "R58M123ABC")
    old = find_device("old", inventory=path)
    assert isinstance(old, LocalDevice)
    assert (old.name, old.python) == ("old", "/opt/old/bin/python")
    assert find_device("old", "other", path).python == "other"


def test_the_file_is_where_it_is_said_to_be(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SARTOR_DEVICES", "/lab/devices.toml")
    assert inventory_path() == Path("/lab/devices.toml")
    assert inventory_path(Path("mine.toml")) == Path("mine.toml")
    monkeypatch.delenv("SARTOR_DEVICES")
    monkeypatch.setenv("XDG_CONFIG_HOME", "/settings")
    assert inventory_path() == Path("/settings/sartor/devices.toml")
    monkeypatch.delenv("XDG_CONFIG_HOME")
    monkeypatch.setenv("HOME", "/home/me")
    assert inventory_path() == Path("/home/me/.config/sartor/devices.toml")


def test_no_file_is_an_inventory_without_devices(tmp_path: Path) -> None:
    assert read_inventory(tmp_path / "none" / "devices.toml").names == ("local",)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ('[devices.pi4]\naddress = "ssh://pi@pi4', "is no TOML: .*end of document.*; correct it"),
        (LAB + '[devices.pi4]\naddress = "local"\n', r"two devices are called 'pi4' \(at line 14"),
        ('[devices.a]\nadress = "local"\n', "line 1, .devices.a.: no field 'adress'; did you mean"),
        ("[devices.a]\nnotes = 'x'\n", "line 1, .devices.a.: an address is missing; write"),
        ('\n\n[devices."a"]\naddress = 5\n', "line 3, .devices.a.: address has to be text"),
        ('[devices.a]\naddress = "pi@pi4"\n', "'pi@pi4' is no address of a device; write ssh"),
        ('[devices.a]\naddress = "ssh://pi4:port"\n', r"is not ssh://\[USER@\]HOST\[:PORT\]"),
        ('[devices.a]\naddress = "ssh://pi4:99999"\n', "a port is a number from 1 to 65535"),
        ('[devices.a]\naddress = "adb://"\n', "is not adb://SERIAL"),
        ('[devices.a]\naddress = "adb://-s x"\n', "is not adb://SERIAL"),
        ('[devices.local]\naddress = "local"\n', "'local' is the machine at hand; choose another"),
        ('[devices."a b"]\naddress = "local"\n', "'a b' is no name for a device; use up to 64"),
        ('[devices.a.b]\naddress = "local"\n', ".devices.a.: no field 'b'"),
        ('[devices.a]\naddress = "local"\nroot = "~/x"\n', "root '~/x' is no folder for our fil"),
        ('[devices.a]\naddress = "local"\nroot = "/"\n', "root '/' is no folder"),
        ('[devices.a]\naddress = "local"\nroot = "/a/../.."\n', "is no folder for our files"),
        ('[devices.a]\naddress = "local"\npython = "-c"\n', "python '-c' is no interpreter"),
        ('[device.a]\naddress = "local"\n', "line 1: no table 'device'; a device stands below"),
        ("devices = 3\n", "a device stands below .devices.NAME., each by itself"),
        ("devices.a = 3\n", "line 1, .devices.a.: a device stands below .devices.NAME., with an"),
        ("x = " + "[" * 5000, "nested too deeply|is no TOML"),
        ("# " + "x" * (1 << 20), "is far too large for an inventory"),
    ],
)
def test_what_makes_no_sense_is_told_with_its_place(
    text: str, complaint: str, tmp_path: Path
) -> None:
    path = tmp_path / "devices.toml"
    path.write_text(text)
    with pytest.raises(InventoryError, match=complaint) as caught:
        read_inventory(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_file_that_is_no_text(tmp_path: Path) -> None:
    (tmp_path / "devices.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(InventoryError, match="is no text in UTF-8"):
        read_inventory(tmp_path / "devices.toml")
    with pytest.raises(InventoryError, match=r"cannot read .*: Is a directory"):
        read_inventory(tmp_path)


@pytest.mark.parametrize(
    "address",
    [LocalAddress(), AdbAddress("R58M123ABC"), AdbAddress("192.168.1.9:5555"), SshAddress("pi4")],
    ids=str,
)
def test_addresses_are_read_as_they_are_written(address: object) -> None:
    assert parse_address(str(address)) == address


@pytest.mark.parametrize("text", ["", "LOCAL", "ssh:pi4", "http://pi4", "adb://a b", "adb:///x"])
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(FormatError, match=r"write ssh|is not adb://SERIAL"):
        parse_address(text)
