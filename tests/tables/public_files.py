"""Small public tables, made up in the formats of the real ones: nothing here was ever measured."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from sartor.tables.formats.hat_csv import COLUMNS
from sartor.tables.formats.origin import Origin

Values = Mapping[str, float | str]

OFA_ROWS: Mapping[str, Values] = {
    "Conv-input:160x160x3-output:80x80x24": {"mean": 0.4955622, "std": 0.0102, "count": 498},
    "Logits-input:1x1x1536-output:1000": {"mean": 0.6564408, "std": 0.0772, "count": 499},
    "expanded_conv-input:80x80x24-output:40x40x32-expand:72-kernel:3-stride:2-idskip:0-se:0-hs:0": {
        "mean": 1.2345678,
        "std": 0.0234,
        "count": 471,
    },
}

PROXYLESS_ROWS: Mapping[str, Values] = {
    "Conv-input:224x224x3-output:112x112x32": {"mean": 4.0837556, "var": 0.25, "count": 982},
    "expanded_conv-input:56x56x24-output:28x28x40-expand:3-kernel:5-stride:2-idskip:0": {
        "mean": 3.1234567,
        "var": 0.04,
        "count": 160,
    },
}

NSGANET_ROWS: Mapping[str, Values] = {
    "first_conv-input:96x96x3-output:48x48x16": {"mean": 0.08915901, "var": 7.4e-08},
    "MBConv-input:48x48x16-output:48x48x16-expand:1-kernel:3-stride:1-idskip:1-se:0": {
        "mean": 0.12345678,
        "var": 2e-06,
    },
}

HAT_LINE: Mapping[str, float | str] = {
    "encoder_embed_dim": 512,
    "encoder_layer_num": 6,
    "encoder_ffn_embed_dim_avg": 5632 / 3,
    "encoder_self_attention_heads_avg": 6.0,
    "decoder_embed_dim": 640,
    "decoder_layer_num": 3,
    "decoder_ffn_embed_dim_avg": 5120 / 3,
    "decoder_self_attention_heads_avg": 6.0,
    "decoder_ende_attention_heads_avg": 8 / 3,
    "decoder_arbitrary_ende_attn_avg": 4 / 3,
    "latency_mean_encoder": 5.8006539,
    "latency_mean_decoder": 246.4070186,
    "latency_std_encoder": 0.0541808,
    "latency_std_decoder": 10.6292538,
}


def yaml_of(rows: Mapping[str, Values]) -> bytes:
    """Write rows as the public tables have them."""
    lines = []
    for key, values in rows.items():
        lines += [f"{key}:", *(f"  {name}: {value}" for name, value in values.items())]
    return "\n".join([*lines, ""]).encode()


def csv_of(*lines: Mapping[str, float | str], columns: Iterable[str] = COLUMNS) -> bytes:
    """Write lines as HAT's tables have them."""
    names = list(columns)
    rows = [",".join(names), *(",".join(str(line[name]) for name in names) for line in lines)]
    return "\n".join([*rows, ""]).encode()


def origin(content: bytes, **more: str) -> Origin:
    """Where such a file comes from."""
    return Origin(
        name="public",
        file="public.yaml",
        content=content,
        imported_at="2026-01-01T00:00:00+00:00",
        sartor_version="0.1.0",
        **more,
    )
