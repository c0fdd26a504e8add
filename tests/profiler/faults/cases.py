"""Faults: what happens to a collection, and what has to become of it."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from sartor.devices import Device
from sartor.devices.patient import Patient
from sartor.profiler import CollectionReport, Progress, batches, collect, make_plan, session
from sartor.profiler.reservation import reserved
from sartor.tables import Store
from sartor.tables.errors import SartorError

from ..collect_child import CONDITION, OPERATORS, TABLE
from ..collecting import check_complete
from ..hostile import litert_code
from .stage import SshStage, Stage

PLAN = make_plan(OPERATORS[:6], passes=1)
BY_ITSELF, AGAIN = "by itself", "by the same command again"


@dataclass
class Trouble:
    """One collection that something happens to.

    Attributes:
        stage: where.
        device: that is measured on, without patience.
        patience_s: with its connection.
        before: what happens when something is first asked of the device: ``push``, say.
        shown: what happens when the first window is there.
        cleanup: what to do afterwards.
        python: of agents, where it is not what was put there.
    """

    stage: Stage
    device: Device
    patience_s: float = 60
    before: dict[str, Callable[[], object]] = field(default_factory=dict)
    shown: Callable[[], object] = lambda: None
    python: str = ""
    seen: list[Progress] = field(default_factory=list)

    def show(self, progress: Progress) -> None:
        """Let it happen with the first window."""
        self.seen.append(progress)
        if len(self.seen) == 1:
            self.shown()


class Watched:
    """A device to which something happens when something is asked of it."""

    def __init__(self, trouble: Trouble) -> None:
        self._device, self._trouble = trouble.device, trouble

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 (whatever the device has)
        if name == "python" and self._trouble.python:
            return self._trouble.python
        act = self._trouble.before.pop(name, None)
        if act is not None:
            act()
        return getattr(self._device, name)


@dataclass(frozen=True)
class Fault:
    """Something that goes wrong.

    Attributes:
        name: for people.
        happens: sets it up, before a collection.
        recovers: ``BY_ITSELF`` or ``AGAIN``.
        mends: puts it right, before the collection is run again.
        sentence: a part of what the user reads.
        kinds: of stages on which it can happen.
        deaths: of agents that it causes.
    """

    name: str
    happens: Callable[[Trouble], object]
    recovers: str = BY_ITSELF
    mends: Callable[[Stage], object] = lambda _: None
    sentence: str = ""
    kinds: tuple[str, ...] = ("SSH", "ADB")
    deaths: int = 0


@dataclass(frozen=True)
class Outcome:
    """What became of a collection.

    Attributes:
        fault: that happened to it.
        kind: of the stage.
        recovered: how.
        said: the sentences that the user read.
        windows: that are there in the end, each once.
    """

    fault: Fault
    kind: str
    recovered: str
    said: tuple[str, ...]
    windows: int


def play(fault: Fault, stage: Stage, where: Path) -> Outcome:
    """Let something happen to a collection, and see that nothing is lost or doubled."""
    said: list[str] = []
    began = datetime.now(timezone.utc)
    stage.reset()
    trouble = Trouble(stage, stage.device())
    with small_batches(), Store.open(where) as store:
        try:
            fault.happens(trouble)
            report = run(trouble, store, said)
            recovered = BY_ITSELF
            assert report.agent_deaths == fault.deaths, report.agent_deaths
            assert report.measured == PLAN.windows
        except SartorError as error:
            said.append(str(error))
            kept = store.done(TABLE) if store.tables() else set()
            fault.mends(stage)
            trouble.before, trouble.shown, trouble.python = {}, lambda: None, ""
            trouble.device = stage.device()
            report = run(trouble, store, said)
            recovered = AGAIN
            assert report.measured == PLAN.windows - len(kept)
        table = store.load(TABLE)
    check_complete(table, PLAN)
    for windows in table.windows.values():
        for window in windows:
            started = datetime.fromisoformat(window.started_at)
            assert began <= started <= datetime.now(timezone.utc)
    return Outcome(fault, stage.kind, recovered, tuple(said), sum(map(len, table.windows.values())))


def run(trouble: Trouble, store: Store, said: list[str]) -> CollectionReport:
    """Collect as ``sartor profile`` does."""
    device = Patient(Watched(trouble), trouble.patience_s, said.append)
    rng = np.random.default_rng(1)
    return collect(device, store, TABLE, PLAN, CONDITION, rng, trouble.show, tell=said.append)


@contextmanager
def small_batches() -> Iterator[None]:
    """Have several batches in a pass, and agents that are soon taken for hung."""
    before = batches._MOST_MODELS, session._JOB_TIMEOUT_S, session._MODEL_TIMEOUT_S
    batches._MOST_MODELS, session._JOB_TIMEOUT_S, session._MODEL_TIMEOUT_S = 1, 15, 0
    try:
        yield
    finally:
        batches._MOST_MODELS, session._JOB_TIMEOUT_S, session._MODEL_TIMEOUT_S = before


# What happens.


def _cut_before(*names: str) -> Callable[[Trouble], None]:
    """Break the connection a moment after something was asked of the device."""

    def happens(trouble: Trouble) -> None:
        for name in names:
            trouble.before[name] = lambda: trouble.stage.soon(trouble.stage.cut, 0.02)

    return happens


def _cut_while_preparing(trouble: Trouble) -> None:
    stage = trouble.stage
    stage.unprepare()
    stage.soon(stage.cut, 0.8)
    stage.prepare()


def _prepare(stage: Stage) -> None:
    stage.plug()
    stage.prepare()


def _when_shown(act: Callable[[Stage], object]) -> Callable[[Trouble], None]:
    def happens(trouble: Trouble) -> None:
        trouble.shown = lambda: act(trouble.stage)

    return happens


def _cut_while_results_come(stage: Stage) -> None:
    for number in range(4):
        stage.soon(stage.cut, 0.03 + 0.11 * number)


def _silent_for_a_while(stage: Stage) -> None:
    stage.silence()
    stage.soon(stage.plug, 13)


def _away_for_a_while(stage: Stage) -> None:
    stage.unplug()
    stage.soon(stage.plug, 4)


def _away_for_good(trouble: Trouble) -> None:
    trouble.patience_s = 2
    trouble.shown = trouble.stage.unplug


def _never_there(trouble: Trouble) -> None:
    trouble.stage.unplug()


def _restarted(stage: Stage) -> None:
    stage.restart()


def _agent(number: int) -> Callable[[Stage], None]:
    def act(stage: Stage) -> None:
        assert stage.signal(number, "sartor_agent", "litert") >= 1

    return act


def _relays_killed(stage: Stage) -> None:
    assert stage.signal(signal.SIGKILL, "sartor_relay") >= 2


def _python_that(code: str) -> Callable[[Trouble], None]:
    def happens(trouble: Trouble) -> None:
        trouble.python = trouble.stage.python_that(code)

    return happens


GARBAGE = litert_code(
    "if run == 4 and once('garbage'):\n    spill(b'\\xff\\xfe no event {]}\\n' + os.urandom(5000))"
)
OLD_CLOCK = (
    "import datetime, time\ntruth = time.time\ntime.time = lambda: truth() - 1.5e9\n"
    "time.time_ns = lambda: int(1e9 * time.time())\n"
    "class Datetime(datetime.datetime):\n"
    "    @classmethod\n"
    "    def now(cls, tz=None):\n"
    "        return cls.fromtimestamp(time.time(), tz)\n"
    "datetime.datetime = Datetime"
)


def _other_key(trouble: Trouble) -> None:
    stage = trouble.stage
    assert isinstance(stage, SshStage)
    known = stage._known.read_text().split()
    other = "AAAAC3NzaC1lZDI1NTE5AAAAI" + "B" * 43
    stage._known.write_text(" ".join([*known[:2], other]) + "\n")


def _right_key(stage: Stage) -> None:
    assert isinstance(stage, SshStage)
    stage.know()


_held: list[Any] = []


def _another_host(trouble: Trouble) -> None:
    """Another who measures there: the reservation is all that a second host sees of a first."""
    holder = reserved(Patient(trouble.stage.device()))
    holder.__enter__()
    _held.append(holder)


def _another_host_ends(_: Stage) -> None:
    while _held:
        _held.pop().__exit__(None, None, None)


LOST = "trying again for"
FAULTS = (
    Fault(
        "no connection at the beginning",
        *(_never_there, AGAIN, lambda stage: stage.plug()),
        sentence="",
    ),
    Fault(
        "connection cut while the device is prepared",
        *(_cut_while_preparing, AGAIN, _prepare),
    ),
    Fault("connection cut while the lock is taken", _cut_before("open_stream"), sentence=LOST),
    Fault("connection cut while its health is read", _cut_before("health"), sentence=LOST),
    Fault("connection cut while models are pushed", _cut_before("push"), sentence=LOST),
    Fault(
        "connection cut while models are measured",
        _when_shown(lambda stage: stage.cut()),
        sentence=LOST,
    ),
    Fault(
        "connection cut again and again while results come",
        _when_shown(_cut_while_results_come),
        sentence=LOST,
    ),
    Fault("connection silent for 13 s", _when_shown(_silent_for_a_while), sentence=LOST),
    Fault("unplugged for 4 s", _when_shown(_away_for_a_while), sentence=LOST),
    Fault(
        "away for longer than patience",
        *(_away_for_good, AGAIN, lambda stage: stage.plug()),
        sentence="did not come back within 2 s",
    ),
    Fault(
        "restarted",
        *(_when_shown(_restarted), AGAIN),
        sentence="was restarted meanwhile",
    ),
    Fault(
        "disk full",
        *(lambda trouble: trouble.stage.fill(), AGAIN, lambda stage: stage.free()),
        sentence="No space left on device",
    ),
    Fault("agent killed", _when_shown(_agent(signal.SIGKILL)), deaths=1),
    Fault("agent hung", _when_shown(_agent(signal.SIGSTOP)), deaths=1),
    Fault("relays killed", _when_shown(_relays_killed), deaths=1, sentence=LOST),
    Fault("garbage among what the agent says", _python_that(GARBAGE), deaths=1),
    Fault("clock wrong by 48 years", _python_that(OLD_CLOCK)),
    Fault(
        "another host key",
        *(_other_key, AGAIN, _right_key),
        sentence="key",
        kinds=("SSH",),
    ),
    Fault(
        "another host measures there",
        *(_another_host, AGAIN, _another_host_ends),
        sentence="is being timed by process",
    ),
)

_ = PurePosixPath
