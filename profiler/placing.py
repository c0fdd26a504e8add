"""Placing: the models of a pass come to the device while others are measured there."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from itertools import islice
from typing import Generic

from .batches import Batch, Item, Key
from .messages import MeasureJob
from .packs import Model
from .runner import Runner

_WINDOW_MS = 8
_ALONE_WINDOW_MS = 60  # at each visit: whole networks are few, and all predictions hang on them
_ALONE_WARMUP_MS = 15
_REFERENCE_WINDOW_MS = 40
_AHEAD = 2


class Placing(Generic[Key]):
    """Makes jobs of batches, whose models are written and pushed from the beginning.

    Several may be on their way at once, where the pool has several threads: a push over a slow link
    takes some round trips, in which there is room for another one.

    Args:
        session: where the models go.
        writer: the threads that write and push them.
        reference: the reference model's file; it comes with the first batch's, in one go.
        order: of the batches; one that is timed alone may come several times.
    """

    def __init__(
        self,
        session: Runner,
        writer: ThreadPoolExecutor,
        reference: bytes,
        order: Iterable[Batch[Key]],
    ) -> None:
        self._session, self._writer, self._reference = session, writer, reference
        self._reference_name: Future[str] = Future()
        self._names: dict[Key, Future[str]] = {}
        batches = tuple(order)
        self._visits = Counter(batch.items[0].key for batch in batches if batch.alone)
        self._to_write = map(self._maker, batches, (index == 0 for index in range(len(batches))))
        self._ahead: deque[Future[MeasureJob]] = deque()
        self._write(1 + _AHEAD)

    def jobs(self) -> Iterator[MeasureJob]:
        """Yield two jobs a batch, the reference model's and its own."""
        while self._ahead:
            job = self._ahead.popleft().result()
            reference = (self._reference_name.result(),)
            yield MeasureJob(reference, _REFERENCE_WINDOW_MS, keep=True)
            yield job
            self._write(1)

    def _write(self, count: int) -> None:
        self._ahead.extend(map(self._writer.submit, islice(self._to_write, count)))

    def _maker(self, batch: Batch[Key], first: bool) -> Callable[[], MeasureJob]:  # noqa: FBT001
        """Return what places a batch's models; called in the order of the batches."""
        if not batch.alone:
            return partial(self._together, batch, first=first)
        (item,) = batch.items
        self._visits[item.key] -= 1
        is_new, reuse = item.key not in self._names, self._visits[item.key] > 0
        name = self._names.setdefault(item.key, Future())
        return partial(self._alone, item if is_new else None, name, first=first, reuse=reuse)

    def _together(self, batch: Batch[Key], *, first: bool) -> MeasureJob:
        models = self._place([item.content() for item in batch.items], first=first)
        return MeasureJob(models, _WINDOW_MS, evict_mb=batch.evict_mb)

    def _alone(
        self, item: Item[Key] | None, name: Future[str], *, first: bool, reuse: bool
    ) -> MeasureJob:
        """Place a model that is visited several times, or wait for the thread that does."""
        if item is not None:
            try:
                name.set_result(*self._place([item.content()], first=first))
            except BaseException as error:
                name.set_exception(error)
                raise
        return MeasureJob((name.result(),), _ALONE_WINDOW_MS, _ALONE_WARMUP_MS, reuse=reuse)

    def _place(self, contents: Sequence[Model], *, first: bool) -> tuple[str, ...]:
        if not first:
            return self._session.place(contents)
        reference, *rest = self._session.place([self._reference, *contents])
        self._reference_name.set_result(reference)
        return tuple(rest)
