"""Graphs as torch runs them on a device: weights, and a description of what to call.

The file is NumPy's ``.npz`` without pickled objects: every weight under its name, and under
``graph`` a JSON text as bytes. No name of a weight collides with that, for they all have a dot. The
agent's ``torch_model.py`` reads it.
"""

from __future__ import annotations

import io
import json

import numpy as np

from ...tables.graph import Graph, Node
from ...tables.kinds import refuse_blocks
from .weights import random_weights

WRITER_VERSION = 1
"""Part of a latency table's identity: raised with every change that can change a latency."""


def torch_bytes(graph: Graph, batch: int = 1) -> bytes:
    """Write a graph for torch; a graph without weights gets random ones.

    Inputs and outputs are (batch, channels, height, width) or (batch, channels). The same graph
    gives the same bytes.

    Raises:
        GraphError: there is a block in the graph; only what it is made of can be written.
    """
    refuse_blocks(graph.operators, "the writer of torch graphs")
    weights = graph.weights or random_weights(graph, seed=0)
    description = {
        "version": WRITER_VERSION,
        "inputs": [{"name": name, "shape": [batch, *shape]} for name, shape in graph.inputs],
        "nodes": list(map(_described, graph.nodes)),
        "output": graph.output,
    }
    arrays = {name: np.ascontiguousarray(weights[name], np.float32) for name in sorted(weights)}
    arrays["graph"] = np.frombuffer(json.dumps(description).encode(), np.uint8)
    content = io.BytesIO()
    np.savez(content, allow_pickle=False, **arrays)
    return content.getvalue()


def _described(node: Node) -> dict[str, object]:
    return {
        "name": node.name,
        "kind": node.operator.kind,
        "inputs": list(node.inputs),
        "attributes": dict(node.operator.attributes),
        "activation": node.operator.activation,
    }
