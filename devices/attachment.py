"""An attachment: one raw stream to a relay, from the first word to the last."""

from __future__ import annotations

import json
import threading
from collections.abc import Collection
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from ..tables.errors import (
    CommandFailedError,
    ConnectionLostError,
    DeviceError,
    DeviceTimeoutError,
    FormatError,
)
from ..tables.owner import Owner
from .archive import Archive
from .device import Device, Stream
from .relay.frames import BEAT_S, Frame, FrameError, frame, number, read_frame

RELAY = Archive("sartor_relay", Path(__file__).parent / "relay", runs=True)

SILENCE_S = 3 * BEAT_S
"""A peer that says nothing for so long is gone, whatever the connection looks like."""

_START_S = 60.0
"""For Python to start on a slow device."""

_MOST_OTHERS = 1000
_SHOWN = 100
"""Characters of nonsense that are worth repeating."""


class NotThereError(DeviceError):
    """The relay is gone, and its program with it.

    Attributes:
        boot: the name of the device's present boot.
    """

    def __init__(self, boot: str) -> None:
        super().__init__("the relay is gone")
        self.boot = boot


@dataclass(frozen=True, slots=True)
class Start:
    """What a relay is to run.

    Attributes:
        argv: the program and its arguments.
        environment: added to the device's own.
        linger_s: how long it is kept with no host attached, in seconds.

    Raises:
        FormatError: no program can be told that.
    """

    argv: tuple[str, ...]
    environment: dict[str, str]
    linger_s: float

    def __post_init__(self) -> None:
        if any("\0" in word for word in (*self.argv, *self.environment.values())):
            raise FormatError("no program can be told what has a NUL in it")
        for name in self.environment:
            if not name or "=" in name or "\0" in name:
                raise FormatError(f"{name!r} cannot be the name of an environment variable")


class Attachment:
    """A connection to a relay that keeps our program.

    Args:
        device: on which it is.
        name: of the relay.
        have: number of the byte of output that we want first.
        start: what to run, as long as we do not know that it has been started.
        living: names of the relays that this process still uses.

    Attributes:
        boot: the name of the device's boot.
        arrived: bytes of input that the relay has.

    Raises:
        CommandFailedError: there is no such program, or no Python that runs the relay.
        NotThereError: there is no such relay any more.
        ConnectionLostError, DeviceUnreachableError: the connection broke, or there is none.
    """

    def __init__(
        self,
        device: Device,
        name: str,
        have: int,
        start: Start | None,
        living: Collection[str],
    ) -> None:
        self._device, self._name, self._living = device, name, living
        request: dict[str, object] = {"have": have}
        if start is not None:
            owner = json.dumps(asdict(Owner.current()))
            request["start"] = {**asdict(start), "owner": owner}
        try:
            self.boot, self.arrived = self._shake_hands(json.dumps(request))
        except _SilentError as silent:
            # It has never been there, or it is damaged; or it is the device that does not work.
            if RELAY.is_on(device):
                raise silent.explained() from silent
            RELAY.push(device)
            try:
                self.boot, self.arrived = self._shake_hands(json.dumps(request))
            except _SilentError as again:
                raise again.explained() from again

    def send(self, kind: str, *values: object) -> None:
        """Send a frame; DeviceError when the connection is gone."""
        self._stream.send_line(frame(kind, *values))

    def read(self, timeout_s: float = SILENCE_S) -> Frame | None:
        """Return what the relay says next, None when it says no more.

        Raises:
            ConnectionLostError: the connection broke, or the relay has gone silent, or raves.
        """
        try:
            line = self._stream.read_line(timeout_s)
        except DeviceTimeoutError as error:
            raise ConnectionLostError(f"{self._device.name} has gone silent") from error
        if line is None:
            return None
        try:
            return read_frame(line)
        except FrameError as error:
            raise self.nonsense(error) from error

    def nonsense(self, error: Exception) -> ConnectionLostError:
        """Say that the relay said something that cannot be."""
        return ConnectionLostError(
            f"{self._device.name} sent something that no relay says: {error}"
        )

    def close(self) -> None:
        """Clear away a connection over which all has been said."""
        with suppress(DeviceError):
            self._stream.close()

    def abandon(self) -> None:
        """Clear away a connection that broke, or that may be stuck, without waiting for it."""
        threading.Thread(target=self._abandon, args=(self._stream,), daemon=True).start()

    @staticmethod
    def _abandon(stream: Stream) -> None:
        with suppress(DeviceError):
            stream.kill()
        with suppress(DeviceError):
            stream.close(1.0)

    def _shake_hands(self, request: str) -> tuple[str, int]:
        """Open the stream and come to where frames are exchanged."""
        device = self._device
        folder = device.root / "relays"
        argv = [device.python, str(RELAY.path(device)), "attach", str(folder), self._name]
        self._stream: Stream = device.open_stream(argv, {})
        try:
            with suppress(DeviceError):  # it may have ended before it read us, and says why
                self._stream.send_line(request)
            return self._answer()
        except (FrameError, IndexError, TypeError) as error:
            self.abandon()
            raise self.nonsense(error) from error
        except _SilentError:
            raise
        except DeviceError:
            self.abandon()
            raise

    def _answer(self) -> tuple[str, int]:
        while (said := self.read(_START_S)) is not None:
            if said[0] == "attached":
                return str(said[1]), number(said[2])
            if said[0] == "failed":
                raise CommandFailedError(str(said[1])[:_SHOWN])
            if said[0] == "gone":
                raise NotThereError(str(said[1]))
            if said[0] != "others":
                raise FrameError("that is no answer")
            self.send("end", self._dead_among(said[1]))
        raise _SilentError(self._stream, self._device)

    def _dead_among(self, others: object) -> list[object]:
        """Name the relays that were ours, and of whose owners nobody is left."""
        found: list[object] = []
        for name, text in list(others)[:_MOST_OTHERS] if isinstance(others, list) else ():
            with suppress(ValueError, TypeError, KeyError, RecursionError):
                values = json.loads(text)
                owner = Owner(str(values["place"]), int(values["pid"]), str(values["started"]))
                abandoned = owner == Owner.current() and name not in self._living
                if abandoned or not owner.alive(0.0):
                    found.append(str(name))
        return found


class _SilentError(DeviceError):
    """What was to attach us to a relay ended without a word to us."""

    def __init__(self, stream: Stream, device: Device) -> None:
        super().__init__("the relay said nothing")
        self._words = stream.last_words() or "none"
        self._status = stream.close()
        self._device = device

    def explained(self) -> CommandFailedError:
        """Say what is wrong."""
        return CommandFailedError(
            f"{self._device.python} on {self._device.name} cannot run the relay: it ended with "
            f"status {self._status}; its last words: {self._words}"
        )
