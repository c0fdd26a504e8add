"""The published schema describes what is really written."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings

from sartor.tables import LatencyTable, Network
from sartor.tables.estimate import Estimate, Transfer
from sartor.tables.formats import to_json_lines
from sartor.tables.formats.json_lines import FORMAT, VERSION
from sartor.tables.health import BatchHealth
from sartor.tables.quotation import Quotation

from .children import PROVENANCE, operator, window
from .strategies import tables

jsonschema = pytest.importorskip("jsonschema", reason="pip install 'sartor[dev]'")

SCHEMA = json.loads((Path(__file__).parents[2] / "docs" / "latency-table.schema.json").read_text())
VALIDATOR = jsonschema.Draft202012Validator(SCHEMA)
WHOLE = Network("whole", (operator(1), operator(2)))
TABLE = LatencyTable.from_windows(
    "mine",
    PROVENANCE,
    {operator(1): [window(0)]},
    {operator(3): "out of memory"},
    {operator(2): Quotation(1.5, 0.1, 9), WHOLE: Quotation(2.5)},
    (BatchHealth(0, 1.5, "2026", ("it was hot",), load=0.5, throttles=2),),
    Transfer(("theirs",), -0.1, 0.05, {operator(4): Estimate(0.5)}),
)

Line = dict[str, Any]


def lines(table: LatencyTable) -> list[Line]:
    return list(map(json.loads, to_json_lines(table).decode().removesuffix("\n").split("\n")))


def test_the_schema_is_one_and_of_this_version() -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    manifest = SCHEMA["$defs"]["manifest"]["properties"]
    assert manifest["format"]["const"] == FORMAT
    assert manifest["version"]["const"] == VERSION
    assert SCHEMA["$id"].endswith(f":{VERSION}")


@given(tables())
@settings(max_examples=30)
def test_every_line_of_every_export_obeys(table: LatencyTable) -> None:
    for line in lines(table):
        VALIDATOR.validate(line)


def without(name: str) -> Callable[[Line], None]:
    return lambda line: line.pop(name)


def with_(name: str, value: object) -> Callable[[Line], None]:
    return lambda line: line.update({name: value})


@pytest.mark.parametrize(
    ("index", "harm"),
    [
        (0, without("provenance")),
        (0, with_("version", 1)),
        (0, with_("subjects", -1)),
        (0, with_("comment", "none")),
        (0, lambda line: line["provenance"].pop("device")),
        (0, lambda line: line["provenance"].update(condition="litert")),
        (0, lambda line: line["provenance"]["facts"].update(cores=2)),
        (1, without("windows")),
        (1, without("operator")),
        (1, with_("operator", "dense")),
        (1, with_("operator", "dense/8x0x1/out=1/none/float32")),
        (1, with_("quotation", {"latency_ms": 1})),
        (1, lambda line: line["windows"][0].pop("reference_us")),
        (1, lambda line: line["windows"][0].update(samples_us=[])),
        (1, lambda line: line["windows"][0]["samples_us"].append(0)),
        (2, without("quotation")),
        (2, with_("quotation", {"latency_ms": 0})),
        (2, with_("quotation", {"latency_ms": 1, "count": 0})),
        (2, with_("quotation", {"latency_ms": 1, "deviation_ms": -1})),
        (2, with_("quotation", {"deviation_ms": 1})),
        (0, lambda line: line["transfer"].pop("known")),
        (0, lambda line: line["transfer"].update(deviation=-1)),
        (4, without("estimate")),
        (4, with_("estimate", {"latency_ms": 0})),
        (5, without("operators")),
        (5, with_("operators", [1])),
    ],
)
def test_what_no_sartor_writes_is_refused(index: int, harm: Callable[[Line], None]) -> None:
    line = lines(TABLE)[index]
    assert VALIDATOR.is_valid(line)
    harm(line)
    assert not VALIDATOR.is_valid(line)
