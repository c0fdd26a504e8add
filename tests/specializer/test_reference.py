from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image, ImageFilter

from sartor.specializer.calibration_set import calibration_batches, synthetic_images
from sartor.specializer.checkpoint import load_supernet
from sartor.specializer.extract import WeightSharing, extract
from sartor.specializer.recalibrate import recalibrate
from sartor.specializer.reference import (
    Reference,
    load_reference,
    recalibrate_synthetically,
    reference_subnetworks,
    save_reference,
    statistics,
)
from sartor.specializer.region import draw_subnetworks
from sartor.specializer.shipped import find_supernet
from sartor.specializer.space import SubNetwork
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


def seen_in(
    images: list[Image.Image], supernet: WeightSharing, subnetworks: list[SubNetwork]
) -> Reference:
    """What networks see in images, each resized to its resolution."""
    sizes = supernet.spec.resolutions
    return {
        one: statistics(
            recalibrate(extract(supernet, one), calibration_batches(images, sizes[one[0]]))
        )
        for one in subnetworks
    }


def test_the_references_themselves_get_back_what_photos_gave(
    supernet: ElasticMobileNetV3,
) -> None:
    related = reference_subnetworks(supernet.spec.space)
    assert len(related) == 4
    reference = seen_in(squares(0, 6), supernet, related)
    for subnetwork, wanted in reference.items():
        mended = recalibrate_synthetically(supernet, subnetwork, squares(1, 12), reference)
        for name, value in statistics(mended).items():
            torch.testing.assert_close(value, wanted[name], rtol=1e-3, atol=1e-4)


def test_related_networks_come_closer_to_what_photos_give_with_every_reference() -> None:
    # of the shipped supernet, for weights that nobody trained relate to nothing
    files = find_supernet("ofa-mbv3-imagenette")
    supernet = load_supernet(files.weights).supernet
    space = supernet.spec.space
    sharp = synthetic_images("ofa-mbv3-imagenette", files, supernet.spec.resolutions[-1])[:32]
    blurred = [image.filter(ImageFilter.GaussianBlur(2)) for image in sharp]
    largest, smallest = reference_subnetworks(space)[:2]
    both = seen_in(sharp, supernet, [largest, smallest])
    (pixels,) = calibration_batches(sharp, supernet.spec.resolutions[0])
    errors = []
    for _, *choices in draw_subnetworks(space, 4, np.random.default_rng(0)):
        subnetwork = (0, *choices)
        wanted = recalibrate(extract(supernet, subnetwork), [pixels]).run(pixels)
        found = (
            recalibrate_synthetically(supernet, subnetwork, blurred, reference).run(pixels)
            for reference in ({}, {largest: both[largest]}, both)
        )
        errors.append([float((logits - wanted).square().mean().sqrt()) for logits in found])
    none, one, two = np.mean(errors, axis=0)
    assert one < 0.7 * none
    assert two < 0.9 * one


def test_a_reference_of_another_supernet_is_refused(supernet: ElasticMobileNetV3) -> None:
    space = supernet.spec.space
    reference = seen_in(squares(0, 6), supernet, [space.smallest])
    name, value = next(iter(reference[space.smallest].items()))
    for wrong in ({}, {**reference[space.smallest], name: value[1:]}):
        with pytest.raises(SartorError, match=f"lack {name} of"):
            recalibrate_synthetically(
                supernet, space.smallest, squares(1, 12), {space.smallest: wrong}
            )


def test_other_resolutions_correct_nothing(supernet: ElasticMobileNetV3) -> None:
    space = supernet.spec.space
    *_, far = reference_subnetworks(space)
    reference = seen_in(squares(0, 6), supernet, [far])
    plain, mended = (
        statistics(recalibrate_synthetically(supernet, space.smallest, squares(1, 12), given))
        for given in ({}, reference)
    )
    assert all(torch.equal(mended[name], value) for name, value in plain.items())


def test_a_reference_survives_its_file(supernet: ElasticMobileNetV3, tmp_path: Path) -> None:
    space = supernet.spec.space
    wanted = {one: statistics(extract(supernet, one)) for one in reference_subnetworks(space)}
    save_reference(wanted, space, tmp_path / "reference.safetensors")
    found = load_reference(tmp_path / "reference.safetensors", space)
    assert found.keys() == wanted.keys()
    for one, named in wanted.items():
        assert all(torch.equal(found[one][name], value) for name, value in named.items())


@pytest.mark.parametrize("content", [b"", b"nonsense", b"\xff" * 64])
def test_a_damaged_reference_is_refused(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "reference.safetensors"
    path.write_bytes(content)
    with pytest.raises(SartorError, match="restore it"):
        load_reference(path, MobileNetV3().space)
    with pytest.raises(SartorError, match="restore it"):
        load_reference(tmp_path / "absent", MobileNetV3().space)
