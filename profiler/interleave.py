"""Passes: batches of models timed by one agent after another, whatever dies on the way.

Source: Mytkowicz et al., Producing Wrong Data Without Doing Anything Obviously Wrong, ASPLOS 2009,
section 6 (randomised set-ups).
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from statistics import median
from types import TracebackType
from typing import Generic

from ..devices.device import Device
from ..tables.errors import AgentError, DeviceError, DeviceTimeoutError, SartorError
from ..tables.health import BatchHealth
from ..tables.measurement import Window
from .batches import VISITS, Batch, Item, Key
from .messages import MeasureJob, Refusal, Timing
from .placing import Placing
from .runner import Runner, make_runner
from .runtimes import Runtime
from .vitals import between

_WRITERS_FAR = 2
_REPEATS = 2  # of a disturbed batch
_RESTLESS = 3  # disturbed batches on end, after which to wait for quiet
_MAX_STILLBORN = 3  # agents in a row that did not even time the reference model


@dataclass(slots=True)
class Interleaving(Generic[Key]):
    """Takes passes over batches of items, each pass in a fresh agent; a context manager.

    A window of the reference model stands before each batch. An item that the runtime refuses, or
    that kills two agents, is given up, and left out from then on. A batch during which the device
    was disturbed is measured again at the end of the pass, twice at most; then it is kept as it is,
    and its health with it.

    Attributes:
        device: to measure on.
        runtime: to run models with.
        threads: that the runtime may use.
        options: of the runtime, as a condition writes them.
        cores: that agents are pinned to; none to leave the choice to the system.
        session: a fresh agent for the first pass, if there is one already; it is ended after that.
        reference: the reference model's file.
        keep: is given every window.
        give_up: is told which item was given up and why, in which pass.
        watch: is told how the device was, for every batch that was kept, after its windows.
        pause: waits until the device is quiet, when several batches on end were disturbed; None to
            keep every batch, however the device was.
        failures: why items were given up, by key.
        deaths: how often an agent had to be started again.
        disturbed: how many batches were measured again, because the device was disturbed.
        busy_ms: how long agents were at work on models.
    """

    device: Device
    runtime: Runtime
    threads: int
    options: str
    reference: bytes
    keep: Callable[[Key, Window], None]
    give_up: Callable[[Key, str, int], None]
    watch: Callable[[BatchHealth], None] = lambda _: None
    pause: Callable[[], object] | None = None
    failures: dict[Key, str] = field(default_factory=dict)
    cores: tuple[int, ...] = ()
    session: Runner | None = None
    deaths: int = 0
    busy_ms: float = 0.0
    disturbed: int = 0
    _stillborn: int = 0  # agents in a row that died before they had timed anything
    _on_trial: bool = False  # whether the agent was at the batch in front, not the reference model
    _closer: ThreadPoolExecutor = field(default_factory=partial(ThreadPoolExecutor, 1))
    _ending: Future[None] | None = None
    _visits: dict[Key, list[Window]] = field(default_factory=dict)
    _repeats: Counter[Key] = field(default_factory=Counter)

    def __enter__(self) -> Interleaving[Key]:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        with self._closer:
            self._await_end()

    def take_pass(self, pass_index: int, batches: Sequence[Batch[Key]]) -> None:
        """Measure batches in this order, with as many agents as it takes.

        Raises:
            RuntimeMissingError: the device lacks the runtime.
            AgentError: agents die whatever they measure.
            DeviceError: the device is gone.
            DeviceDisturbedError: from ``pause``.
        """
        waiting = deque(batches)
        suspects: set[Key] = set()
        self._visits.clear()
        self._repeats.clear()
        while waiting := self._still_wanted(waiting):
            try:
                death = self._run_agent(waiting, pass_index)
            except _RestlessError:
                if self.pause is not None:
                    self.pause()
                continue
            if death is None:
                continue
            self.deaths += 1
            if self._stillborn == _MAX_STILLBORN:
                raise death
            if not self._on_trial:
                continue
            # Nobody knows which model it was, or whether the agent was killed from outside: a batch
            # is halved until one item is left, and that one has to be there twice.
            suspect = waiting.popleft()
            first = suspect.items[0].key
            if len(suspect.items) > 1:
                waiting.extendleft(reversed(suspect.halves()))
            elif first in suspects:
                self._give_up(first, str(death), pass_index)
            else:
                suspects.add(first)
                waiting.append(suspect)

    def _still_wanted(self, batches: deque[Batch[Key]]) -> deque[Batch[Key]]:
        """Leave out what was given up."""
        left = (batch.without(self.failures) for batch in batches)
        return deque(batch for batch in left if batch.items)

    def _run_agent(self, waiting: deque[Batch[Key]], pass_index: int) -> SartorError | None:
        """Let a new agent measure from the front of ``waiting``; return how it died, if it did.

        Whatever is dealt with is taken off, so that the dead agent's last batch stands in front.
        """
        self._on_trial = False
        self._stillborn += 1
        runner, self.session = self.session, None
        started = runner is not None
        if runner is None:
            runner = make_runner(self.device, self.runtime, self.threads, self.options, self.cores)
        try:
            with ThreadPoolExecutor(_WRITERS_FAR if self.device.remote else 1) as writer:
                placing = Placing(runner, writer, self.reference, waiting)
                if not started:
                    self._await_end()
                    runner.__enter__()
                    started = True
                self._measure(runner, placing.jobs(), waiting, pass_index)
        except AgentError as death:
            return death
        except DeviceTimeoutError as death:
            if not started:
                raise
            return death
        finally:
            if started:
                self.busy_ms += runner.busy_ms
                self._end(runner)
        return None

    def _end(self, runner: Runner) -> None:
        """End an agent; over a connection, that takes some round trips, and nobody waits for it."""
        self._ending = self._closer.submit(runner.__exit__, None, None, None)
        if not self.device.remote:
            self._await_end()

    def _await_end(self) -> None:
        """Return when the last agent has ended."""
        ending, self._ending = self._ending, None
        if ending is not None:
            ending.result()

    def _measure(
        self,
        session: Runner,
        jobs: Iterator[MeasureJob],
        waiting: deque[Batch[Key]],
        pass_index: int,
    ) -> None:
        answers = session.measure(jobs)
        before, restless = session.vitals, 0
        for reference in answers:
            reference_us = _reference_us(*reference)
            self._stillborn, self._on_trial = 0, True
            timings = next(answers)
            self._on_trial = False
            health = between(before, session.vitals, pass_index, _started_at(*reference))
            before = session.vitals
            if self._is_to_be_repeated(waiting[0], health):
                waiting.rotate(-1)
                restless += 1
                if restless == _RESTLESS:
                    raise _RestlessError
                continue
            restless = 0
            for item, timing in zip(waiting[0].items, timings, strict=True):
                if isinstance(timing, Refusal):
                    self._give_up(item.key, timing.reason, pass_index)
                else:
                    self._keep(item, _window(timing, pass_index, reference_us))
            self.watch(health)
            waiting.popleft()

    def _is_to_be_repeated(self, batch: Batch[Key], health: BatchHealth) -> bool:
        """Tell whether a batch was disturbed, and has not been repeated too often."""
        first = batch.items[0].key
        if self.pause is None or not health.warnings or self._repeats[first] == _REPEATS:
            return False
        self._repeats[first] += 1
        self.disturbed += 1
        return True

    def _keep(self, item: Item[Key], window: Window) -> None:
        """Keep a window; of an item that is timed alone, once all its visits are there."""
        if not item.alone:
            self.keep(item.key, window)
            return
        visits = self._visits.setdefault(item.key, [])
        visits.append(window)
        if len(visits) == VISITS and item.key not in self.failures:
            self.keep(item.key, _pooled(visits))

    def _give_up(self, key: Key, reason: str, pass_index: int) -> None:
        if key not in self.failures:  # as at an earlier visit
            self.failures[key] = reason
            self.give_up(key, reason, pass_index)


def _window(timing: Timing, pass_index: int, reference_us: float) -> Window:
    return Window(pass_index, timing.samples_us, timing.preempted, reference_us, timing.started_at)


def _pooled(visits: Sequence[Window]) -> Window:
    """Make one window of several, as if the machine had been the same at all of them."""
    reference_us = median(visit.reference_us for visit in visits)
    samples_us = [
        sample_us * reference_us / visit.reference_us
        for visit in visits
        for sample_us in visit.samples_us
    ]
    return Window(
        visits[0].pass_index,
        tuple(samples_us),
        sum(visit.preempted for visit in visits),
        reference_us,
        visits[0].started_at,
    )


class _RestlessError(Exception):
    """Several batches on end were disturbed, so that it is time to wait."""


def _started_at(answer: Timing | Refusal) -> str:
    return "" if isinstance(answer, Refusal) else answer.started_at


def _reference_us(answer: Timing | Refusal) -> float:
    if isinstance(answer, Refusal):
        raise DeviceError(f"the device cannot even run the reference model: {answer.reason}")
    return median(answer.samples_us)
