from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from sartor.benchmarks.accuracy_predictors import (
    OFFICIAL,
    USUAL,
    Official,
    Result,
    compare,
    plot_png,
)
from sartor.benchmarks.measured_accuracies import (
    DYNAS,
    MOOFA,
    RESOLUTIONS,
    SERIES_STARTS,
    SPEC,
    Measured,
    read_measured,
)
from sartor.tables.errors import FormatError

KERNELS, RATIOS, DEPTHS = [3, 5, 7, 3] * 5, [3, 4, 6, 6] * 5, [2, 3, 4, 2, 3]


def made_up(folder: Path) -> Path:
    """Write files in the published formats, with three networks in all."""
    network = {"ks": KERNELS, "e": RATIOS, "d": DEPTHS}
    folder.mkdir()
    moofa = [
        network | {"image_size": 160, "top1": 0.72},
        network | {"image_size": 128, "top1": 0.69},
    ]
    (folder / MOOFA).write_text(json.dumps(moofa))
    for name in DYNAS:  # both searches tried the same network
        settings = str({"wid": None, **network, "r": [224]})
        (folder / name).write_text(f'Sub-network,Top-1 Acc (%)\n"{settings}",75.25\n')
    return folder


def test_published_networks_are_read_once_each(tmp_path: Path) -> None:
    data = read_measured(made_up(tmp_path / "data"))
    texts = [SPEC.space.text(tuple(row)) for row in data.population.tolist()]
    tail = "k3e3.k5e4.-.-|k3e3.k5e4.k7e6.-|k3e3.k5e4.k7e6.k3e6|k3e3.k5e4.-.-|k3e3.k5e4.k7e6.-"
    assert texts == [f"160:{tail}", f"128:{tail}", f"224:{tail}"]
    assert data.top1.tolist() == pytest.approx([0.72, 0.69, 0.7525])
    assert data.series.tolist() == ["quarter 1", "quarter 1", "all"]
    assert data.at(128).top1.tolist() == [0.69]


def test_what_is_not_there_or_not_as_it_was_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(FormatError, match="cannot read the published accuracies"):
        read_measured(tmp_path)
    folder = made_up(tmp_path / "data")
    shutil.copy(folder / DYNAS[0], folder / MOOFA)
    with pytest.raises(FormatError, match="name their folder with --data"):
        read_measured(folder)


def test_the_plot_shows_every_model() -> None:
    results = [
        Result(model, size, count, 100, 0.8, 0.7, 0.6, 0.01)
        for size in RESOLUTIONS
        for model, counts in (("gp", (25, 50)), (OFFICIAL, (0,)))
        for count in counts
    ]
    pytest.importorskip("matplotlib")
    assert plot_png(results).startswith(b"\x89PNG")


@pytest.fixture(scope="module")
def data(data_folder: Path) -> Measured:
    return read_measured(data_folder / "accuracy")


@pytest.mark.data
def test_the_sizes_start_anew_with_every_series(data: Measured, data_folder: Path) -> None:
    rows = json.loads((data_folder / "accuracy" / MOOFA).read_text())
    sizes = [row["image_size"] for row in rows]
    for start in SERIES_STARTS:
        assert set(sizes[start : start + 80]) == {128}
    for end in (*SERIES_STARTS[1:], len(rows)):
        assert set(sizes[end - 20 : end]) == {160}
    counts = np.array([row["top1"] for row in rows]) * 12_500
    assert counts == pytest.approx(counts.round(), abs=1e-6)
    assert len(data.top1) == len(np.unique(data.population, axis=0)) == 2345


@pytest.mark.data
def test_two_hundred_networks_teach_enough(data: Measured, data_folder: Path) -> None:
    """Kendall's τ within one resolution on held-out networks: the goal is .80."""
    official = Official.load(data_folder / "ofa" / "acc_predictor.pth")
    results = compare(data, ["gp"], [USUAL], 3, official)
    found = {(result.model, result.resolution): result for result in results}
    for resolution in RESOLUTIONS:
        assert found["gp", resolution].kendall_tau >= 0.80
        if resolution in official.resolutions:
            beside = found[OFFICIAL, resolution]
            assert found["gp", resolution].kendall_tau > beside.kendall_tau + 0.04
            assert found["gp", resolution].held_out == beside.held_out
