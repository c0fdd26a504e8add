"""What public tables should hold, by the search spaces that they were published for."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import partial

from ..tables.blocks import composed
from ..tables.errors import FormatError
from ..tables.formats.finding import Finding, Imported
from ..tables.formats.lookup_keys import KEY_FORMATS, PROXYLESS_NAS, KeyFormat
from ..tables.formats.public import Expected
from ..tables.graph import Graph, GraphBuilder
from ..tables.operator import Operator
from ..tables.subject import Network
from .supernets.mobilenet_v3 import MAX_DEPTH, MobileNetV3, widths

_SUPERNETS: Mapping[int, float] = {widths(width).stem: width for width in (1.0, 1.2)}
"""Published widths of Once-for-All MobileNetV3 by the channels behind the first convolution."""

_STEM, _FIRST = 32, 16
_STAGES = ((24, 2, 4), (40, 2, 4), (80, 2, 4), (96, 1, 4), (192, 2, 4), (320, 1, 1))
"""ProxylessNAS: output channels, stride and most blocks of each stage.

Source: Cai et al., ProxylessNAS, ICLR 2019, section 4.2, and its published code.
"""
_FEATURES = 1280
_KERNELS, _RATIOS = (3, 5, 7), (3, 6)


def expected_rows(imported: Imported) -> Expected:
    """Return the operators that the search space of a public table needs, where it has one.

    The table's first convolutions tell its resolutions and widths; nothing is expected of a format
    that has no search space.
    """
    forms = [form for form in KEY_FORMATS if form.name == imported.format]
    if not forms:
        return Expected()
    (form,) = forms
    stems = sorted(filter(_is_stem, imported.table.rows), key=lambda stem: stem.inputs)
    one = partial(_proxyless_nas, form) if form is PROXYLESS_NAS else partial(_mobilenet_v3, form)
    known = {_STEM} if form is PROXYLESS_NAS else _SUPERNETS.keys()
    spaces = [one(stem) for stem in stems if stem["out"] in known]
    strange = [form.write(stem) for stem in stems if stem["out"] not in known]
    if not stems:
        why = "no first convolution, so nobody knows for which networks it is, and what is missing"
        return Expected(findings=(Finding("warning", "missing", why),))
    return Expected(
        frozenset().union(*(space.needed for space in spaces)),
        tuple(network for space in spaces for network in space.networks),
        tuple(
            Finding.about(
                "note", "missing", strange, "{n} of networks whose search space is not known"
            )
        ),
    )


def _is_stem(operator: Operator) -> bool:
    return operator.kind == "conv2d" and operator["stride"] == 2 and operator.inputs[0][0] == 3


def _mobilenet_v3(form: KeyFormat, stem: Operator) -> Expected:
    """Expect all of one Once-for-All MobileNetV3 at one resolution."""
    resolution = stem.inputs[0][1]
    spec = MobileNetV3(_SUPERNETS[stem["out"]], resolutions=(resolution,))
    places = range(len(spec.space.slots))
    graphs = [spec.stem_graph(0), spec.head_graph(0)]
    graphs += [
        spec.block_graph(0, slot, choice)
        for slot in places
        if slot % MAX_DEPTH < 2  # all other blocks of a stage are as its second one
        for choice in range(1, len(spec.space.slots[slot].choices) + 1)
    ]
    whole = {
        "smallest": spec.graph(spec.space.smallest),
        "largest": spec.graph(spec.space.largest),
    }
    return Expected(
        frozenset(operator for graph in graphs for operator in _rows(form, graph)),
        tuple(
            Network(f"{name} network at {resolution} pixels", tuple(_rows(form, graph)))
            for name, graph in whole.items()
        ),
    )


def _proxyless_nas(form: KeyFormat, stem: Operator) -> Expected:
    """Expect all of ProxylessNAS at one resolution."""
    resolution = stem.inputs[0][1]
    choices = [(kernel, ratio) for ratio in _RATIOS for kernel in _KERNELS]
    graphs = [_uniform_proxyless_nas(resolution, *choice) for choice in choices]
    return Expected(
        frozenset(operator for graph in graphs for operator in _rows(form, graph)),
        tuple(
            Network(f"{name} network at {resolution} pixels", tuple(_rows(form, graph)))
            for name, graph in (("smallest", graphs[0]), ("largest", graphs[-1]))
        ),
    )


def _uniform_proxyless_nas(resolution: int, kernel: int, ratio: int) -> Graph:
    """Build the deepest network that has the same kernel and ratio everywhere."""
    builder = GraphBuilder("proxylessnas", (3, resolution, resolution))
    tensor = builder.add(
        "stem", "conv2d", builder.input, activation="relu6", kernel=3, out=_STEM, stride=2
    )
    blocks = [(_FIRST, 1, 3, 1)]
    for out, stride, depth in _STAGES:
        blocks += [(out, stride if place == 0 else 1, kernel, ratio) for place in range(depth)]
    for index, (out, stride, size, expansion) in enumerate(blocks):
        before = builder.shape(tensor)[0]
        tensor = builder.add(
            f"block{index}",
            "mbconv",
            tensor,
            activation="relu6",
            expand=before * expansion,
            kernel=size,
            out=out,
            se=0,
            skip=int(before == out and stride == 1),
            stride=stride,
        )
    tensor = builder.add(
        "features", "conv2d", tensor, activation="relu6", kernel=1, out=_FEATURES, stride=1
    )
    builder.add("classifier", "pooled_dense", tensor, out=1000)
    return builder.graph()


def _rows(form: KeyFormat, graph: Graph) -> Iterable[Operator]:
    """Yield the operators of a graph for which the format has a key at all."""
    for operator in composed(graph.operators):
        try:
            form.write(operator)
        except FormatError:
            continue
        yield operator
