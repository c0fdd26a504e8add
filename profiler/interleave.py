"""Interleaved windows: models timed in random order, so that a slow moment favours none of them.

Source: Mytkowicz et al., Producing Wrong Data Without Doing Anything Obviously Wrong, ASPLOS 2009,
section 6 (randomised set-ups).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from statistics import median

import numpy as np

from ..devices.device import Device
from ..tables.errors import AgentError, DeviceError, DeviceTimeoutError, SartorError
from ..tables.measurement import Window
from .collect import REFERENCE_EVERY
from .messages import MeasureJob, Refusal, Timing
from .runtimes import Runtime
from .session import AgentSession

_REFERENCE_WINDOW_MS = 40
_REFERENCE_WARMUP_MS = 5
_PLACED_AHEAD = 4
_MAX_DEATHS_IN_A_ROW = 10


@dataclass(frozen=True, slots=True)
class Item:
    """A model to be timed.

    Attributes:
        key: unique among the items.
        content: makes the model's file; asked for once in every pass.
        window_ms: how long to sample in each pass, in milliseconds.
        warmup_ms: how long to run before, untimed.
    """

    key: str
    content: Callable[[], bytes]
    window_ms: float = 20
    warmup_ms: float = 5


@dataclass(slots=True)
class Interleaving:
    """Times items pass after pass, each pass in a fresh agent and in random order.

    A window of the reference model stands first and after every 12 items. An item that the
    runtime refuses, or that kills two agents, is given up.

    Attributes:
        device: to measure on.
        runtime: to run models with.
        threads: that the runtime may use.
        reference: the reference model's file.
        progress: is told of every item that was dealt with.
        windows: what was measured, by key of the item.
        failures: why items were given up, by key.
        deaths: how often an agent had to be started again.
    """

    device: Device
    runtime: Runtime
    threads: int
    reference: bytes
    progress: Callable[[Item], None] = lambda _: None
    windows: dict[str, list[Window]] = field(default_factory=dict)
    failures: dict[str, str] = field(default_factory=dict)
    deaths: int = 0
    _deaths_in_a_row: int = 0

    def take(self, items: Sequence[Item], passes: int, rng: np.random.Generator) -> None:
        """Take one window of every item in every pass.

        Raises:
            RuntimeMissingError: the device lacks the runtime.
            AgentError: agents die whatever they measure.
            DeviceError: the device is gone.
        """
        for pass_index in range(passes):
            self._take_pass([items[index] for index in rng.permutation(len(items))], pass_index)

    def _take_pass(self, items: Sequence[Item], pass_index: int) -> None:
        """Measure items in this order, with as many agents as it takes."""
        waiting = deque(item for item in items if item.key not in self.failures)
        suspects: set[str] = set()
        while waiting:
            death = self._run_agent(waiting, pass_index)
            if death is None:
                continue
            self.deaths += 1
            self._deaths_in_a_row += 1
            if self._deaths_in_a_row == _MAX_DEATHS_IN_A_ROW:
                raise death
            # The agent may have been killed from outside: an item has to be there twice.
            suspect = waiting.popleft()
            if suspect.key in suspects:
                self._give_up(suspect, str(death))
            else:
                suspects.add(suspect.key)
                waiting.append(suspect)

    def _run_agent(self, waiting: deque[Item], pass_index: int) -> SartorError | None:
        """Let a new agent measure from the front of ``waiting``; return how it died, if it did."""
        with (
            AgentSession(self.device, self.runtime, self.threads) as session,
            ThreadPoolExecutor(1) as placer,
        ):
            try:
                self._measure(session, placer, waiting, pass_index)
            except (AgentError, DeviceTimeoutError) as death:
                return death
        return None

    def _measure(
        self,
        session: AgentSession,
        placer: ThreadPoolExecutor,
        waiting: deque[Item],
        pass_index: int,
    ) -> None:
        order = with_references(list(waiting))
        reference_us = 0.0
        answers = session.measure(self._jobs(session, placer, order))
        for item, answer in zip(order, answers, strict=True):
            if item is None:
                reference_us = _reference_us(answer)
                continue
            if isinstance(answer, Refusal):
                self._give_up(item, answer.reason)
            else:
                self._keep(item, answer, reference_us, pass_index)
            waiting.popleft()

    def _jobs(
        self, session: AgentSession, placer: ThreadPoolExecutor, order: Sequence[Item | None]
    ) -> Iterator[MeasureJob]:
        """Yield jobs while the models of the next ones are pushed."""
        name = session.place(self.reference)
        reference = MeasureJob(name, _REFERENCE_WINDOW_MS, _REFERENCE_WARMUP_MS, keep=True)

        def job_of(item: Item | None) -> MeasureJob:
            if item is None:
                return reference
            return MeasureJob(session.place(item.content()), item.window_ms, item.warmup_ms)

        ahead: deque[Future[MeasureJob]] = deque()
        for item in order:
            ahead.append(placer.submit(job_of, item))
            if len(ahead) > _PLACED_AHEAD:
                yield ahead.popleft().result()
        while ahead:
            yield ahead.popleft().result()

    def _keep(self, item: Item, timing: Timing, reference_us: float, pass_index: int) -> None:
        window = Window(
            pass_index, timing.samples_us, timing.preempted, reference_us, timing.started_at
        )
        self.windows.setdefault(item.key, []).append(window)
        self._deaths_in_a_row = 0
        self.progress(item)

    def _give_up(self, item: Item, reason: str) -> None:
        self.failures[item.key] = reason
        self.progress(item)


def with_references(items: Sequence[Item]) -> list[Item | None]:
    """Put the reference model (None) first, and again after every 12 items."""
    order: list[Item | None] = []
    for index, item in enumerate(items):
        if index % REFERENCE_EVERY == 0:
            order.append(None)
        order.append(item)
    return order


def _reference_us(answer: Timing | Refusal) -> float:
    if isinstance(answer, Refusal):
        raise DeviceError(f"the device cannot even run the reference model: {answer.reason}")
    return median(answer.samples_us)
