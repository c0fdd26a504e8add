"""What agents say that is no event."""

from __future__ import annotations

from pathlib import Path

import pytest

from sartor.devices import LocalDevice, local
from sartor.tables import Store
from sartor.tables.errors import AgentError

from .collect_child import OPERATORS, TABLE
from .collecting import FEW, check_complete, run
from .hostile import litert_that

GARBAGE = {
    "a line of a library": b"INFO: Created TensorFlow Lite XNNPACK delegate for CPU.\n",
    "half an answer": b'{"job": 2, "windows": [{"samples_us": [1.0, 2.',
    "bytes": bytes(range(256)),
    "a line without an end": b"x" * (3 << 20),
    "an answer without sense": b'{"job": 2, "windows": [17], "started_s": null}\n',
    "an answer that nobody asked for": b'{"job": 99, "windows": []}\n',
}


@pytest.mark.parametrize("content", GARBAGE.values(), ids=GARBAGE)
def test_garbage_among_the_answers_costs_an_agent_and_nothing_else(
    device: LocalDevice,
    store: Store,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    content: bytes,
) -> None:
    monkeypatch.setattr(local, "LONGEST_LINE_BYTES", 1 << 20)
    device.python = litert_that(
        tmp_path, f"if (channels, run) == (3, 5) and once(1):\n    spill({content!r})"
    )
    report = run(device, store, FEW)
    assert report.agent_deaths == 1
    assert report.measured == FEW.windows
    check_complete(store.load(TABLE), FEW)


def test_a_model_that_makes_the_runtime_talk_is_given_up_in_clear_words(
    device: LocalDevice, store: Store, tmp_path: Path
) -> None:
    device.python = litert_that(tmp_path, "if channels == 3:\n    spill(b'Hello!' * 99 + b'\\n')")
    report = run(device, store, FEW)
    (reason,) = report.failures.values()
    assert reason == store.load(TABLE).failures[OPERATORS[2]]
    talk = f"{('Hello!' * 99)[:200]!r}… (594 characters)"
    assert reason == (
        f"the litert agent on local answered {talk}, not JSON; "
        "is there something else that writes to its standard output?"
    )
    assert report.measured == FEW.windows - 1


def test_an_agent_that_only_talks_ends_the_collection_in_clear_words(
    device: LocalDevice, store: Store, tmp_path: Path
) -> None:
    device.python = litert_that(tmp_path, "spill(b'\\0' * 5000 + b'\\n')")
    complaint = r"the litert agent on local answered .*, not JSON; is there"
    with pytest.raises(AgentError, match=complaint) as ended:
        run(device, store, FEW)
    assert len(str(ended.value)) < 1200
    assert store.done(TABLE) == set()
