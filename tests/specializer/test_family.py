from __future__ import annotations

from pathlib import Path

import pytest
import torch

from sartor.specializer.checkpoint import Checkpoint, save_supernet
from sartor.specializer.extract import extract
from sartor.specializer.family import REGION_KEY, Family, load_family
from sartor.specializer.shipped import find_supernet, part_of
from sartor.specializer.supernets.mobilenet_v3 import MobileNetV3
from sartor.tables.errors import CheckpointError

from .torch_tools import SMALL, random_supernet

LABELS = ("cat", "dog", "owl")


def write(path: Path, seed: int, region: str = "", spec: MobileNetV3 = SMALL) -> Path:
    metadata = {REGION_KEY: region} if region else {}
    save_supernet(Checkpoint(path.stem, random_supernet(spec, seed), LABELS, metadata), path)
    return path


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    return write(tmp_path / "mine.safetensors", 0)


def family_of(weights: Path) -> Family:
    return load_family(find_supernet(str(weights)))


def test_each_sub_network_comes_from_its_region(weights: Path) -> None:
    write(part_of(weights, "region-0.safetensors"), 1, "resolution=32")
    family, space = family_of(weights), SMALL.space
    whole, (_, part) = family.whole.supernet, family.regions[0]
    for subnetwork, origin in ((space.smallest, part), (space.largest, whole)):
        assert family.supernet_of(subnetwork) is origin
        expected, found = (extract(w, subnetwork).weights for w in (origin, family))
        assert all(torch.equal(found[name], value) for name, value in expected.items())
    alone = extract(whole, space.smallest).weights
    stem = extract(family, space.smallest).weights["stem.weight"]
    assert not torch.equal(alone["stem.weight"], stem)


def test_without_regions_everything_is_the_supernets(weights: Path) -> None:
    family = family_of(weights)
    assert family.regions == ()
    assert family.supernet_of(SMALL.space.smallest) is family.whole.supernet


def test_files_that_are_no_regions_of_it(weights: Path) -> None:
    path = part_of(weights, "region-0.safetensors")
    write(path, 1)
    with pytest.raises(CheckpointError, match="does not say what region"):
        family_of(weights)
    write(path, 1, "resolution=7")
    with pytest.raises(CheckpointError, match="does not say what region"):
        family_of(weights)
    write(path, 1, "resolution=32", MobileNetV3(0.25, 3, (32, 64)))
    with pytest.raises(CheckpointError, match="is of another supernet"):
        family_of(weights)
