"""Streams that outlast the connections they go over."""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress

from ..tables.errors import (
    CommandFailedError,
    ConnectionLostError,
    DeviceError,
    DeviceRestartedError,
    DeviceTimeoutError,
)
from .attachment import Attachment, NotThereError, Start
from .device import Device, Stream
from .ledger import Ledger, Told
from .patience import Patience, pauses_s
from .relay.frames import WINDOW

_LINGER_S = 60.0
"""How much longer a program is kept than we try to get back to it."""

_HELD_S = 10.0
"""A connection that held for so long was one, though nothing came over it."""

_LOOK_S = 1.0
_KILL_S = 10.0
_GOODBYE_S = 2.0
_KILLED = -9

_open: set[str] = set()
"""Names of the relays that this process uses."""


def open_lasting_stream(
    device: Device,
    argv: Sequence[str],
    environment: Mapping[str, str],
    patience: Patience | None = None,
) -> Stream:
    """Start a program that outlives the connection to its device, and talk to it.

    Where there is a connection, the program runs under a relay (``devices.relay``). When that
    connection breaks, or nothing is heard for nine seconds, the stream connects again and goes on
    at the byte where it was. The program ends with the stream. When this process dies, the program
    ends once nobody tries to get back to it any more, or as soon as another process of this machine
    starts one there.

    Args:
        device: to run on; it is asked for raw streams.
        argv: the program and its arguments.
        environment: added to the device's own.
        patience: how long to try to get back, shared by all who talk to the device.

    Raises:
        CommandFailedError: there is no such program, or no Python that runs a relay.
        DeviceUnreachableError: there is no connection to the device.
        ConnectionLostError: there was one, and it did not come back.
    """
    if not device.remote:
        return device.open_stream(argv, environment)
    return LastingStream(device, argv, environment, patience or Patience(device.name))


class LastingStream:
    """A stream to a program under a relay: does what ``Stream`` says.

    What needs the device raises, besides:

        DeviceRestartedError: it was started anew, and the program is gone.
        ConnectionLostError: the connection did not come back.
    """

    def __init__(
        self,
        device: Device,
        argv: Sequence[str],
        environment: Mapping[str, str],
        patience: Patience,
    ) -> None:
        self._device, self._program, self._patience = device, argv[0], patience
        self._name = uuid.uuid4().hex
        self._changed = threading.Condition()  # guards all that follows
        self._ledger = Ledger()
        self._failure: DeviceError | None = None
        self._attachment: Attachment | None = None
        self._away_s, self._away_since = 0.0, 0.0
        start = Start(tuple(argv), dict(environment), patience.patience_s + _LINGER_S)
        _open.add(self._name)
        try:
            first = self._attach(start, time.monotonic(), pauses_s())
        except DeviceError:
            _open.discard(self._name)
            raise
        self._boot = first.boot
        self._thread = threading.Thread(target=self._stay_attached, args=(first,), daemon=True)
        self._thread.start()

    def send_line(self, line: str) -> None:
        """Write one line; see ``Stream.send_line``."""
        text = f"{line}\n".encode()
        with self._changed:
            ledger = self._ledger
            while not (ledger.deaf or ledger.status is not None or ledger.closing):
                self._check()
                if not ledger.input or len(ledger.input) + len(text) <= WINDOW:
                    ledger.input.add(text)
                    self._changed.notify_all()
                    return
                self._changed.wait(_LOOK_S)
        raise DeviceError(f"{self._program} on {self._device.name} no longer reads")

    def read_line(self, timeout_s: float) -> str | None:
        """Return the next line, or None at the end; see ``Stream.read_line``.

        Time without a connection does not count.
        """
        with self._changed:
            ledger = self._ledger
            if not self._await(lambda: ledger.has_line() or ledger.ended, timeout_s):
                raise DeviceTimeoutError(
                    f"{self._program} on {self._device.name} said nothing for {timeout_s:g} s"
                )
            return ledger.take_line() if ledger.has_line() else None

    def last_words(self) -> str:
        """Return the end of standard error; see ``Stream.last_words``."""
        with self._changed:
            return self._ledger.words.strip()

    def close(self, timeout_s: float = 10) -> int:
        """End the input, wait, kill if need be; see ``Stream.close``."""
        with self._changed:
            ledger = self._ledger
            ledger.closing = True
            self._changed.notify_all()
            try:
                if not self._await(lambda: ledger.status is not None, timeout_s):
                    ledger.killing = True
                    self._changed.notify_all()
                    self._await(lambda: ledger.status is not None, _KILL_S)
            finally:
                ledger.leaving = True
                _open.discard(self._name)
                self._changed.notify_all()
        self._thread.join(_GOODBYE_S)
        if ledger.status is None:
            raise DeviceTimeoutError(f"{self._program} on {self._device.name} cannot be ended")
        return ledger.status

    def kill(self) -> None:
        """End the program at once; see ``Stream.kill``."""
        with self._changed:
            self._ledger.killing = True
            self._changed.notify_all()

    # Waiting, with the lock held.

    def _await(self, done: Callable[[], bool], timeout_s: float) -> bool:
        """Wait until something is so; tell whether it is."""
        deadline, away_s = time.monotonic() + timeout_s, self._away()
        while not done():
            self._check()
            left_s = deadline - time.monotonic() + self._away() - away_s
            if left_s <= 0:
                return False
            self._changed.wait(min(left_s, _LOOK_S))
        return True

    def _away(self) -> float:
        """Return for how long there has been no connection in all, in seconds."""
        now_s = time.monotonic() - self._away_since if self._attachment is None else 0.0
        return self._away_s + now_s

    def _check(self) -> None:
        if self._failure is not None:
            raise type(self._failure)(str(self._failure)) from self._failure

    # The thread that listens, whatever breaks.

    def _stay_attached(self, attachment: Attachment) -> None:
        since, pauses = time.monotonic(), pauses_s()
        try:
            while True:
                before, begun = self._ledger.progress, time.monotonic()
                if (lost := self._converse(attachment)) is None:
                    return
                held_s = time.monotonic() - begun
                if self._ledger.progress > before or held_s >= _HELD_S:
                    since, pauses = time.monotonic(), pauses_s()
                self._patience.failed(lost, since)
                time.sleep(next(pauses))
                attachment = self._attach(None, since, pauses)
        except NotThereError as error:
            if not self._ledger.leaving:
                self._end_without_relay(error)
        except DeviceError as error:
            self._fail(error)

    def _attach(self, start: Start | None, since: float, pauses: Iterator[float]) -> Attachment:
        """Attach as soon as that is possible."""
        while True:
            try:
                found = Attachment(self._device, self._name, self._ledger.received, start, _open)
            except NotThereError:
                raise
            except DeviceError as error:
                if start is not None and isinstance(error, CommandFailedError):
                    raise
                self._patience.failed(error, since)
            else:
                self._patience.answered()
                return found
            time.sleep(next(pauses))

    def _converse(self, attachment: Attachment) -> DeviceError | None:
        """Talk until the connection breaks, and say how; None when all has been said."""
        with self._changed:
            self._away_s, self._attachment = self._away(), attachment
            self._changed.notify_all()
        lost: DeviceError | None = None
        try:
            self._ledger.input.drop(attachment.arrived)
            threading.Thread(target=self._talk, args=(attachment,), daemon=True).start()
            while (said := attachment.read()) is not None:
                with self._changed:
                    self._ledger.note(said)
                    self._changed.notify_all()
        except DeviceError as error:
            lost = error
        except (ValueError, IndexError) as error:
            lost = attachment.nonsense(error)
        with self._changed:
            self._attachment, self._away_since = None, time.monotonic()
            over = self._ledger.leaving and lost is None
            self._changed.notify_all()
        if over:
            attachment.close()
            return None
        attachment.abandon()  # a goodbye that may not have arrived is said again
        return lost or ConnectionLostError(f"{self._device.name} has hung up")

    def _talk(self, attachment: Attachment) -> None:
        """Say over one connection what is to be said; who listens notices when it breaks."""
        told = Told(attachment.arrived)
        with suppress(DeviceError):
            while not told.all:
                with self._changed:
                    if self._attachment is not attachment:
                        return
                    if not (due := told.due(self._ledger)):
                        self._changed.wait(told.idle_s)
                for kind, values in due:
                    attachment.send(kind, *values)

    def _end_without_relay(self, error: NotThereError) -> None:
        """Do as the program does that has lost its relay."""
        if error.boot != self._boot:
            self._fail(
                DeviceRestartedError(
                    f"{self._device.name} was restarted meanwhile; what was measured is safe: run "
                    "the same command again to go on"
                )
            )
            return
        with self._changed:
            ledger = self._ledger
            ledger.status, ledger.ended = _KILLED, True
            ledger.words = f"{ledger.words}\nits relay is gone, killed or tired of waiting".strip()
            self._changed.notify_all()

    def _fail(self, error: DeviceError) -> None:
        with self._changed:
            self._failure = error
            self._changed.notify_all()
