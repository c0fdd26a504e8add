"""The reference model: timed again and again, it shows how fast the machine is at the moment."""

from __future__ import annotations

from ..tables.graph import Graph, GraphBuilder


def reference_graph() -> Graph:
    """Build a small block with the operators that networks spend their time in.

    All windows of a table are corrected by it, so whoever changes it raises the agent's version.
    """
    builder = GraphBuilder("reference", (40, 28, 28))
    tensor = builder.add(
        "expand", "conv2d", builder.input, kernel=1, out=160, stride=1, activation="relu"
    )
    tensor = builder.add(
        "depthwise", "depthwise_conv2d", tensor, kernel=3, stride=1, activation="relu"
    )
    builder.add("project", "conv2d", tensor, kernel=1, out=40, stride=1)
    return builder.graph()
