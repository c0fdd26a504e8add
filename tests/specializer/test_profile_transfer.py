"""``sartor profile --transfer-from``, with real measurements: few, for they take their time."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from sartor.tables import Store
from sartor.tables.estimate import Transfer

from .chain import Chain, Finished, sartor

NAME = "local-onnxruntime-extended-transferred"


def transfer(chain: Chain, store: Path, *options: object) -> Finished:
    """Measure networks on ONNX Runtime, and estimate from the chain's table of LiteRT."""
    return sartor(
        *("profile", "--transfer-from", "local-litert", "--supernet", chain.supernet),
        *("--runtime", "onnxruntime", "--options", "optimization=extended", "--store", store),
        *("--passes", 1, "--most-passes", 1, "--force", "--json", *options),
    )


@pytest.fixture(scope="module")
def store(chain: Chain, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with the known table and an estimated one."""
    path = tmp_path_factory.mktemp("transfer") / "store.sqlite"
    shutil.copy(chain.store, path)
    first = transfer(chain, path, "--networks", 3).document
    assert first["table"] == NAME
    assert (first["windows_measured"], first["windows_resumed"]) == (3, 0)
    assert first["operators"] == chain.said["profile"].document["operators"]
    assert first["transferred_from"] == ["local-litert (local, litert/threads=1,batch=1/float32/-)"]
    assert len(first["networks"]) == 3
    assert first["calibration"]["margin"] > 0.05
    return path


def test_again_measures_nothing_and_estimates_the_same(chain: Chain, store: Path) -> None:
    with Store.open(store) as opened:
        before = opened.load(NAME)
    again = transfer(chain, store, "--networks", 3).document
    assert (again["windows_measured"], again["windows_resumed"]) == (0, 3)
    with Store.open(store) as opened:
        assert opened.load(NAME).transfer == before.transfer


def test_broken_off_it_goes_on(chain: Chain, store: Path, tmp_path: Path) -> None:
    """Without the estimates and one network, which is what a killed process may leave."""
    copy = Path(shutil.copy(store, tmp_path / "broken_off.sqlite"))
    with Store.open(copy) as opened:
        whole = opened.load(NAME)
        opened.remove(NAME)
        opened.create(NAME, whole.provenance)
        for network in list(whole.windows)[:2]:
            for window in whole.windows[network]:
                opened.add_window(NAME, network, window)
    resumed = transfer(chain, copy, "--networks", 3).document
    assert (resumed["windows_measured"], resumed["windows_resumed"]) == (1, 2)
    with Store.open(copy) as opened:
        assert {str(one) for one in opened.load(NAME).windows} == set(map(str, whole.windows))
        assert opened.find(NAME).estimates == resumed["operators"]


def test_more_networks_are_measured_besides(chain: Chain, store: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copy(store, tmp_path / "more.sqlite"))
    more = transfer(chain, copy, "--networks", 4).document
    assert (more["windows_measured"], more["windows_resumed"]) == (1, 3)
    assert len(more["networks"]) == 4


def test_an_estimated_table_serves_like_any_other(
    chain: Chain, store: Path, tmp_path: Path
) -> None:
    kept = ("--store", store)
    choice = sartor(
        *("specialize", "--supernet", chain.supernet, "--table", NAME, "--latency-ms", 1000),
        *("--out", tmp_path / "out", "--json", *kept),
    ).document
    assert choice["latency"]["low_ms"] < choice["latency"]["latency_ms"]
    assert choice["latency"]["latency_ms"] < choice["latency"]["high_ms"] <= 1000
    shown = sartor("tables", "show", NAME, *kept).stdout
    assert "transferred: local-litert (local," in " ".join(shown.split())
    checked = sartor("tables", "check", NAME, "--json", *kept)
    assert "were estimated from tables of other devices" in " ".join(
        json.loads(checked.stdout)["doubts"]
    )
    assert sartor("tables", "diff", "local-litert", NAME, *kept).exit_code == 0
    assert sartor("tables", "plot", NAME, tmp_path / "t.png", *kept).exit_code == 0
    listed = {each["name"]: each for each in sartor("tables", "--json", *kept).document}
    assert listed[NAME]["transferred"] == listed[NAME]["operators"]
    assert listed["local-litert"]["transferred"] == 0

    file, copy = tmp_path / "table.jsonl", ("--store", tmp_path / "copy.sqlite")
    assert sartor("tables", "export", NAME, file, *kept).exit_code == 0
    assert sartor("tables", "import", file, *copy).exit_code == 0
    documents = [
        sartor("tables", "show", NAME, "--json", *where).document for where in (kept, copy)
    ]
    assert documents[0] == documents[1]


def test_what_makes_no_sense_is_one_sentence(chain: Chain, store: Path, tmp_path: Path) -> None:
    def complaint(*options: object) -> str:
        return transfer(chain, store, *options).complaint

    assert "no table 'gone'; known: local-litert" in complaint("--transfer-from", "gone")
    assert "'local-litert' cannot be estimated from itself" in complaint("--table", "local-litert")
    assert "2 networks are too few" in complaint("--networks", 2, "--table", "t")
    assert "local-litert is of float32, not float16" in complaint("--dtype", "float16")
    assert f"{NAME} holds estimates itself" in complaint("--transfer-from", NAME, "--table", "t")
    assert (
        "local-litert lacks"
        in sartor(
            *("profile", "--transfer-from", "local-litert", "--store", store, "--force")
        ).complaint
    )
    measured = Path(shutil.copy(chain.store, tmp_path / "measured.sqlite"))
    with Store.open(measured) as opened:
        copy = opened.load("local-litert")
        opened.add(type(copy)("other", copy.provenance, copy.entries, copy.failures))
    mixed = transfer(chain, measured, "--table", "other").complaint
    assert "table 'other' holds measurements of operators" in mixed
    refused = sartor("profile", "--store", store, "--table", NAME, "--supernet", chain.supernet)
    assert f"table {NAME!r} holds estimates from tables of other devices" in refused.complaint
    with Store.open(store) as opened:
        assert [each.name for each in opened.tables()] == ["local-litert", NAME]
        assert isinstance(opened.load(NAME).transfer, Transfer)


@pytest.mark.parametrize(
    "wrong", [("--op", "dense/8x1x1/out=1/none/float32"), ("--model", "m.tflite")], ids="".join
)
def test_options_that_exclude_each_other(wrong: tuple[str, str], chain: Chain) -> None:
    ended = transfer(chain, chain.store, *wrong)
    assert ended.exit_code == 2
    assert "has no meaning here" in " ".join(ended.stderr.split())
