"""Model file size: what a network takes on disk, as our own writers write it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ...profiler.runtimes import Runtime
from ...tables.graph import Graph
from ..cost import CostTensor, compile_cost
from ..supernets.supernet import Supernet
from .counted import operator_parameters

_BYTES = 4
"""Of a weight in float32."""


def compile_file_size(supernet: Supernet, runtime: Runtime) -> CostTensor:
    """Compile the size in bytes of every network's file for a runtime.

    A file holds the weights, a few hundred bytes for each operator (names, shapes, options), and a
    header. The weights are known; what the rest takes is a straight line in the number of
    operators, through two networks that are really written: the smallest and the largest of the
    space. For MobileNetV3 that is within 1 kB of the files of random networks.

    Raises:
        RuntimeMissingError: this host lacks what the writer needs.
    """
    space = supernet.space
    graphs = [supernet.graph(space.smallest), supernet.graph(space.largest)]
    counts = [len(graph.nodes) for graph in graphs]
    besides = [len(runtime.write(_filled(graph))) - _BYTES * graph.parameters for graph in graphs]
    span = counts[1] - counts[0]
    per_operator = (besides[1] - besides[0]) / span if span else 0.0
    header = besides[1] - per_operator * counts[1]
    sizes = compile_cost(
        supernet, lambda operator: _BYTES * operator_parameters(operator) + per_operator
    )
    return replace(sizes, fixed=sizes.fixed + header)


def _filled(graph: Graph) -> Graph:
    """Give a graph weights that take no time to make; none equals another, or writers share it."""
    shapes = enumerate(graph.weight_shapes.items(), start=1)
    return replace(
        graph, weights={name: np.full(shape, value, np.float32) for value, (name, shape) in shapes}
    )
