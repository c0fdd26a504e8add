from __future__ import annotations

import hashlib
import sys
from collections.abc import Mapping

import hypothesis.strategies as st
import pytest
from hypothesis import given

from sartor.tables import Condition
from sartor.tables.errors import FormatError, RuntimeMissingError
from sartor.tables.formats.finding import Finding, Imported
from sartor.tables.formats.lookup_keys import KEY_FORMATS, ONCE_FOR_ALL
from sartor.tables.formats.lookup_yaml import read_lookup_yaml
from sartor.tables.quotation import Quotation

from .public_files import (
    NSGANET_ROWS,
    OFA_ROWS,
    PROXYLESS_ROWS,
    Values,
    origin,
    yaml_of,
)

pytest.importorskip("yaml", reason="pip install 'sartor[exchange]'")

ROWS: Mapping[str, Mapping[str, Values]] = {
    "once-for-all": OFA_ROWS,
    "proxylessnas": PROXYLESS_ROWS,
    "nsganetv2": NSGANET_ROWS,
}
CONV, LOGITS, BLOCK = OFA_ROWS


def imported(rows: Mapping[str, Values]) -> Imported:
    return read_lookup_yaml(origin(yaml_of(rows)))


@pytest.mark.parametrize("form", KEY_FORMATS, ids=lambda form: form.name)
def test_every_row_becomes_a_published_latency(form: object) -> None:
    name = getattr(form, "name", "")
    found = imported(ROWS[name])
    assert (found.format, found.findings) == (name, ())
    (known,) = (each for each in KEY_FORMATS if each.name == name)
    by_key = {known.write(operator): row for operator, row in found.table.rows.items()}
    assert by_key.keys() == ROWS[name].keys()
    for key, values in ROWS[name].items():
        assert by_key[key].median_ms == values["mean"]
        assert by_key[key].sample_count == values.get("count")


def test_a_variance_becomes_a_deviation_and_nothing_else_is_made_up() -> None:
    (row, *_) = imported(PROXYLESS_ROWS).table.rows.values()
    assert row == Quotation(4.0837556, 0.5, 982)
    (row, *_) = imported({CONV: {"mean": 1}, BLOCK: {"mean": 2}}).table.rows.values()
    assert row == Quotation(1.0)


def test_an_exponent_without_a_point_is_a_number() -> None:
    """YAML 1.1 takes ``5e-05`` for a text, and PyYAML with it."""
    (row,) = imported({BLOCK: {"mean": "5e-05"}}).table.rows.values()
    assert row.median_ms == 5e-05


def test_provenance_tells_the_file_and_calls_the_rest_unknown() -> None:
    content = yaml_of(OFA_ROWS)
    provenance = read_lookup_yaml(
        origin(content, device="note10", runtime="tflite")
    ).table.provenance
    assert provenance.device == "note10"
    assert provenance.condition == Condition("tflite", options="assumed")
    assert dict(provenance.facts) == {
        "file": "public.yaml",
        "file_sha256": hashlib.sha256(content).hexdigest(),
        "format": "once-for-all",
        "imported_at": "2026-01-01T00:00:00+00:00",
    }
    assert {
        provenance.runtime_version,
        provenance.runtime_sha256,
        provenance.agent_version,
        provenance.writer_version,
        provenance.created_at,
        read_lookup_yaml(origin(content)).table.provenance.device,
    } == {"unknown"}


def only(found: Imported) -> Finding:
    (finding,) = found.findings
    return finding


def test_a_key_that_stands_there_twice_is_found_and_the_first_one_kept() -> None:
    content = yaml_of(OFA_ROWS) + yaml_of({CONV: {"mean": 9.0}})
    found = read_lookup_yaml(origin(content))
    assert (only(found).severity, only(found).check) == ("error", "keys")
    assert only(found).message == f"1 row again, with other values: {CONV}"
    assert found.table.rows[ONCE_FOR_ALL.parse(CONV)].median_ms == OFA_ROWS[CONV]["mean"]
    same = read_lookup_yaml(origin(yaml_of(OFA_ROWS) * 2))
    assert (only(same).severity, len(only(same).keys)) == ("warning", 3)


def test_unknown_keys_are_left_out_and_found() -> None:
    found = imported({**OFA_ROWS, "Swish-input:1x1x3": {"mean": 1.0}})
    assert (only(found).severity, only(found).check) == ("warning", "keys")
    assert "1 row not understood, and left out: Swish-input:1x1x3 (line 13: it is no key of" in (
        only(found).message
    )
    assert len(found.table.rows) == len(OFA_ROWS)


def test_a_ratio_in_place_of_channels_is_an_error() -> None:
    found = imported({BLOCK: OFA_ROWS[BLOCK], BLOCK.replace("72", "6"): {"mean": 1.0}})
    assert (only(found).severity, only(found).check) == ("error", "expansion")
    assert "expand:6 is below the 24 channels" in only(found).message


@pytest.mark.parametrize(
    ("values", "complaint"),
    [
        ({"std": 1.0}, "there is no mean"),
        ({"mean": "soon"}, "the mean is 'soon', which is no number"),
        ({"mean": "~"}, "the mean is '~', which is no number"),
        ({"mean": -1.0}, "-1.0 ms is no latency"),
        ({"mean": 0}, "0.0 ms is no latency"),
        ({"mean": "nan"}, "nan ms is no latency"),
        ({"mean": "inf"}, "inf ms is no latency"),
        ({"mean": 1.0, "std": -1}, "-1.0 ms is no standard deviation"),
        ({"mean": 1.0, "var": -1}, "-1.0 is no variance"),
        ({"mean": 1.0, "count": 2.5}, "2.5 is no count"),
        ({"mean": 1.0, "count": 0}, "a latency of 0 inferences"),
    ],
)
def test_values_that_no_clock_can_have_shown_are_errors(values: Values, complaint: str) -> None:
    found = imported({**OFA_ROWS, CONV: values})
    assert (only(found).severity, only(found).check) == ("error", "values")
    assert f"1 row without a latency: {CONV} (line 1: {complaint}" in only(found).message
    assert len(found.table.rows) == len(OFA_ROWS) - 1


def test_values_of_unknown_meaning_are_told() -> None:
    found = imported({**OFA_ROWS, CONV: {"mean": 1.0, "median": 0.9}})
    assert only(found) == Finding("note", "values", "nothing is known of median: left out")


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (b"", "a mapping of keys to latencies"),
        (b"- 1\n- 2\n", "a mapping of keys to latencies"),
        (b"a: {b: [}\n", "line 1: this is no YAML"),
        (b"\xff\xfe\xfa", "this is no YAML"),
        (b"a: 1\n", "line 1: a row reads KEY"),
        (b"a: [1]\n", "line 1: a row reads KEY"),
        (b"a: {b: {c: 1}}\n", "line 1: a row reads KEY"),
        (b"? [a]\n: {mean: 1}\n", "line 1: a row reads KEY"),
        (b"a: &x {mean: *x}\n", "line 1"),
        (b"a: {mean: 1}\n", "no known block; a table in YAML is of one of once-for-all, proxyless"),
        (
            yaml_of({**OFA_ROWS, **PROXYLESS_ROWS}),
            "its blocks are of once-for-all and proxylessnas",
        ),
        (b"[" * 5000, "this is no YAML"),
    ],
    ids=str,
)
def test_what_is_no_lookup_table_says_so(content: bytes, complaint: str) -> None:
    with pytest.raises(FormatError, match=complaint):
        read_lookup_yaml(origin(content))


@given(st.binary(max_size=200))
def test_any_bytes_raise_nothing_but_format_errors(content: bytes) -> None:
    with pytest.raises(FormatError):
        read_lookup_yaml(origin(content))


def test_without_pyyaml_the_command_that_installs_it_is_named(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "yaml", None)
    with pytest.raises(RuntimeMissingError, match=r"pip install 'sartor\[exchange\]'"):
        imported(OFA_ROWS)
