from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path

import pytest

from sartor.specializer.cost import reachable_operators
from sartor.specializer.published import expected_rows
from sartor.specializer.supernets.mobilenet_v3 import MobileNetV3
from sartor.tables import Operator
from sartor.tables.formats.finding import Finding, Imported
from sartor.tables.formats.hat_csv import read_hat_csv
from sartor.tables.formats.lookup_keys import (
    NSGANET_V2,
    ONCE_FOR_ALL,
    PROXYLESS_NAS,
    KeyFormat,
)
from sartor.tables.formats.lookup_yaml import read_lookup_yaml
from sartor.tables.formats.public import CSV, YAML, Expected, read_public, review
from sartor.tables.kinds import parts

from ..tables.public_files import HAT_LINE, csv_of, origin, yaml_of

pytest.importorskip("yaml", reason="pip install 'sartor[exchange]'")

OFA_STEM = "Conv-input:160x160x3-output:80x80x24"
PROXYLESS_STEM = "Conv-input:224x224x3-output:112x112x32"


def table_of(form: KeyFormat, operators: Iterable[Operator]) -> Imported:
    """A table of these rows, and one more block in case there is none among them."""
    size = "14x14x80-output:14x14x80"
    expand = 480 if form is ONCE_FOR_ALL else 6
    flags = "".join(f"-{flag}:0" for flag in form.flags)
    block = f"{form.block}-input:{size}-expand:{expand}-kernel:3-stride:1-idskip:0{flags}"
    rows = {key: {"mean": 1.0} for key in (block, *map(form.write, operators))}
    return read_lookup_yaml(origin(yaml_of(rows)))


def with_stem(form: KeyFormat, *keys: str) -> Expected:
    return expected_rows(table_of(form, map(form.parse, keys)))


@pytest.mark.parametrize(("out", "width"), [(16, 1.0), (24, 1.2)])
def test_a_once_for_all_table_needs_what_its_supernet_reaches(out: int, width: float) -> None:
    expected = with_stem(ONCE_FOR_ALL, f"Conv-input:160x160x3-output:80x80x{out}")
    reachable = reachable_operators(MobileNetV3(width, resolutions=(160,)))
    assert {part for row in expected.needed for part in parts(row)} == set(reachable)
    smallest, largest = expected.networks
    assert len(smallest.operators) < len(largest.operators)
    assert set(largest.operators) <= expected.needed
    assert (len(expected.needed), expected.findings) == (96, ())


def test_a_table_of_nsganetv2_needs_every_width_and_resolution_that_it_has() -> None:
    keys = [
        f"first_conv-input:{size}x{size}x3-output:{size // 2}x{size // 2}x" for size in (96, 128)
    ]
    expected = with_stem(NSGANET_V2, f"{keys[0]}16", f"{keys[0]}24", f"{keys[1]}16")
    one = with_stem(NSGANET_V2, f"{keys[0]}16")
    assert one.needed < expected.needed
    assert len(expected.networks) == 6
    assert not any(row.kind == "global_average_pool" for row in expected.needed)


def test_a_table_of_proxylessnas_needs_six_choices_in_every_place() -> None:
    expected = with_stem(PROXYLESS_NAS, PROXYLESS_STEM)
    kinds = Counter(row.kind for row in expected.needed)
    assert kinds == {"mbconv": 11 * 6 + 1, "conv2d": 2, "pooled_dense": 1}
    smallest, largest = expected.networks
    assert len(smallest.operators) == len(largest.operators) == 1 + 1 + 5 * 4 + 1 + 2


@pytest.mark.parametrize(
    ("form", "stem"), [(ONCE_FOR_ALL, OFA_STEM), (PROXYLESS_NAS, PROXYLESS_STEM)]
)
def test_a_missing_row_is_found(form: KeyFormat, stem: str) -> None:
    needed = with_stem(form, stem).needed
    left_out = max(needed, key=str)
    found = table_of(form, needed - {left_out})
    (missing,) = review(found, expected_rows(found), []).findings
    assert (missing.check, missing.keys) == ("missing", (form.write(left_out),))
    whole = table_of(form, needed)
    assert review(whole, expected_rows(whole), []).findings == ()


def test_without_a_first_convolution_nobody_knows_what_is_missing() -> None:
    expected = with_stem(ONCE_FOR_ALL)
    assert expected.needed == frozenset()
    (finding,) = expected.findings
    assert (finding.severity, finding.check) == ("warning", "missing")


def test_a_width_that_was_never_published_is_told() -> None:
    stem = "Conv-input:160x160x3-output:80x80x40"
    expected = with_stem(ONCE_FOR_ALL, stem)
    why = "1 row of networks whose search space is not known"
    assert expected.findings == (Finding("note", "missing", f"{why}: {stem}", (stem,)),)


def test_nothing_is_expected_of_hats_random_networks() -> None:
    assert expected_rows(read_hat_csv(origin(csv_of(HAT_LINE)))) == Expected()


PUBLIC: Mapping[str, tuple[str, int]] = {
    "ofa/note10/160_lookup_table.yaml": (YAML, 96),
    "ofa/note10/192_lookup_table.yaml": (YAML, 96),
    "ofa/note10/224_lookup_table.yaml": (YAML, 96),
    "ofa/mobile_trim.yaml": (YAML, 72),
    "latency/i7/i7-8700K_lut.yaml": (YAML, 4050),
    "latency/hat/wmt14ende_cpu_raspberrypi_all.csv": (CSV, 4000),
    "latency/hat/wmt14ende_gpu_titanxp_all.csv": (CSV, 4000),
}


@pytest.mark.data
@pytest.mark.parametrize("file", PUBLIC)
def test_the_real_tables_are_complete_and_pass_their_checks(file: str, data_folder: Path) -> None:
    written_as, rows = PUBLIC[file]
    found = read_public(origin((data_folder / file).read_bytes()), written_as)
    assert len(found.table.by_subject) == rows
    checked = review(found, expected_rows(found), [])
    assert [finding for finding in checked.findings if finding.severity != "note"] == []
