"""Every check of a public table, with a table that trips it and one that does not."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from sartor.tables import Network, Operator
from sartor.tables.errors import FormatError
from sartor.tables.formats import checks
from sartor.tables.formats.checks import Other
from sartor.tables.formats.finding import Finding, Imported
from sartor.tables.formats.lookup_keys import ONCE_FOR_ALL
from sartor.tables.formats.lookup_yaml import read_lookup_yaml
from sartor.tables.formats.public import (
    CSV,
    JSON_LINES,
    YAML,
    Expected,
    read_public,
    recognise_content,
    review,
)
from sartor.tables.quotation import Quotation

from .public_files import HAT_LINE, OFA_ROWS, Values, csv_of, origin, yaml_of

pytest.importorskip("yaml", reason="pip install 'sartor[exchange]'")

CONV, LOGITS, BLOCK = OFA_ROWS
STEM, HEAD, BODY = map(ONCE_FOR_ALL.parse, OFA_ROWS)
OTHER = BLOCK.replace("expand:72", "expand:96")


def reviewed(
    changes: Mapping[str, Values] | None = None,
    expected: Expected | None = None,
    others: tuple[Other, ...] = (),
) -> tuple[Finding, ...]:
    content = yaml_of({**OFA_ROWS, **(changes or {})})
    found = read_lookup_yaml(origin(content, device="note10"))
    return review(found, expected or Expected(), others).findings


def only(findings: tuple[Finding, ...]) -> tuple[str, str, tuple[str, ...]]:
    (finding,) = findings
    return finding.severity, finding.check, finding.keys


def test_a_sound_table_has_no_findings() -> None:
    networks = (Network("whole", (STEM, BODY, HEAD)),)
    assert reviewed(expected=Expected(frozenset({STEM, BODY}), networks)) == ()


def test_a_table_of_which_nothing_could_be_read_is_an_error() -> None:
    found = read_lookup_yaml(origin(yaml_of({BLOCK: {"std": 1}})))
    severities = [
        (finding.severity, finding.check) for finding in review(found, Expected(), []).findings
    ]
    assert severities == [("error", "values"), ("error", "rows")]


def test_rows_copied_within_a_table_are_found() -> None:
    assert only(reviewed({OTHER: OFA_ROWS[BLOCK]})) == ("warning", "repeats", (BLOCK, OTHER))


@pytest.mark.parametrize(
    "values",
    [
        {**OFA_ROWS[BLOCK], "std": 0.0235},  # the clock may well show one mean twice
        {"mean": 1.25, "std": 0.02},  # rounded
    ],
)
def test_coincidences_are_no_copies(values: Values) -> None:
    assert reviewed({OTHER: values, CONV: {"mean": 1.25, "std": 0.02}}) == ()


def other(device: str, quotations: Mapping[Operator, Quotation]) -> Other:
    return Other("theirs", device, dict(quotations.items()))


def test_rows_of_another_device_are_contamination() -> None:
    """A published table had 6 of its 96 rows from another device's, to the last bit."""
    theirs = {HEAD: Quotation(1.2345678, 0.0234, 471), STEM: Quotation(7.0)}
    (finding,) = reviewed(others=(other("pixel1", theirs),))
    assert (finding.severity, finding.check, finding.keys) == ("warning", "contamination", (BLOCK,))
    assert (
        "1 row of 3 bit-identical to rows of table 'theirs' of device 'pixel1'" in finding.message
    )


def test_rows_of_the_same_device_are_told() -> None:
    theirs = {BODY: Quotation(1.2345678)}  # where somebody left out the deviations
    assert only(reviewed(others=(other("note10", theirs),))) == ("note", "contamination", (BLOCK,))


@pytest.mark.parametrize(
    "row", [Quotation(1.2345678, 0.03, 471), Quotation(1.2345679, 0.0234, 471)]
)
def test_nearly_the_same_is_no_contamination(row: Quotation) -> None:
    assert reviewed(others=(other("pixel1", {BODY: row}),)) == ()
    rounded = {BLOCK: {"mean": 1.5, "std": 0.1}}
    assert reviewed(rounded, others=(other("pixel1", {BODY: Quotation(1.5, 0.1)}),)) == ()


@pytest.mark.parametrize(
    ("std", "severity"), [(0.0, "warning"), (0.5, "note"), (0.99, "note"), (1.5, "warning")]
)
def test_absurd_deviations_are_found(std: float, severity: str) -> None:
    changed = {CONV: {"mean": 1.0, "std": std, "count": 9}}
    assert only(reviewed(changed)) == (severity, "deviations", (CONV,))


@pytest.mark.parametrize("values", [{"mean": 1, "std": 0.25}, {"mean": 1, "std": 0, "count": 1}])
def test_plausible_deviations_are_not(values: Values) -> None:
    assert reviewed({CONV: values}) == ()


def test_missing_rows_are_named_in_the_words_of_the_file() -> None:
    needed = frozenset({STEM, BODY, ONCE_FOR_ALL.parse(OTHER)})
    (finding,) = reviewed(expected=Expected(needed))
    assert (finding.severity, finding.check, finding.keys) == ("warning", "missing", (OTHER,))
    assert finding.message == f"1 row that the search space needs not there: {OTHER}"


@pytest.mark.parametrize(("factor", "complaint"), [(1e-3, "0.00239 ms"), (1e4, "2.39e+04 ms")])
def test_other_units_than_milliseconds_are_found(factor: float, complaint: str) -> None:
    """Two seconds of a table in microseconds, or two milliseconds of one in seconds."""
    changed = {key: {"mean": factor * float(row["mean"])} for key, row in OFA_ROWS.items()}
    whole = Network("the whole network", (STEM, BODY, HEAD))
    (finding,) = reviewed(changed, Expected(networks=(whole,)))
    assert (finding.severity, finding.check) == ("warning", "units")
    assert f"hardly ms: the whole network ({complaint})" in finding.message
    assert reviewed(expected=Expected(networks=(whole,))) == ()


def test_a_network_with_a_missing_row_does_not_tell_the_units() -> None:
    missing = Operator("dense", ((8, 1, 1),), (("out", 1),))
    assert reviewed(expected=Expected(networks=(Network("n", (missing,)), Network("m", ())))) == ()


@pytest.mark.parametrize(
    ("latency_ms", "severities"), [(0.005, ["warning"]), (12_000.0, []), (500_000.0, ["warning"])]
)
def test_whole_networks_tell_the_units_themselves(latency_ms: float, severities: list[str]) -> None:
    line = {**HAT_LINE, "latency_mean_encoder": latency_ms, "latency_std_encoder": latency_ms / 9}
    found = review(read_public(origin(csv_of(line)), CSV), Expected(), [])
    assert [finding.severity for finding in found.findings] == severities


def test_lines_copied_within_a_table_of_hats_are_found() -> None:
    found = review(read_public(origin(csv_of(HAT_LINE, HAT_LINE)), CSV), Expected(), [])
    (finding,) = found.findings
    assert (finding.check, len(finding.keys)) == ("repeats", 4)


def test_findings_of_the_search_space_are_kept() -> None:
    said = Finding("note", "missing", "nothing is expected")
    assert reviewed(expected=Expected(findings=(said,))) == (said,)


def test_a_long_list_is_cut_and_kept() -> None:
    (finding,) = Finding.about("note", "keys", list("abcde"), "{n} odd")
    assert finding.message == "5 rows odd: a; b; c; …"
    assert finding.keys == tuple("abcde")
    assert Finding.about("note", "keys", [], "{n} odd") == []


@pytest.mark.parametrize(
    ("content", "file", "expected"),
    [
        (b'{"format": "sartor-latency-table"', "table", JSON_LINES),
        (b"nonsense", "table.jsonl", JSON_LINES),
        (csv_of(HAT_LINE), "table.txt", CSV),
        (b"a,b\n", "table.CSV", CSV),
        (yaml_of(OFA_ROWS), "table.txt", YAML),
        (yaml_of(OFA_ROWS), "table.yaml", YAML),
        (b"", "table", YAML),
    ],
)
def test_a_file_is_recognised_by_what_stands_in_it(
    content: bytes, file: str, expected: str
) -> None:
    assert recognise_content(content, Path(file)) == expected


@pytest.mark.parametrize("content", [b"PAR1\x15\x04", b"subject,kind,shape,attributes\r\n"])
def test_what_was_exported_for_other_programs_is_not_imported(content: bytes) -> None:
    with pytest.raises(FormatError, match=r"table.bin was exported .*without samples; .*\.jsonl"):
        recognise_content(content, Path("table.bin"))


def test_errors_of_a_reader_name_the_file() -> None:
    with pytest.raises(FormatError, match=r"public\.yaml: a lookup table in YAML is a mapping"):
        read_public(origin(b"[]"), YAML)


def test_a_review_keeps_what_was_found_before(monkeypatch: pytest.MonkeyPatch) -> None:
    before = Finding("note", "values", "said before")
    found: Imported = read_lookup_yaml(origin(yaml_of(OFA_ROWS)))
    again = review(replace(found, findings=(before,)), Expected(), [])
    assert again.findings == (before,)
    assert checks.check_emptiness(found.table.quotations) == []
