from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from sartor.specializer.calibration_set import calibration_batches, synthetic_images
from sartor.specializer.checkpoint import load_supernet
from sartor.specializer.extract import extract
from sartor.specializer.recalibrate import recalibrate
from sartor.specializer.reference import (
    Reference,
    load_reference,
    recalibrate_synthetically,
    reference_subnetwork,
    save_reference,
    statistics,
)
from sartor.specializer.shipped import find_supernet
from sartor.specializer.supernets.elastic import ElasticMobileNetV3
from sartor.specializer.supernets.mobilenet_v3 import MobileNetV3
from sartor.tables import SartorError

SIZE = 64


def squares(seed: int, cells: int) -> list[Image.Image]:
    """Make images that are the smoother the fewer cells they grow from."""
    rng = np.random.default_rng(seed)
    drawn = (rng.integers(0, 255, (cells, cells, 3), dtype=np.uint8) for _ in range(24))
    return [Image.fromarray(pixels).resize((SIZE, SIZE)) for pixels in drawn]


@pytest.fixture(scope="module")
def supernet() -> ElasticMobileNetV3:
    torch.manual_seed(0)
    return ElasticMobileNetV3(MobileNetV3(0.25, 3, (SIZE, 96)))


def test_the_reference_itself_gets_back_what_photos_gave(supernet: ElasticMobileNetV3) -> None:
    largest = reference_subnetwork(supernet, supernet.spec.space.smallest)
    photos = calibration_batches(squares(0, 6), SIZE)
    wanted = statistics(recalibrate(extract(supernet, largest), photos))
    found = statistics(recalibrate_synthetically(supernet, largest, squares(1, 12), {SIZE: wanted}))
    for name, value in wanted.items():
        torch.testing.assert_close(found[name], value, rtol=1e-3, atol=1e-4)


def test_a_related_network_comes_closer_to_what_photos_give() -> None:
    # of the shipped supernet, for weights that nobody trained relate to nothing
    files = find_supernet("ofa-mbv3-imagenette")
    supernet = load_supernet(files.weights).supernet
    sheet = synthetic_images("ofa-mbv3-imagenette", files, supernet.spec.resolutions[-1])[:32]
    dull = [Image.blend(image, Image.new("RGB", image.size, "grey"), 0.5) for image in sheet]
    smallest = supernet.spec.space.smallest
    largest = reference_subnetwork(supernet, smallest)
    bright = calibration_batches(sheet, supernet.spec.resolutions[0])
    reference = {96: statistics(recalibrate(extract(supernet, largest), bright))}
    wanted = statistics(recalibrate(extract(supernet, smallest), bright))

    def distance(reference: Reference) -> float:
        found = statistics(recalibrate_synthetically(supernet, smallest, dull, reference))
        ratios = [
            (found[name] / value).log().abs().mean()
            for name, value in wanted.items()
            if name.endswith("running_var")
        ]
        return float(torch.stack(ratios).mean())

    assert distance(reference) < 0.7 * distance({})


def test_a_reference_survives_its_file(supernet: ElasticMobileNetV3, tmp_path: Path) -> None:
    wanted = {SIZE: statistics(extract(supernet, supernet.spec.space.largest))}
    save_reference(wanted, tmp_path / "reference.safetensors")
    found = load_reference(tmp_path / "reference.safetensors")
    assert found.keys() == wanted.keys()
    assert all(torch.equal(found[SIZE][name], value) for name, value in wanted[SIZE].items())


@pytest.mark.parametrize("content", [b"", b"nonsense", b"\xff" * 64])
def test_a_damaged_reference_is_refused(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "reference.safetensors"
    path.write_bytes(content)
    with pytest.raises(SartorError, match="restore it"):
        load_reference(path)
    with pytest.raises(SartorError, match="restore it"):
        load_reference(tmp_path / "absent")
