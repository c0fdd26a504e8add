"""What a relay may say, and what it cannot have meant."""

from __future__ import annotations

import json
from typing import Any

import hypothesis.strategies as st
import pytest
from hypothesis import given

from sartor.devices.device import LONGEST_LINE_BYTES
from sartor.devices.ledger import Ledger, Told
from sartor.devices.relay.frames import CHUNK, LONGEST, WINDOW, FrameError, frame, read_frame
from sartor.devices.relay.spool import Spool

NONSENSE = (ValueError, IndexError)
"""What a stream takes for a connection that broke; FrameError is a ValueError."""

plain = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9)
values = st.recursive(plain, lambda part: st.lists(part, max_size=3), max_leaves=6)
kinds = st.sampled_from(["out", "got", "words", "deaf", "end", "exit", "beat", "hello", "in"])
frames = st.builds(lambda kind, rest: [kind, *rest], kinds, st.lists(values, max_size=3))


@given(st.text() | st.builds(json.dumps, values | frames))
def test_a_line_is_a_frame_or_none(line: str) -> None:
    try:
        found = read_frame(line)
    except FrameError:
        return
    assert isinstance(found[0], str)


@pytest.mark.parametrize("line", ["[" * 100_000, '["out",' + "0" * LONGEST + "]", "", "{}", "[]"])
def test_what_cannot_be_a_frame_is_none(line: str) -> None:
    with pytest.raises(FrameError):
        read_frame(line)


@given(st.lists(frames, max_size=20))
def test_whatever_is_said_a_ledger_stays_sane(said: list[list[Any]]) -> None:
    ledger = Ledger()
    ledger.input.add(b"input")
    for one in said:
        try:
            ledger.note(json.loads(json.dumps(one)))
        except NONSENSE:
            continue
        assert 0 <= ledger.input.start <= ledger.input.end == 5
        assert len(ledger.words) <= 2000
        assert ledger.status is None or isinstance(ledger.status, int)
        assert ledger.received <= sum(len(str(each)) for each in said)


def test_output_comes_in_order_or_not_at_all() -> None:
    ledger = Ledger()
    ledger.note(["out", 0, "one\ntw"])
    for wrong in (["out", 0, "one\ntw"], ["out", 7, "x"], ["out", 6, ""], ["out", 6, "é€"]):
        with pytest.raises(FrameError):
            ledger.note(wrong)
    with pytest.raises(FrameError):
        ledger.note(["out", 6, "x" * (CHUNK + 1)])
    ledger.note(["out", 6, "o\n"])
    assert [ledger.take_line(), ledger.has_line(), ledger.take_line()] == ["one", True, "two"]
    assert not ledger.has_line()


def test_a_line_without_end_is_cut_and_holds_more_up() -> None:
    ledger = Ledger()
    while ledger.keeps_up:
        assert not ledger.has_line() or ledger.received >= LONGEST_LINE_BYTES
        ledger.note(["out", ledger.received, "x" * CHUNK])
    assert not any(kind == "got" for kind, _ in Told(0).due(ledger))
    assert len(ledger.take_line()) == LONGEST_LINE_BYTES
    assert any(kind == "got" for kind, _ in Told(0).due(ledger))


def test_no_more_is_under_way_than_a_window() -> None:
    ledger, told, under_way = Ledger(), Told(0), 0
    ledger.input.add(bytes(3 * WINDOW))
    while due := [rest for kind, rest in told.due(ledger) if kind == "in"]:
        under_way += sum(len(str(text)) for _, text in due)
    assert under_way == WINDOW
    ledger.note(["got", 1000])
    assert told.due(ledger)[0] == ("in", (WINDOW, "\0" * 1000))


@given(st.lists(st.binary(max_size=50)), st.data())
def test_a_spool_keeps_what_was_not_dropped(parts: list[bytes], data: st.DataObject) -> None:
    spool, whole = Spool(), b"".join(parts)
    for part in parts:
        spool.add(part)
    first = data.draw(st.integers(0, len(whole)))
    spool.drop(first)
    assert (spool.start, spool.end) == (first, len(whole))
    assert spool.read(first, 1 << 20) == whole[first:]
    for wrong in (first - 1, len(whole) + 1):
        with pytest.raises(ValueError, match="is not among"):
            spool.drop(wrong)


@given(st.binary(max_size=300))
def test_bytes_travel_as_text(content: bytes) -> None:
    ledger = Ledger()
    line = frame("out", 0, (content + b"\n").decode("latin-1"))
    assert line.isascii()
    ledger.note(read_frame(line))
    assert ledger.take_line() == content.partition(b"\n")[0].decode(errors="replace")
