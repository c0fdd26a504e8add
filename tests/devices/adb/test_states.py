from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sartor.devices.adb import Phone, parse_devices
from sartor.devices.adb.states import unusable
from sartor.tables.errors import DeviceUnreachableError, NotAuthorizedError

# As printed by adb 29 to 36; serials changed.
LONG = """* daemon not running; starting now at tcp:5037
* daemon started successfully
List of devices attached
1A011FDEE006UW         device usb:1-4 product:raven model:Pixel_6_Pro device:raven transport_id:1
863276c1               no permissions (missing udev rules? user is in the plugdev group); see [http://developer.android.com/tools/device.html] usb:3-2 transport_id:5
????????????           no permissions; see [http://developer.android.com/tools/device.html] usb:1-1 transport_id:6
(no serial number)     offline usb:1-7 transport_id:8
192.168.1.30:5555      unauthorized transport_id:2
R58M123ABC             recovery usb:2-1 product:a model:A device:a transport_id:3
"""  # noqa: E501
SHORT = "List of devices attached\nemulator-5554\tdevice\n335b3080\tunauthorized\n\n"


def test_the_list_of_phones_is_read() -> None:
    phones = parse_devices(LONG)
    assert [(phone.serial, phone.state.partition(" (")[0]) for phone in phones] == [
        ("1A011FDEE006UW", "device"),
        ("863276c1", "no permissions"),
        ("????????????", "no permissions; see [http://developer.android.com/tools/device.html]"),
        ("(no serial number)", "offline"),
        ("192.168.1.30:5555", "unauthorized"),
        ("R58M123ABC", "recovery"),
    ]
    assert dict(phones[0].details)["model"] == "Pixel_6_Pro"
    assert str(phones[0]) == "1A011FDEE006UW (Pixel 6 Pro)"
    assert str(phones[1]) == "863276c1: no permissions"
    assert str(phones[2]) == "????????????: no permissions"


def test_a_list_without_details_is_read() -> None:
    assert parse_devices(SHORT) == (
        Phone("emulator-5554", "device"),
        Phone("335b3080", "unauthorized"),
    )
    assert parse_devices("List of devices attached\n\n") == ()


@given(st.text(max_size=300))
def test_any_text_is_a_list(text: str) -> None:
    for phone in parse_devices(f"List of devices attached\n{text}"):
        assert phone.serial
        assert phone.state
    assert parse_devices(text.replace("List", "")) == ()


@pytest.mark.parametrize(
    ("state", "says"),
    [
        ("unauthorized", "accept the dialogue"),
        ("offline", "plug it in again"),
        ("no permissions (missing udev rules? user is in the plugdev group); see [x]", "plugdev"),
        ("no permissions", "android-sdk-platform-tools-common"),
        ("recovery", "recovery mode: start Android"),
        ("sideload", "sideload mode: start Android"),
        ("rescue", "rescue mode: start Android"),
        ("bootloader", "fastboot reboot"),
        ("host", "USB mode"),
        ("authorizing", "try again in a moment"),
        ("connecting", "try again in a moment"),
        ("unknown", "adb kill-server"),
        ("newfangled", "newfangled"),
    ],
)
def test_each_state_is_explained_in_a_sentence(state: str, says: str) -> None:
    error = unusable("mine", "S1", [Phone("S0", "device"), Phone("S1", state)])
    assert isinstance(error, NotAuthorizedError) == (state == "unauthorized")
    with pytest.raises(DeviceUnreachableError, match=says) as raised:
        raise error or AssertionError
    assert "mine (S1)" in str(raised.value)
    assert "\n" not in str(raised.value)


def test_a_ready_phone_needs_no_explanation() -> None:
    assert unusable("mine", "S1", [Phone("S1", "device")]) is None


def test_what_is_there_is_listed_when_it_is_another() -> None:
    there = [Phone("S0", "device", (("model", "Pixel_6"),)), Phone("S2", "offline")]
    assert str(unusable("mine", "S1", there)) == (
        "mine (S1) is not there: adb sees S0 (Pixel 6), S2: offline; plug it in, or use one of "
        "these"
    )
    assert "adb sees no phone; plug it in" in str(unusable("mine", "S1", []))


def test_two_of_one_serial_are_told_apart_by_their_ports() -> None:
    twins = [Phone("0123456789ABCDEF", "device", (("usb", port),)) for port in ("1-1", "1-2")]
    error = unusable("mine", "0123456789ABCDEF", twins)
    assert "2 phones have the serial 0123456789ABCDEF" in str(error)
    assert "usb:1-1, usb:1-2" in str(error)
