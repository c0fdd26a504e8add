from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from sartor.specializer import shipped
from sartor.specializer.description import read_description
from sartor.specializer.shipped import SupernetFiles, find_supernet, shipped_supernets
from sartor.tables.errors import UnknownNameError


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "mine"
    folder.mkdir()
    (folder / "supernet.safetensors").touch()
    return folder


def test_shipped_supernets_describe_themselves() -> None:
    for name in shipped_supernets():
        assert read_description(find_supernet(name).weights).name == name


def test_a_name_is_looked_up_among_the_shipped(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shipped, "ASSETS", folder.parent)
    assert shipped_supernets() == ("mine",)
    assert find_supernet("mine") == SupernetFiles(folder / "supernet.safetensors")
    with pytest.raises(UnknownNameError, match=r"'mime'; did you mean 'mine'\? known: mine"):
        find_supernet("mime")


def test_a_folder_or_a_file_of_the_users(folder: Path) -> None:
    weights = folder / "supernet.safetensors"
    assert find_supernet(str(weights)) == SupernetFiles(weights)
    assert find_supernet(str(folder)) == SupernetFiles(weights)


@pytest.mark.parametrize("name", ["", ".", "no/such/file.pth", "/"])
def test_what_is_nowhere_is_unknown(name: str) -> None:
    with pytest.raises(UnknownNameError, match=f"no supernet.* '{re.escape(name)}'"):
        find_supernet(name)


def test_finding_loads_no_torch() -> None:
    code = (
        "import sys, sartor.specializer.shipped, sartor.specializer.description;"
        "sys.exit('torch' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
