from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from sartor.specializer import shipped
from sartor.specializer.description import read_description
from sartor.specializer.shipped import (
    ACCURACY,
    CALIBRATION,
    REFERENCE,
    SupernetFiles,
    find_supernet,
    part_of,
    shipped_supernets,
)
from sartor.tables.errors import UnknownNameError


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    weights = tmp_path / "mine.safetensors"
    weights.touch()
    return weights


def test_shipped_supernets_describe_themselves() -> None:
    for name in shipped_supernets():
        assert read_description(find_supernet(name).weights).name == name


def test_a_name_is_looked_up_among_the_shipped(
    weights: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shipped, "ASSETS", weights.parent)
    assert shipped_supernets() == ("mine",)
    assert find_supernet("mine") == SupernetFiles(weights)
    with pytest.raises(UnknownNameError, match=r"'mime'; did you mean 'mine'\? known: mine"):
        find_supernet("mime")


def test_what_belongs_to_a_file_lies_beside_it(weights: Path) -> None:
    assert find_supernet(str(weights)) == SupernetFiles(weights)
    parts = [
        part_of(weights, part)
        for part in (ACCURACY, CALIBRATION, REFERENCE, "region-0.safetensors")
    ]
    for path in (*parts, weights.with_name("mine2.accuracy.npz")):
        path.touch()
    found = find_supernet(str(weights))
    assert found == SupernetFiles(weights, parts[0], parts[1], parts[2], (parts[3],))
    assert [path.name for path in parts[:2]] == ["mine.accuracy.npz", "mine.calibration.jpg"]


@pytest.mark.parametrize(
    ("name", "part"),
    [
        ("ofa_mbv3_d234_e346_k357_w1.2", "ofa_mbv3_d234_e346_k357_w1.2.accuracy.npz"),
        ("ofa_mbv3_w1.2.pth", "ofa_mbv3_w1.2.accuracy.npz"),
        ("mine", "mine.accuracy.npz"),
    ],
)
def test_the_parts_of_published_files_are_told_apart(name: str, part: str, tmp_path: Path) -> None:
    """They were published without a suffix, under names that end in a width."""
    assert part_of(tmp_path / name, ACCURACY) == tmp_path / part


def test_parts_are_no_supernets(weights: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    part_of(weights, REFERENCE).touch()
    monkeypatch.setattr(shipped, "ASSETS", weights.parent)
    assert shipped_supernets() == ("mine",)


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
