"""Floor 1: operators, graphs of them, measurements and latency tables; knows no device.

Names are loaded at first use: catching a SartorError costs no import of numpy or SQLAlchemy.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .atomic import write_atomically
    from .blocks import composed
    from .calibration import Calibration, Prediction, calibrate
    from .difference import Difference
    from .dtypes import common_dtype, graph_with_dtype, with_dtype
    from .errors import SartorError
    from .estimate import Estimate, Transfer
    from .estimator import Estimator
    from .expansion import expanded
    from .formats.json_lines import read_json_lines, write_json_lines
    from .graph import Graph, GraphBuilder, Node, Weights, single_operator_graph
    from .kinds import KINDS, Kind, kind_of, multiply_adds, output_shape, parts
    from .measurement import Measurement, Window
    from .operator import Operator, Shape
    from .provenance import Condition, Provenance
    from .quotation import Quotation
    from .row import Row
    from .store import Store
    from .subject import Call, Frame, Framed, Network, Subject
    from .table import LatencyTable, NetworkMeasurement, TableSummary

_HOMES = {
    "Calibration": "calibration",
    "Call": "subject",
    "Condition": "provenance",
    "Difference": "difference",
    "Estimate": "estimate",
    "Estimator": "estimator",
    "Frame": "subject",
    "Framed": "subject",
    "Graph": "graph",
    "GraphBuilder": "graph",
    "KINDS": "kinds",
    "Kind": "kinds",
    "LatencyTable": "table",
    "Measurement": "measurement",
    "Network": "subject",
    "NetworkMeasurement": "table",
    "Node": "graph",
    "Operator": "operator",
    "Prediction": "calibration",
    "Provenance": "provenance",
    "Quotation": "quotation",
    "Row": "row",
    "SartorError": "errors",
    "Shape": "operator",
    "Store": "store",
    "Subject": "subject",
    "TableSummary": "table",
    "Transfer": "estimate",
    "Weights": "graph",
    "Window": "measurement",
    "calibrate": "calibration",
    "common_dtype": "dtypes",
    "composed": "blocks",
    "expanded": "expansion",
    "graph_with_dtype": "dtypes",
    "kind_of": "kinds",
    "multiply_adds": "kinds",
    "output_shape": "kinds",
    "parts": "kinds",
    "read_json_lines": "formats",
    "single_operator_graph": "graph",
    "with_dtype": "dtypes",
    "write_atomically": "atomic",
    "write_json_lines": "formats",
}

__all__ = [
    "KINDS",
    "Calibration",
    "Call",
    "Condition",
    "Difference",
    "Estimate",
    "Estimator",
    "Frame",
    "Framed",
    "Graph",
    "GraphBuilder",
    "Kind",
    "LatencyTable",
    "Measurement",
    "Network",
    "NetworkMeasurement",
    "Node",
    "Operator",
    "Prediction",
    "Provenance",
    "Quotation",
    "Row",
    "SartorError",
    "Shape",
    "Store",
    "Subject",
    "TableSummary",
    "Transfer",
    "Weights",
    "Window",
    "calibrate",
    "common_dtype",
    "composed",
    "expanded",
    "graph_with_dtype",
    "kind_of",
    "multiply_adds",
    "output_shape",
    "parts",
    "read_json_lines",
    "single_operator_graph",
    "with_dtype",
    "write_atomically",
    "write_json_lines",
]


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f".{_HOMES[name]}", __name__), name)
