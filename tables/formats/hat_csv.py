"""HAT's tables: whole encoders and decoders of Transformers, in CSV.

A line is a Transformer that was drawn at random, by features that HAT learns latency from: width of
the embedding and number of layers, and over the layers the *average* width of the feed-forward part
and the average numbers of heads. Which layer has which is not told, so no operator can be rebuilt
from a line, and lines with equal features differ in latency. Hence each line becomes two whole
networks, one encoder and one decoder, whose operators are not known: every number is kept, and none
is made up. Averages become totals, which are whole numbers; one that is not is a damaged line.

Source: Wang et al., HAT: Hardware-Aware Transformers, ACL 2020, section 3.2 and its published code.
"""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Mapping

from ..errors import FormatError
from ..quotation import Quotation
from ..subject import Network, Subject
from ..table import LatencyTable
from .finding import Finding, Imported, tried
from .origin import Origin

NAME = "hat"

_WHOLE = 1e-6
"""How far an average times the number of layers may be from a whole number."""

_ENCODER = {
    "embed": "encoder_embed_dim",
    "layers": "encoder_layer_num",
    "ffn": "encoder_ffn_embed_dim_avg",
    "heads": "encoder_self_attention_heads_avg",
}
_DECODER = {
    "encoder_embed": "encoder_embed_dim",
    "embed": "decoder_embed_dim",
    "layers": "decoder_layer_num",
    "ffn": "decoder_ffn_embed_dim_avg",
    "heads": "decoder_self_attention_heads_avg",
    "cross_heads": "decoder_ende_attention_heads_avg",
    "attended": "decoder_arbitrary_ende_attn_avg",
}
_PARTS = {"encoder": _ENCODER, "decoder": _DECODER}
COLUMNS = tuple(
    dict.fromkeys(
        (
            *_ENCODER.values(),
            *_DECODER.values(),
            *(f"latency_{what}_{part}" for what in ("mean", "std") for part in _PARTS),
        )
    )
)
"""That every table of HAT's has."""


def read_hat_csv(origin: Origin) -> Imported:
    """Read a table of HAT's as whole networks, named ``LINE:PART/FEATURES``.

    Lines that make no sense are left out, and found.

    Raises:
        FormatError: it is no such table at all.
    """
    lines = _lines(origin.content)
    quotations: dict[Subject, Quotation] = {}
    wrong: dict[str, str] = {}
    for number, line in enumerate(lines, start=2):
        read = tried(_wholes, number, line)
        if isinstance(read, dict):
            quotations |= read
        else:
            wrong[f"line {number}"] = str(read)
    findings = Finding.about("error", "values", wrong, "{n} of no sense")
    table = LatencyTable.from_windows(origin.name, origin.provenance(NAME), {}, {}, quotations)
    return Imported(NAME, table, tuple(findings))


def _lines(content: bytes) -> list[dict[str, str]]:
    try:
        lines = list(csv.DictReader(io.StringIO(content.decode("utf-8-sig")), strict=True))
    except (UnicodeDecodeError, csv.Error) as error:
        raise FormatError(f"this is no CSV ({error}); fetch the file again") from error
    names = lines[0].keys() if lines else ()
    if missing := [name for name in COLUMNS if name not in names]:
        raise FormatError(f"a table of HAT's has lines with the columns {', '.join(missing)}")
    return lines


def _wholes(number: int, line: Mapping[str, str]) -> dict[Subject, Quotation]:
    return {_network(number, part, line): _quotation(part, line) for part in _PARTS}


def _network(number: int, part: str, line: Mapping[str, str]) -> Network:
    columns = _PARTS[part]
    layers = _number(line, columns["layers"])
    features = []
    for feature, column in columns.items():
        value = _number(line, column)
        total = value * layers if column.endswith("_avg") else value
        if total < 0 or abs(total - round(total)) > _WHOLE * max(1, total):
            raise FormatError(f"{column} is {value:g}, which {layers:g} layers cannot have")
        features.append(f"{feature}={round(total)}")
    return Network(f"{number}:{part}/{','.join(features)}", ())


def _quotation(part: str, line: Mapping[str, str]) -> Quotation:
    mean, deviation = (_number(line, f"latency_{what}_{part}") for what in ("mean", "std"))
    return Quotation(mean, deviation)


def _number(line: Mapping[str, str], column: str) -> float:
    try:
        number = float(line[column])
    except (ValueError, TypeError) as error:
        raise FormatError(f"{column} is {line[column]!r}, which is no number") from error
    if not math.isfinite(number):
        raise FormatError(f"{column} is {number}, which was never measured")
    return number
