"""Rows for blocks, and tables that others published, as users of the command line meet them."""

from __future__ import annotations

import shutil
from collections.abc import Collection
from pathlib import Path

import numpy as np
import pytest

from sartor.specializer.choice import Choice
from sartor.specializer.cost import reachable_operators
from sartor.specializer.shipped import ACCURACY, CALIBRATION, part_of
from sartor.specializer.specialization import load_choice
from sartor.specializer.specialize import Specializer
from sartor.specializer.supernets.mobilenet_v3 import MobileNetV3
from sartor.tables import Store
from sartor.tables.errors import MissingOperatorError
from sartor.tables.formats.lookup_keys import ONCE_FOR_ALL
from sartor.tables.granularity import BLOCKS, OPERATORS
from sartor.tables.kinds import is_block, multiply_adds

from ..tables.public_files import yaml_of
from .chain import BUDGET_MS, LABELS, SPEC, Chain, Finished, sartor
from .toy import fit_ridge

BRIEFLY = ("--passes", 1, "--most-passes", 1, "--networks", 3, "--force")
BLOCK = "mbconv/16x8x8/expand=48,kernel=5,out=16,se=16,skip=1,stride=1/hswish/float32"


@pytest.fixture(scope="module")
def both(chain: Chain, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Finished]:
    """A copy of the chain's store, its operators joined by blocks; and what profile said."""
    store = tmp_path_factory.mktemp("rows") / "tables.sqlite"
    shutil.copy(chain.store, store)
    said = sartor(
        *("profile", "--supernet", chain.supernet, "--rows", "both", *BRIEFLY),
        *("--store", store, "--json"),
    )
    return store, said


def test_blocks_are_measured_beside_the_operators_that_are_there(
    chain: Chain, both: tuple[Path, Finished]
) -> None:
    store, said = both
    report, before = said.document, chain.said["profile"].document
    assert report["windows_resumed"] == before["windows_measured"]
    with Store.open(store) as opened:
        table = opened.load("local-litert")
    assert set(table.rows) == {
        *reachable_operators(SPEC, OPERATORS),
        *reachable_operators(SPEC, BLOCKS),
    }
    assert report["windows_measured"] == sum(map(is_block, table.rows)) > 100
    assert len(table.networks) == 3
    assert [row["rows"] for row in report["rows"]] == [
        estimator.granularity.name for estimator in table.estimators
    ]
    assert {row["networks"] for row in report["rows"]} == {3}
    assert report["calibration"] == table.estimators[0].calibration.to_dict()


def test_show_and_check_say_which_rows_are_used_and_how_good_both_are(
    both: tuple[Path, Finished], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "160")
    store, said = both
    used, other = said.document["rows"]
    assert (used["used"], other["used"]) == (True, False)
    errors = [f"{row['leave_one_out_error']:.1%}" for row in (used, other)]
    sentence = (
        f"rows for {used['rows']} (leave-one-out error {errors[0]}), not those for "
        f"{other['rows']} (leave-one-out error {errors[1]})"
    )
    for command in ("show", "check"):
        arguments = ("tables", command, "local-litert", "--store", store)
        assert sentence in sartor(*arguments).stdout
        assert f'"rows": "{other["rows"]}"' in sartor(*arguments, "--json").stdout


def test_specialize_predicts_by_the_rows_that_are_used(
    chain: Chain, both: tuple[Path, Finished], tmp_path: Path
) -> None:
    store, said = both
    choice = sartor(
        *("specialize", "--supernet", chain.supernet, "--table", "local-litert"),
        *("--latency-ms", BUDGET_MS, "--store", store, "--out", tmp_path / "out", "--json"),
    ).document
    assert choice["rows"] == said.document["rows"]
    loaded = load_choice(tmp_path / "out")
    assert [standing.used for standing in loaded.rows] == [True, False]
    with Store.open(store) as opened:
        table = opened.load("local-litert")
    graph = SPEC.graph(SPEC.space.parse(loaded.subnetwork))
    assert loaded.latency == table.predict(graph.operators)


def test_a_table_of_blocks_alone_says_how_to_measure_what_it_lacks(
    chain: Chain, both: tuple[Path, Finished]
) -> None:
    with Store.open(both[0]) as opened:
        table = opened.load("local-litert")
    operators = {one for one in table.rows if not is_block(one)}
    blocks = sorted(one for one in table.rows if is_block(one))
    ends = reachable_operators(SPEC, BLOCKS)
    alone = table.without({*operators.difference(ends), blocks[-1]})
    aim = Specializer.open(str(chain.supernet)).aim(alone)
    with pytest.raises(MissingOperatorError, match=r"sartor profile .*--rows blocks$") as caught:
        aim.latency_ms(SPEC.space.smallest)
    assert caught.value.operator == str(blocks[-1])


def test_a_single_block_is_measured_by_its_name(tmp_path: Path) -> None:
    store = tmp_path / "tables.sqlite"
    hurry = ("--passes", 1, "--most-passes", 1, "--force", "--store", store)
    report = sartor("profile", "--op", BLOCK, *hurry, "--json").document
    assert (report["operators"], report["windows_measured"], report["failures"]) == (1, 3, {})
    shown = sartor("tables", "show", "local-litert", "--store", store, "--json").document
    assert list(shown["operators"]) == [BLOCK]
    assert sartor("profile", "--op", BLOCK, "--rows", "both", *hurry).exit_code == 2
    assert sartor("profile", "--rows", "networks", *hurry).exit_code == 2


def public_table(path: Path, spec: MobileNetV3, contexts: Collection[int]) -> Path:
    """A table in Once-for-All's words, with latencies made up of multiply-adds."""
    needed = reachable_operators(spec, BLOCKS, contexts)
    rows = {
        ONCE_FOR_ALL.write(one): {"mean": 0.01234567 + multiply_adds(one) / 1e7} for one in needed
    }
    path.write_bytes(yaml_of(rows))
    return path


def imported(file: Path, store: Path) -> None:
    pytest.importorskip("yaml", reason="pip install 'sartor[exchange]'")
    ended = sartor("tables", "import", file, "--device", "phone", "--store", store, "--force")
    assert ended.exit_code == 0, ended.stderr


def test_a_published_table_is_specialized_over(chain: Chain, tmp_path: Path) -> None:
    store, out = tmp_path / "tables.sqlite", tmp_path / "out"
    imported(public_table(tmp_path / "phone.yaml", SPEC, range(len(SPEC.resolutions))), store)
    ended = sartor(
        *("specialize", "--supernet", chain.supernet, "--table", "phone"),
        *("--store", store, "--out", out, "--json"),
    )
    choice = ended.document
    assert "left out" not in ended.stderr
    assert choice["target"]["device"] == "phone"
    assert not choice["latency"]["calibrated"]
    with Store.open(store) as opened:
        table = opened.load("phone")
    graph = SPEC.graph(SPEC.space.parse(choice["subnetwork"]))
    units = BLOCKS.units(graph.operators)
    assert choice["latency"]["latency_ms"] == pytest.approx(sum(map(table.latency_ms, units)))
    assert choice["latency"]["latency_ms"] <= choice["target"]["budget_ms"]
    assert choice["rows"][0] == {
        "rows": "blocks",
        "used": True,
        "networks": 0,
        "leave_one_out_error": None,
    }


def test_resolutions_that_a_published_table_lacks_are_left_out_and_named(
    chain: Chain, tmp_path: Path
) -> None:
    store, out = tmp_path / "tables.sqlite", tmp_path / "out"
    imported(public_table(tmp_path / "phone.yaml", SPEC, [0]), store)
    options = ("--supernet", chain.supernet, "--table", "phone", "--store", store)
    ended = sartor("specialize", *options, "--out", out)
    assert ended.exit_code == 0
    assert "phone, which was published, lacks operators of 96 pixels: left out" in ended.stderr
    assert "leave-one-out error unknown" in " ".join(ended.stdout.split())
    choice: Choice = load_choice(out)
    assert choice.subnetwork.startswith("64:")
    assert {latency_ms > 0 for latency_ms, _ in choice.search.front} == {True}


def test_a_published_table_of_other_networks_says_what_it_lacks(
    chain: Chain, tmp_path: Path
) -> None:
    store = tmp_path / "tables.sqlite"
    other = MobileNetV3(SPEC.width, classes=1000, resolutions=SPEC.resolutions)
    imported(public_table(tmp_path / "phone.yaml", other, [1]), store)
    complaint = sartor(
        *("specialize", "--supernet", chain.supernet, "--table", "phone"),
        *("--store", store, "--out", tmp_path / "out"),
    ).complaint
    channels = SPEC.widths.feature
    lacks = f"no latency for dense/{channels}x1x1/out={len(LABELS)}/none/float32"
    assert f"{lacks} (nearest: dense/{channels}x1x1/out=1000/none/float32" in complaint
    assert "nothing can be measured into phone, which was published" in complaint
    assert f"covers no resolution of {chain.supernet} (64, 96)" in complaint


@pytest.mark.data
def test_the_note10_is_specialized_for(data_folder: Path, tmp_path: Path) -> None:
    """Once-for-All's table of a Note10 at 160 pixels, and its MobileNetV3 of width 1.2.

    No weights of it are at hand, so random ones are specialized.
    """
    from sartor.specializer.calibration_set import contact_sheet
    from sartor.specializer.checkpoint import Checkpoint, save_supernet

    from .chain import random_image
    from .torch_tools import random_supernet

    wide, rng = MobileNetV3(1.2, resolutions=(128, 160)), np.random.default_rng(0)
    path, store, out = tmp_path / "wide.safetensors", tmp_path / "t.sqlite", tmp_path / "out"
    labels = tuple(f"class {index}" for index in range(wide.classes))
    save_supernet(Checkpoint("wide", random_supernet(wide), labels), path)
    population = np.unique(wide.space.random(60, rng), axis=0)
    accuracies = 0.5 + 0.01 * population.mean(axis=1) + rng.normal(0, 0.002, len(population))
    fit_ridge(wide.space, population, accuracies, rng).predictor.save(part_of(path, ACCURACY))
    sheet = contact_sheet([random_image(160, rng) for _ in range(4)], 2)
    sheet.save(part_of(path, CALIBRATION), quality=90)
    imported(data_folder / "ofa" / "note10" / "160_lookup_table.yaml", store)
    ended = sartor(
        *("specialize", "--supernet", path, "--table", "160_lookup_table"),
        *("--latency-ms", 15, "--store", store, "--out", out, "--json"),
    )
    choice = ended.document
    assert "lacks operators of 128 pixels: left out" in ended.stderr
    assert choice["subnetwork"].startswith("160:")
    assert choice["search"]["fastest_ms"] < choice["latency"]["latency_ms"] <= 15
    shipped = sartor("specialize", "--table", "160_lookup_table", "--store", store, "--out", out)
    assert "covers no resolution of ofa-mbv3-imagenette (96, 112, 128, 144, 160)" in (
        shipped.complaint
    )
