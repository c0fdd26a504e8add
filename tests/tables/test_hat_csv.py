from __future__ import annotations

import hypothesis.strategies as st
import pytest
from hypothesis import given

from sartor.tables.errors import FormatError
from sartor.tables.formats.hat_csv import COLUMNS, read_hat_csv
from sartor.tables.quotation import Quotation

from .public_files import HAT_LINE, csv_of, origin


def test_a_line_becomes_an_encoder_and_a_decoder() -> None:
    found = read_hat_csv(origin(csv_of(HAT_LINE)))
    assert (found.format, found.findings) == ("hat", ())
    assert {whole.network.name: whole.measurement for whole in found.table.networks} == {
        "2:encoder/embed=512,layers=6,ffn=11264,heads=36": Quotation(5.8006539, 0.0541808),
        "2:decoder/encoder_embed=512,embed=640,layers=3,ffn=5120,heads=18,"
        "cross_heads=8,attended=4": Quotation(246.4070186, 10.6292538),
    }
    assert all(whole.network.operators == () for whole in found.table.networks)
    assert found.table.calibration.networks == 0


def test_lines_of_equal_features_are_all_kept() -> None:
    other = {**HAT_LINE, "latency_mean_encoder": 5.9}
    found = read_hat_csv(origin(csv_of(HAT_LINE, other)))
    assert len(found.table.networks) == 4


@given(
    st.integers(1, 6),
    st.lists(st.sampled_from([1024, 2048, 3072]), min_size=6, max_size=6),
    st.lists(st.sampled_from([4, 8]), min_size=6, max_size=6),
)
def test_averages_become_the_totals_that_they_were(
    layers: int, widths: list[int], heads: list[int]
) -> None:
    line = {
        **HAT_LINE,
        "encoder_layer_num": layers,
        "encoder_ffn_embed_dim_avg": sum(widths[:layers]) / layers,
        "encoder_self_attention_heads_avg": sum(heads[:layers]) / layers,
    }
    encoder, _ = read_hat_csv(origin(csv_of(line))).table.networks
    total = f"layers={layers},ffn={sum(widths[:layers])},heads={sum(heads[:layers])}"
    assert encoder.network.name == f"2:encoder/embed=512,{total}"


@pytest.mark.parametrize(
    ("column", "value", "complaint"),
    [
        ("latency_mean_encoder", "", "latency_mean_encoder is '', which is no number"),
        ("latency_mean_encoder", 0, "0.0 ms is no latency"),
        ("latency_std_decoder", -1, "-1.0 ms is no standard deviation"),
        ("latency_mean_decoder", "inf", "latency_mean_decoder is inf"),
        ("encoder_embed_dim", "nan", "encoder_embed_dim is nan"),
        ("encoder_embed_dim", -512, "encoder_embed_dim is -512, which 6 layers cannot have"),
        ("encoder_self_attention_heads_avg", 6.01, "is 6.01, which 6 layers cannot have"),
    ],
)
def test_a_line_that_makes_no_sense_is_found(
    column: str, value: float | str, complaint: str
) -> None:
    found = read_hat_csv(origin(csv_of(HAT_LINE, {**HAT_LINE, column: value}, HAT_LINE)))
    (finding,) = found.findings
    assert (finding.severity, finding.check) == ("error", "values")
    assert "1 row of no sense: line 3 (" in finding.message
    assert complaint in finding.message
    assert len(found.table.networks) == 4


def test_a_line_that_is_cut_short_is_found() -> None:
    content = csv_of(HAT_LINE) + b"512,6\n"
    (finding,) = read_hat_csv(origin(content)).findings
    assert "line 3 (" in finding.message
    assert "is None, which is no number" in finding.message


@pytest.mark.parametrize("missing", COLUMNS)
def test_a_missing_column_is_named(missing: str) -> None:
    columns = [name for name in COLUMNS if name != missing]
    with pytest.raises(FormatError, match=f"lines with the columns {missing}"):
        read_hat_csv(origin(csv_of(HAT_LINE, columns=columns)))


@pytest.mark.parametrize(
    "content", [b"", b"nonsense\n1\n", b"\xff\xfe", b'a,"b\n', b"\x00,\x00\n1,2\n", csv_of()]
)
def test_what_is_no_table_of_hats_says_so(content: bytes) -> None:
    with pytest.raises(FormatError, match=r"this is no CSV|a table of HAT's has lines with"):
        read_hat_csv(origin(content))
