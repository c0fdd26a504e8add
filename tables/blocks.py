"""Blocks: operators that are made of others, for tables that time them in one.

A block is an ``Operator`` like any other, and a row of a table like any other. ``kinds`` asks here
what it is made of.
"""

from __future__ import annotations

from collections.abc import Sequence

from .operator import Operator, Shape

Parts = tuple[tuple[str, Operator], ...]
"""Name and operator of each part of a block, in execution order."""


def mbconv_parts(block: Operator) -> Parts:
    """Expand, convolve each channel by itself, perhaps squeeze and excite, project, perhaps add.

    The attributes of ``mbconv`` are ``expand``, the channels of the depthwise convolution; its
    ``kernel`` and ``stride``; ``out``; ``se``, the channels between the two convolutions of
    squeeze-and-excite, 0 where there is none; and ``skip``, 1 where the block adds its input to its
    output. With as many channels to expand to as go in, there is no expanding convolution.

    Source: Sandler et al., MobileNetV2, CVPR 2018, table 1 and section 3.3; Howard et al.,
    Searching for MobileNetV3, ICCV 2019, section 5.3 (squeeze-and-excite, which the activation
    precedes).
    """
    (before,) = block.inputs
    _, height, width = before
    middle, stride, act = block["expand"], block["stride"], block.activation
    wide = (middle, height, width)
    after = (middle, (height - 1) // stride + 1, (width - 1) // stride + 1)
    parts = []
    if middle != before[0]:
        parts.append(("expand", _pointwise(before, middle, act, block.dtype)))
    counts = (("kernel", block["kernel"]), ("stride", stride))
    parts.append(
        ("depthwise", Operator("depthwise_conv2d", (wide,), counts, act, dtype=block.dtype))
    )
    if block["se"]:
        squeezed = (("middle", block["se"]),)
        parts.append(
            ("squeeze_excite", Operator("squeeze_excite", (after,), squeezed, dtype=block.dtype))
        )
    parts.append(("project", _pointwise(after, block["out"], "none", block.dtype)))
    if block["skip"]:
        result = (block["out"], *after[1:])
        parts.append(("add", Operator("add", (before, result), dtype=block.dtype)))
    return tuple(parts)


def pooled_dense_parts(block: Operator) -> Parts:
    """Average each channel over the whole map, then classify: the end of many a network."""
    (before,) = block.inputs
    pooled = (before[0], 1, 1)
    return (
        ("pool", Operator("global_average_pool", (before,), dtype=block.dtype)),
        (
            "dense",
            Operator("dense", (pooled,), block.attributes, block.activation, block.dtype),
        ),
    )


def composed(operators: Sequence[Operator]) -> tuple[Operator, ...]:
    """Join every run of operators that makes an ``mbconv``; the others stay as they are.

    So the operators of a network become those by which a table of blocks knows it
    (``granularity``).

    Args:
        operators: in execution order. An addition right behind a block is taken for the block's
            own; operators by themselves do not tell which tensor they add. Blocks stay as they are.
    """
    joined: list[Operator] = []
    place = 0
    while place < len(operators):
        block, length = _block_at(operators, place)
        joined.append(block)
        place += length
    return tuple(joined)


def _block_at(operators: Sequence[Operator], place: int) -> tuple[Operator, int]:
    """Return the block that begins at a place and how many operators it joins, or one and 1.

    Operators that break the rules of their kinds, as a file may have them, are in no block.
    """
    try:
        return _joined(operators, place)
    except (KeyError, ValueError, ZeroDivisionError):
        return operators[place], 1


def _joined(operators: Sequence[Operator], place: int) -> tuple[Operator, int]:
    first = operators[place]
    rest = list(operators[place : place + 5])
    expand = rest.pop(0) if first.kind == "conv2d" else None
    if not rest or rest[0].kind != "depthwise_conv2d":
        return first, 1
    depthwise = rest.pop(0)
    squeeze = rest.pop(0)["middle"] if rest and rest[0].kind == "squeeze_excite" else 0
    if not rest or rest[0].kind != "conv2d":
        return first, 1
    out = rest.pop(0)["out"]
    counts = {
        "expand": expand["out"] if expand else first.inputs[0][0],
        "kernel": depthwise["kernel"],
        "out": out,
        "se": squeeze,
        "stride": depthwise["stride"],
    }
    for skip in (1, 0):
        attributes = tuple(sorted({**counts, "skip": skip}.items()))
        block = Operator("mbconv", first.inputs, attributes, depthwise.activation, first.dtype)
        parts = tuple(part for _, part in mbconv_parts(block))
        if parts == tuple(operators[place : place + len(parts)]):
            return block, len(parts)
    return first, 1


def _pointwise(shape: Shape, out: int, activation: str, dtype: str) -> Operator:
    """One 1×1 convolution."""
    counts = (("kernel", 1), ("out", out), ("stride", 1))
    return Operator("conv2d", (shape,), counts, activation, dtype)
