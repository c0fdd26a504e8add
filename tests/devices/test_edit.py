from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path, PurePosixPath

import pytest

from sartor.devices import read_inventory, turns
from sartor.devices.address import parse_address
from sartor.devices.edit import add_entry, remove_entry
from sartor.devices.entry import Entry
from sartor.tables.errors import InventoryError, OutputError, UnknownNameError

from .test_inventory import LAB

PHONE = Entry("tablet", parse_address("adb://T1"), notes='says "hello", é')
PI = Entry("pi5", parse_address("ssh://pi@pi5"), PurePosixPath("/data/pi"), "/usr/bin/python3")


def test_what_was_added_is_read_back(tmp_path: Path) -> None:
    path = tmp_path / "new" / "devices.toml"
    for entry in (PHONE, PI):
        add_entry(entry, path)
    assert read_inventory(path).entries == (PHONE, PI)
    assert remove_entry("tablet", path) == PHONE
    assert read_inventory(path).entries == (PI,)
    assert path.read_text().startswith("# Devices of Sartor")


def test_comments_order_and_spelling_stay(tmp_path: Path) -> None:
    path = tmp_path / "devices.toml"
    path.write_text(LAB)
    add_entry(PI, path)
    assert path.read_text().startswith(LAB)
    remove_entry("pi5", path)
    assert path.read_text().strip() == LAB.strip()
    remove_entry("phone", path)
    assert (
        path.read_text().strip()
        == LAB.replace('[devices.phone]\naddress = "adb://R58M123ABC"\n\n', "").strip()
    )


@pytest.mark.parametrize(
    "text",
    [
        'devices = { a = { address = "local" } }\n',
        'devices.a.address = "local"\n',
        '[devices]\na = { address = "local" }\n',
        '[devices]\n[devices.a]\naddress = "local"',
        "",
        "# nothing yet",
    ],
)
def test_other_ways_to_write_an_inventory(text: str, tmp_path: Path) -> None:
    path = tmp_path / "devices.toml"
    path.write_text(text)
    before = read_inventory(path).entries
    add_entry(PI, path)
    assert read_inventory(path).entries == (*before, PI)
    for entry in (*before, PI):
        remove_entry(entry.name, path)
    assert read_inventory(path).entries == ()


def test_a_name_is_given_once(tmp_path: Path) -> None:
    path = tmp_path / "devices.toml"
    path.write_text(LAB)
    taken = Entry("pi4", parse_address("local"))
    with pytest.raises(InventoryError, match=r"a device 'pi4' in .*remove it first: sartor"):
        add_entry(taken, path)
    with pytest.raises(UnknownNameError, match="no device 'pi9'; did you mean 'pi4'"):
        remove_entry("pi9", path)
    assert path.read_text() == LAB


def test_a_link_to_the_file_stays_a_link(tmp_path: Path) -> None:
    kept, link = tmp_path / "dotfiles" / "devices.toml", tmp_path / "devices.toml"
    kept.parent.mkdir()
    kept.write_text(LAB)
    link.symlink_to(kept)
    add_entry(PI, link)
    assert link.is_symlink()
    assert PI in read_inventory(kept).entries


def test_many_commands_at_once_lose_nothing(tmp_path: Path) -> None:
    path = tmp_path / "devices.toml"
    program = (
        "import sys; from pathlib import Path\n"
        "from sartor.devices.address import parse_address\n"
        "from sartor.devices.edit import add_entry\n"
        "from sartor.devices.entry import Entry\n"
        "for number in range(5):\n"
        "    entry = Entry(f'd{sys.argv[1]}-{number}', parse_address('local'))\n"
        "    add_entry(entry, Path(sys.argv[2]))\n"
    )
    children = [
        subprocess.Popen([sys.executable, "-c", program, str(index), str(path)])
        for index in range(4)
    ]
    assert [child.wait(60) for child in children] == [0] * 4
    assert sorted(entry.name for entry in read_inventory(path).entries) == sorted(
        f"d{index}-{number}" for index in range(4) for number in range(5)
    )
    assert sorted(each.name for each in tmp_path.iterdir()) == [
        ".devices.toml.lock",
        "devices.toml",
    ]


def test_a_command_that_does_not_end_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(turns, "_PATIENCE_S", 0.1)
    path = tmp_path / "devices.toml"
    with (
        turns.turn(path),
        pytest.raises(OutputError, match=r"another command has been editing .* for 0 s"),
    ):
        add_entry(PI, path)


@pytest.mark.skipif(os.getuid() == 0, reason="root may write anywhere")
def test_a_folder_that_may_not_be_written_to(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(OutputError, match="choose a folder that you may write"):
        add_entry(PI, tmp_path / "sub" / "devices.toml")


def test_a_place_that_is_no_folder(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match=r"cannot edit .*: (File exists|Not a dir)"):
        add_entry(PI, tmp_path / "file" / "devices.toml")
