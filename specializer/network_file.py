"""Networks in files: a graph as text, and its weights, BatchNorm not yet folded.

A ``.safetensors`` file whose header carries the graph, so whoever reads it needs neither the
supernet that the network was taken from nor its code.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor

from ..tables.errors import FormatError
from ..tables.graph import Graph, Node
from ..tables.kinds import refuse_blocks
from ..tables.operator import Operator, Shape
from .network import Network
from .supernets.mbconv import NORM

METADATA_KEY = "network"
FORMAT = 1
_MALFORMED = TypeError, ValueError, AttributeError, LookupError, OverflowError, RecursionError


def network_bytes(network: Network) -> bytes:
    """Write a network as the content of a file."""
    from safetensors.torch import save

    graph = network.graph
    document = {
        "format": FORMAT,
        "name": graph.name,
        "eps": network.eps,
        "inputs": graph.inputs,
        "nodes": [(node.name, str(node.operator), node.inputs) for node in graph.nodes],
    }
    weights = {name: value.contiguous() for name, value in network.weights.items()}
    return save(weights, {METADATA_KEY: json.dumps(document)})


def parse_network(content: bytes) -> Network:
    """Read what ``network_bytes`` wrote.

    Raises:
        FormatError: it is anything else, or of a newer Sartor; weights do not fit the graph, or
            are no finite numbers.
    """
    weights = parse_weights(content)
    try:
        header = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])
        document = json.loads(header["__metadata__"][METADATA_KEY])
        if int(document["format"]) > FORMAT:
            raise FormatError("a newer Sartor wrote the network; update Sartor")
        graph, eps = _graph(document), float(document["eps"])
    except FormatError:
        raise
    except _MALFORMED as error:
        raise FormatError(f"it says of no network what it computes ({error!r})") from error
    return checked_network(graph, weights, eps)


def parse_weights(content: bytes) -> dict[str, Tensor]:
    """Read the tensors of a ``.safetensors`` file; FormatError when it is none."""
    from safetensors import SafetensorError
    from safetensors.torch import load

    try:
        return load(content)
    except (SafetensorError, KeyError, ValueError, RuntimeError) as error:
        raise FormatError(f"it is damaged or cut short ({error})") from error


def has_graph(content: bytes) -> bool:
    """Whether a file tells what its network computes; an older Sartor's does not."""
    try:
        header = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])
    except (ValueError, RecursionError):
        return False
    said = header.get("__metadata__") if isinstance(header, dict) else None
    return isinstance(said, dict) and METADATA_KEY in said


def checked_network(graph: Graph, weights: Mapping[str, Tensor], eps: float) -> Network:
    """Put a network together from untrusted weights.

    Raises:
        FormatError: a weight is missing, left over, of another shape, no float or not finite.
    """
    if not (math.isfinite(eps) and eps >= 0):
        raise FormatError(f"BatchNorm cannot add {eps} to a variance")
    wanted, left = _wanted(graph, weights), dict(weights)
    for name, shape in wanted.items():
        if (value := left.pop(name, None)) is None:
            raise FormatError(f"the weight {name} is missing")
        if tuple(value.shape) != shape:
            raise FormatError(f"{name} is {tuple(value.shape)} where the graph has {shape}")
        if value.dtype != torch.float32:
            raise FormatError(f"{name} holds {value.dtype}; want torch.float32")
    if left:
        raise FormatError(f"{min(left)} is no weight of the network")
    network = Network(graph, dict(weights), eps)
    if not all(np.isfinite(value).all() for value in network.deployed().weights.values()):
        raise FormatError("it holds weights that are no finite numbers")
    return network


def _wanted(graph: Graph, weights: Mapping[str, Tensor]) -> dict[str, Shape]:
    """List the weights that a network has: biases, or BatchNorms, or neither."""
    wanted: dict[str, Shape] = {}
    for name, shape in graph.weight_shapes.items():
        node, _, weight = name.rpartition(".")
        if weight != "bias" or name in weights:
            wanted[name] = shape
        elif f"{node}.norm.weight" in weights:
            wanted |= {f"{node}.norm.{part}": shape for part in NORM}
        elif f"{node}.weight" not in weights or weights[f"{node}.weight"].dim() != 4:
            wanted[name] = shape  # only a convolution may go without
    return wanted


def _graph(document: Mapping[str, object]) -> Graph:
    inputs, nodes = document["inputs"], document["nodes"]
    if not isinstance(inputs, list) or not isinstance(nodes, list):
        raise FormatError("its graph is no list of operators")
    operators = [Operator.parse(text) for _, text, _ in nodes]
    refuse_blocks(operators, "a network in a file")
    return Graph(
        str(document["name"]),
        tuple((str(name), tuple(map(int, shape))) for name, shape in inputs),
        tuple(
            Node(str(name), operator, tuple(map(str, read)))
            for (name, _, read), operator in zip(nodes, operators, strict=True)
        ),
    )
