from __future__ import annotations

import pytest
from hypothesis import given

from sartor.tables.difference import Difference, difference
from sartor.tables.errors import FormatError
from sartor.tables.framing import FRAME_CHANNELS, Part, framing, subject_graph
from sartor.tables.kinds import output_shape
from sartor.tables.measurement import Measurement, Window
from sartor.tables.operator import Operator
from sartor.tables.subject import Frame, Framed, Subject, parse_subject

from .strategies import operators

CONV = Operator.parse("conv2d/24x8x8/kernel=3,out=40,stride=2/hswish/float32")
ADD = Operator.parse("add/24x8x8,24x8x8/-/none/float32")
STEM = Operator.parse("conv2d/3x32x32/kernel=3,out=16,stride=2/hswish/float32")
DENSE = Operator.parse("dense/64x1x1/out=10/none/float32")


def measured(*medians_us: float, passes: tuple[int, ...] | None = None) -> Measurement:
    indices = passes or tuple(range(len(medians_us)))
    windows = [Window(i, (us,), 0, 1.0, "") for i, us in zip(indices, medians_us, strict=True)]
    return Measurement(tuple(windows), 1.0)


def test_an_operator_stands_between_two_pointwise_convolutions() -> None:
    graph = subject_graph(Framed(CONV))
    kinds = [(node.name, node.operator.kind) for node in graph.nodes]
    assert kinds == [("opening", "conv2d"), ("operator", "conv2d"), ("closing", "conv2d")]
    assert graph.nodes[1].operator == CONV
    assert graph.inputs == (("input", (FRAME_CHANNELS, 8, 8)),)
    assert framing(CONV).parts == {Frame((40, 4, 4)): 0.5, Frame((24, 8, 8)): 0.5}


def test_an_operator_that_keeps_its_shape_has_one_whole_frame_subtracted() -> None:
    same = Operator.parse("depthwise_conv2d/24x8x8/kernel=3,stride=1/relu/float32")
    assert framing(same).parts == {Frame((24, 8, 8)): 1.0}
    frame = subject_graph(Frame((24, 8, 8)))
    assert [node.name for node in frame.nodes] == ["opening", "closing"]


def test_an_addition_follows_a_convolution_with_which_it_may_be_merged() -> None:
    framed = framing(ADD)
    ((part, weight),) = framed.parts.items()
    assert weight == 1.0
    assert isinstance(part, Framed)
    graph, without = subject_graph(Framed(ADD)), subject_graph(part)
    assert [node.operator for node in graph.nodes if node.operator != ADD] == list(
        without.operators
    )
    assert graph.nodes[2].inputs == ("before", "opening")


def test_an_operator_on_an_image_comes_first_and_a_classifier_stands_alone() -> None:
    assert subject_graph(Framed(STEM)).inputs == (("input", (3, 32, 32)),)
    assert framing(STEM).parts == {Frame((16, 16, 16)): 0.5}
    assert (framing(DENSE).whole, framing(DENSE).parts) == (DENSE, {})


@given(operators())
def test_every_operator_can_be_framed(operator: Operator) -> None:
    framed = framing(operator)
    parts: list[Part] = [framed.whole, *framed.parts]
    for part in parts:
        assert subject_graph(part).name == str(part)
        assert parse_subject(str(part)) == part
    operators_of = subject_graph(framed.whole).operators
    assert operator in operators_of


@given(operators())
def test_how_a_frame_is_split_cancels_along_a_chain(operator: Operator) -> None:
    """Let every opening cost 2g(shape) more: the sum over a chain changes at its ends only."""
    framed = framing(operator)
    if not isinstance(framed.whole, Framed) or len(operator.inputs) > 1:
        return

    def opening(shape: tuple[int, ...]) -> float:
        return 2.0 * shape[0] + shape[1]

    before, after = operator.inputs[0], output_shape(operator)
    has_opening = subject_graph(framed.whole).nodes[0].name == "opening"
    change = opening(before) if has_opening else 0.0
    for part, weight in framed.parts.items():
        assert isinstance(part, Frame)
        change -= weight * opening(part.shape)
    first = opening(before) / 2 if has_opening else 0.0
    assert change == pytest.approx(first - opening(after) / 2)


@pytest.mark.parametrize(
    "text",
    [
        *("frame 1x2", "frame 0x1x1", "frame 01x1x1", "frames 1x1x1", ""),
        *("call 1", "call 0", "call 09", "call -9", "call 1x9", f"call {'9' * 5000}"),
    ],
)
def test_what_is_no_subject_is_refused(text: str) -> None:
    with pytest.raises(FormatError):
        parse_subject(text)


def test_a_difference_is_taken_pass_by_pass() -> None:
    found: dict[Subject, Measurement] = {
        Framed(CONV): measured(10_000, 12_000, 11_000),
        Frame((40, 4, 4)): measured(4_000, 6_000, 4_000),
        Frame((24, 8, 8)): measured(2_000, 2_000, 2_000),
    }
    row = difference(CONV, found)
    assert row is not None
    assert row.window_medians_ms.tolist() == [7.0, 8.0, 8.0]
    assert row.median_ms == 8.0
    low_ms, high_ms = row.interval_ms() or (0, 0)
    assert low_ms < 7.7 < high_ms
    assert row.relative_error == pytest.approx((high_ms - 8.0) / 11.0)
    assert difference(ADD, found) is None


def test_passes_that_lack_a_part_do_not_count() -> None:
    row = Difference(measured(10_000, 20_000), ((0.5, measured(4_000, passes=(1,))),))
    assert row.window_medians_ms.tolist() == [18.0]
    assert row.interval_ms() is None
    apart = Difference(measured(10_000), ((0.5, measured(4_000, passes=(1,))),))
    assert apart.median_ms == 8.0
