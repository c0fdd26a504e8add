"""``sartor tables import`` and ``export``, as a user calls them."""

from __future__ import annotations

import csv
import json
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from sartor.specializer.published import expected_rows
from sartor.tables import LatencyTable, Network, Store
from sartor.tables.formats import to_json_lines
from sartor.tables.formats.lookup_keys import ONCE_FOR_ALL, PROXYLESS_NAS
from sartor.tables.formats.lookup_yaml import read_lookup_yaml
from sartor.tables.quotation import Quotation

from ..tables.children import PROVENANCE, operator, window
from ..tables.public_files import HAT_LINE, OFA_ROWS, Values, csv_of, origin, yaml_of
from .chain import Finished, sartor

pytest.importorskip("yaml", reason="pip install 'sartor[exchange]'")

CONV, LOGITS, BLOCK = OFA_ROWS
WHOLE = Network("whole", (operator(1),))
TABLE = LatencyTable.from_windows(
    "mine",
    PROVENANCE,
    {operator(1): [window(0)], WHOLE: [window(0, 3000.0)]},
    {},
    {operator(2): Quotation(0.5)},
)


def complete() -> dict[str, Values]:
    """Every row that a table of Once-for-All has, with latencies made up of their numbers."""
    needed = expected_rows(read_lookup_yaml(origin(yaml_of(OFA_ROWS)))).needed
    return {
        key: {"mean": 0.61234567 + index / 97, "std": 0.01 + index / 9700, "count": 400 + index}
        for index, key in enumerate(sorted(map(ONCE_FOR_ALL.write, needed)))
    }


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """A store with a table that was measured in parts."""
    path = tmp_path / "tables.sqlite"
    with Store.open(path) as opened:
        opened.add(TABLE)
    return path


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A complete public table."""
    path = tmp_path / "note10.yaml"
    path.write_bytes(yaml_of(complete()))
    return path


def names(store: Path) -> list[str]:
    return [table["name"] for table in sartor("tables", "--store", store, "--json").document]


def imported(store: Path, *arguments: object) -> Finished:
    return sartor("tables", "import", *arguments, "--store", store)


def document_of(finished: Finished) -> Any:  # noqa: ANN401 (JSON is anything)
    """The report of an import, also of one that was refused."""
    return json.loads(finished.stdout)


def test_a_public_table_becomes_one_of_ours(store: Path, file: Path) -> None:
    report = imported(store, file, "--device", "note10", "--runtime", "tflite", "--json").document
    assert (report["name"], report["format"], report["added"]) == ("note10", "once-for-all", True)
    assert (report["operators"], report["networks"], report["findings"]) == (96, 0, [])
    shown = sartor("tables", "show", "note10", "--store", store, "--json").document
    assert shown["provenance"] == report["provenance"]
    assert shown["provenance"]["device"] == "note10"
    assert shown["provenance"]["condition"] == "tflite/threads=1,batch=1/float32/assumed"
    assert shown["provenance"]["runtime_version"] == "unknown"
    rows = {str(ONCE_FOR_ALL.parse(key)): values["mean"] for key, values in complete().items()}
    assert {text: row["latency_ms"] for text, row in shown["operators"].items()} == rows
    (listed,) = (
        table
        for table in sartor("tables", "--store", store, "--json").document
        if table["name"] == "note10"
    )
    assert (listed["operators"], listed["windows"], listed["published"]) == (96, 0, 96)


def test_it_is_shown_as_published(store: Path, file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    added = imported(store, file, "--name", "quoted")
    assert (added.exit_code, added.stdout) == (0, "")
    assert added.stderr == "added quoted: 96 operators, 0 networks\n"
    printed = sartor("tables", "show", "quoted", "--store", store).stdout
    assert "published: note10.yaml (" in printed
    assert "unknown/threads=1,batch=1/float32/assumed" in printed
    assert "rows for blocks (leave-one-out error unknown)" in printed
    assert "mbconv/" in printed
    mine = sartor("tables", "show", "mine", "--store", store).stdout
    assert "measured" in mine
    assert "one pass only" in mine
    assert "unknown" in mine


def test_whole_networks_are_shown_where_there_are_no_operators(
    store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    (tmp_path / "hat.csv").write_bytes(csv_of(HAT_LINE))
    added = imported(store, tmp_path / "hat.csv", "--device", "titan")
    assert added.stderr == "added hat: 0 operators, 2 networks\n"
    printed = sartor("tables", "show", "hat", "--store", store).stdout
    assert "Slowest 2 networks" in printed
    assert "2:encoder/embed=512,layers=6,ffn=11264,heads=36" in printed
    shown = sartor("tables", "show", "hat", "--store", store, "--json").document
    latencies_ms = [row["latency_ms"] for row in shown["networks"].values()]
    assert latencies_ms == [246.4070186, 5.8006539]


def test_checking_adds_nothing_and_makes_no_store(file: Path, tmp_path: Path) -> None:
    store = tmp_path / "new" / "tables.sqlite"
    report = imported(store, file, "--check-only", "--json").document
    assert report["added"] is False
    assert imported(store, file, "--check-only").stderr == (
        "could be added as note10: 96 operators, 0 networks\n"
    )
    assert not store.parent.exists()


def test_warnings_need_force(store: Path, file: Path) -> None:
    rows = complete()
    left_out = sorted(rows)[7]
    del rows[left_out]
    file.write_bytes(yaml_of(rows))
    for more in ((), ("--check-only",)):
        refused = imported(store, file, "--json", *more)
        assert refused.exit_code == 1
        assert "1 warning; see to it, or import it all the same with --force" in refused.stderr
        report = document_of(refused)
        assert report["added"] is False
        (finding,) = report["findings"]
        assert (finding["severity"], finding["keys"]) == ("warning", [left_out])
        assert names(store) == ["mine"]
    assert imported(store, file, "--force").exit_code == 0
    assert names(store) == ["mine", "note10"]


@pytest.mark.parametrize("more", [(), ("--force",), ("--check-only", "--force")])
def test_errors_are_never_imported(more: tuple[str, ...], store: Path, file: Path) -> None:
    file.write_bytes(yaml_of(complete()) + yaml_of({CONV: {"mean": 9}, BLOCK: {"mean": -1}}))
    refused = imported(store, file, *more)
    assert refused.exit_code == 1
    assert "2 rows again, with other values" in " ".join(refused.stdout.split())
    assert f"{file} is not imported: 1 error in it; mend it first" in refused.stderr
    assert names(store) == ["mine"]


def test_notes_are_no_hindrance(store: Path, file: Path) -> None:
    file.write_bytes(yaml_of({**complete(), CONV: {"mean": 1.0, "std": 0.5, "p99": 2}}))
    report = imported(store, file, "--json").document
    assert [finding["severity"] for finding in report["findings"]] == ["note", "note"]
    assert report["added"] is True


def test_a_contaminated_table_is_found(store: Path, file: Path) -> None:
    """Six rows of another device's table, as a published one once had."""
    assert imported(store, file, "--device", "note10").exit_code == 0
    theirs = complete()
    changed = {
        key: values if index < 6 else {**values, "mean": float(values["mean"]) * 1.0001}
        for index, (key, values) in enumerate(theirs.items())
    }
    other = file.with_name("pixel1.yaml")
    other.write_bytes(yaml_of(changed))
    refused = imported(store, other, "--device", "pixel1", "--json")
    (finding,) = document_of(refused)["findings"]
    assert finding["message"].startswith(
        "6 rows of 96 bit-identical to rows of table 'note10' of device 'note10'"
    )
    assert finding["keys"] == sorted(theirs)[:6]
    (same,) = imported(store, file, "--device", "note10", "--name", "again", "--json").document[
        "findings"
    ]
    assert (same["severity"], len(same["keys"])) == ("note", 96)


@pytest.mark.parametrize(("factor", "unit"), [(1e-4, "seconds"), (1e3, "microseconds")])
def test_another_unit_is_found(factor: float, unit: str, store: Path, file: Path) -> None:
    rows = {key: {"mean": factor * float(row["mean"])} for key, row in complete().items()}
    file.write_bytes(yaml_of(rows))
    refused = imported(store, file, "--json")
    checks = {finding["check"] for finding in document_of(refused)["findings"]}
    assert checks == {"units"}, unit


def test_a_table_of_ratios_in_channels_is_refused(store: Path, file: Path) -> None:
    key = "expanded_conv-input:14x14x80-output:14x14x80-expand:480-kernel:3-stride:1-idskip:1"
    file.write_bytes(yaml_of({key: {"mean": 1.0}}))
    report = document_of(imported(store, file, "--json"))
    assert report["format"] == PROXYLESS_NAS.name
    assert [finding["check"] for finding in report["findings"]][:2] == ["expansion", "missing"]


@pytest.mark.parametrize("suffix", [".jsonl", ".JSONL", ""])
def test_json_lines_carry_everything_to_another_store(
    suffix: str, store: Path, tmp_path: Path
) -> None:
    file, copy = tmp_path / f"out{suffix}", tmp_path / "copy.sqlite"
    assert sartor("tables", "export", "mine", file, "--store", store).stderr == f"wrote {file}\n"
    assert imported(copy, file, "--name", "ours").exit_code == 0
    with Store.open(copy) as opened:
        loaded = opened.load("ours")
    assert loaded.windows == TABLE.windows
    assert loaded.quotations == TABLE.quotations


def test_csv_and_parquet_by_suffix_or_by_name(store: Path, tmp_path: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet", reason="pip install 'sartor[exchange]'")
    for file, more in ((tmp_path / "t.csv", ()), (tmp_path / "t.txt", ("--format", "csv"))):
        assert sartor("tables", "export", "mine", file, "--store", store, *more).exit_code == 0
        with file.open(newline="") as opened:
            lines = list(csv.DictReader(opened))
        assert [line["subject"] for line in lines] == sorted(map(str, TABLE.by_subject))
        assert {line["source"] for line in lines} == {"measured", "published"}
    file = tmp_path / "t.parquet"
    assert sartor("tables", "export", "mine", file, "--store", store).exit_code == 0
    assert [row["subject"] for row in parquet.read_table(file).to_pylist()] == [
        line["subject"] for line in lines
    ]
    for exported in (tmp_path / "t.csv", file):
        complaint = imported(store, exported).complaint
        assert f"{exported} was exported for other programs, without samples" in complaint


@pytest.mark.parametrize(
    ("content", "name", "complaint"),
    [
        (b"", "t.yaml", "t.yaml: a lookup table in YAML is a mapping of keys to latencies"),
        (b"a: {b: [}\n", "t.yaml", "t.yaml: line 1: this is no YAML"),
        (b"\x00\x01\x02", "t.bin", "t.bin: this is no YAML"),
        (b"a: {mean: 1}\n", "t.yaml", "t.yaml: no known block; a table in YAML is of one of"),
        (b"a,b\n1,2\n", "t.csv", "t.csv: a table of HAT's has lines with the columns"),
        (b"{}\n", "t.json", "t.json: line 1: 'format' is missing"),
    ],
)
def test_a_file_that_is_no_table_is_one_sentence(
    content: bytes, name: str, complaint: str, store: Path, tmp_path: Path
) -> None:
    (tmp_path / name).write_bytes(content)
    assert complaint in imported(store, tmp_path / name).complaint
    assert names(store) == ["mine"]


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (("export", "mine", "{tmp}/t.xlsx"), "to a file .xlsx; call it .jsonl, .csv, .parquet, or"),
        (("export", "mien", "{tmp}/t.csv"), "no table 'mien'; did you mean 'mine'?"),
        (("export", "mine", "{tmp}"), "cannot write"),
        (("import", "{tmp}/none.yaml"), "No such file or directory; check the path"),
        (("import", "{tmp}"), "Is a directory; check the path"),
        (("import", "{tmp}/ours.jsonl", "--device", "pi"), "leave out --device and --runtime"),
        (("import", "{tmp}/ours.jsonl", "--runtime", "x"), "leave out --device and --runtime"),
        (("import", "{tmp}/ours.jsonl"), "table 'mine' in"),
        (("import", "{tmp}/ours.jsonl", "--name", " "), "is no name for a table"),
        (("import", "{tmp}/note10.yaml", "--runtime", "Big One"), "'Big One/threads=1"),
        (("import", "{tmp}/note10.yaml", "--name", "mine"), "is there already"),
        (("import", "{tmp}/note10.yaml", "--name", ""), "is no name for a table"),
        (("import", "{tmp}/note10.yaml", "--device", ""), "a device has to have a name"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_what_cannot_be_is_one_sentence(
    arguments: tuple[str, ...], complaint: str, store: Path, file: Path, tmp_path: Path
) -> None:
    (tmp_path / "ours.jsonl").write_bytes(to_json_lines(TABLE))
    filled = [argument.format(tmp=tmp_path) for argument in arguments]
    assert complaint in sartor("tables", *filled, "--store", store).complaint
    assert names(store) == ["mine"]


def test_an_unknown_format_is_wrong_usage(store: Path, tmp_path: Path) -> None:
    wrong = sartor("tables", "export", "mine", tmp_path / "t", "--format", "xlsx", "--store", store)
    assert wrong.exit_code == 2
    assert "Usage: sartor tables export" in wrong.stderr


def test_a_damaged_store_is_one_sentence(store: Path, file: Path) -> None:
    with sqlite3.connect(store) as connection:
        connection.execute("UPDATE quotations SET latency_ms = -1")
    connection.close()
    assert "is damaged" in imported(store, file).complaint
