"""A connection to a device: through its jump hosts, with its host keys verified, and watched."""

from __future__ import annotations

import logging
import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from itertools import count
from threading import Lock
from typing import cast
from weakref import finalize

from paramiko import ChannelException, Message, SSHException, Transport
from paramiko.common import cMSG_GLOBAL_REQUEST

from ...tables.errors import (
    ConnectionLostError,
    DeviceError,
    DeviceUnreachableError,
    HostKeyError,
)
from ..texts import clean
from .config import Hop
from .host_key import HostKey
from .login import LOGIN_S, log_in
from .pipe import Pipe, Tunnel
from .trust import Trust
from .watch import watch
from .wire import SILENCE_S, WINDOW_BYTES, BoundedPacketizer, Carrier, Wire, dial

logging.getLogger("paramiko").addHandler(logging.NullHandler())  # what it says, our errors say

_HANDSHAKE_S = 20.0
_ANSWER_S = 20.0
_HANGS_UP = "hangs up at once"


class _Leg:
    """The connection to one host of the way."""

    def __init__(self, hop: Hop, carrier: Carrier) -> None:
        self.hop = hop
        self.wire = Wire(carrier)
        self.transport = Transport(
            cast("socket.socket", self.wire),
            default_window_size=WINDOW_BYTES,
            packetizer_class=BoundedPacketizer,
        )
        self.packetizer = cast("BoundedPacketizer", self.transport.packetizer)
        self.transport.banner_timeout = hop.connect_timeout_s
        self.transport.auth_timeout = LOGIN_S
        self.heard_bytes = 0
        self.silent_s = 0.0

    def ask(self) -> None:
        """Ask for a sign of life; nothing is done with the answer, which is counted on the way."""
        # Not while keys are exchanged, when nothing else may be sent.
        if self.transport.clear_to_send.is_set():
            message = Message()
            message.add_byte(cMSG_GLOBAL_REQUEST)
            message.add_string("keepalive@openssh.com")
            message.add_boolean(True)  # noqa: FBT003 (paramiko's)
            self.packetizer.send_message(message)

    def abandon(self) -> None:
        """Close it without a word, so that nothing can wait."""
        self.transport.active = False  # type: ignore[attr-defined]
        self.packetizer.complete_handshake()  # which ends a timer that Python would wait for
        self.packetizer.close()


class Connection:
    """Logged in to a device. Several threads may use it at once.

    Attributes:
        name: of the device, for messages.
        why_lost: the reason, once it is.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.why_lost = ""
        self._legs: list[_Leg] = []
        self._limits: dict[int, float] = {}  # seconds that are left
        self._limit_numbers = count()
        self._lock = Lock()
        finalize(self, _abandon, self._legs)

    @property
    def is_alive(self) -> bool:
        """Whether it can be used as far as is known."""
        return not self.why_lost and all(leg.transport.is_active() for leg in self._legs)

    def extend(self, hop: Hop, trust: Trust) -> None:
        """Connect to the next host through those before it.

        Raises:
            DeviceUnreachableError: it does not answer, cannot prove itself, or lets us not in.
        """
        leg = self._dial(hop)
        try:
            _shake_hands(leg, trust)
            log_in(leg.transport, hop)
        except BaseException:
            leg.abandon()
            raise
        leg.wire.is_trusted = True
        leg.packetizer.ask_when_idle(leg.ask)
        with self._lock:
            self._legs.append(leg)
        if len(self._legs) == 1:
            watch(self)

    def shown_key(self, hop: Hop, kinds: Sequence[str]) -> HostKey | None:
        """Ask the next host for its key, without logging in.

        Args:
            hop: the host.
            kinds: the algorithms that are understood, the dearest first.

        Returns:
            None if it has no key of these kinds.
        """
        leg = self._dial(hop)
        try:
            return _shown_key(leg, kinds)
        finally:
            leg.abandon()

    def open_pipe(self) -> Pipe:
        """Open a channel for a program.

        Raises:
            ConnectionLostError: the connection is broken.
            DeviceError: the device allows no more of them.
        """
        leg = self._legs[-1]
        try:
            channel = leg.transport.open_session(timeout=_ANSWER_S)
        except ChannelException as error:
            raise DeviceError(
                f"{self.name} allows no further session ({error.text}); end other programs that "
                "use it, or raise MaxSessions in its sshd_config"
            ) from error
        except (SSHException, EOFError, OSError) as error:
            raise self.lost(error) from error
        leg.packetizer.channels[channel.get_id()] = channel
        return Pipe(channel)

    def close_pipe(self, pipe: Pipe) -> None:
        """Close a channel, and forget what was noted of it."""
        self._legs[-1].packetizer.forget(pipe.channel.get_id())
        with suppress(SSHException, EOFError, OSError), self.at_most(_ANSWER_S):
            pipe.close()

    def signal_of(self, pipe: Pipe) -> int | None:
        """Return the signal that ended the program of a channel, if one did."""
        return self._legs[-1].packetizer.signals.get(pipe.channel.get_id())

    def is_lost(self) -> bool:
        """Tell whether it is broken, for sure: a dying one says so a little late."""
        if self.is_alive:
            self._legs[-1].transport.join(0.5)
        return not self.is_alive

    def lost(self, error: BaseException | None = None) -> ConnectionLostError:
        """Return the error that tells that the connection broke, and leave nothing of it open."""
        if not self.why_lost:
            self.abandon(self._saved_reason() or _reason(error) or "it was closed at the other end")
        return ConnectionLostError(
            f"the connection to {self.name} broke: {self.why_lost}; what was asked of it may have "
            "been done"
        )

    @contextmanager
    def at_most(self, timeout_s: float) -> Iterator[None]:
        """Give up the connection if what is done meanwhile takes longer; paramiko would wait."""
        number = next(self._limit_numbers)
        with self._lock:
            self._limits[number] = timeout_s
        try:
            yield
        finally:
            with self._lock:
                del self._limits[number]

    def look(self, elapsed_s: float) -> None:
        """Give up when a host has been silent for too long, or takes too long; never wait."""
        with self._lock:
            legs = list(self._legs)
            for number in self._limits:
                self._limits[number] -= elapsed_s
            is_late = any(left_s < 0 for left_s in self._limits.values())
        for leg in legs:
            if leg.wire.heard_bytes != leg.heard_bytes:
                leg.heard_bytes, leg.silent_s = leg.wire.heard_bytes, 0.0
            else:
                leg.silent_s += elapsed_s
            if leg.silent_s >= SILENCE_S:
                where = "it" if leg is legs[-1] else f"the jump host {leg.hop}"
                self.abandon(f"{where} has been silent for {SILENCE_S:g} s")
                return
        if is_late:
            self.abandon("it takes too long to answer")

    def abandon(self, why: str) -> None:
        """Give it up: all that waits for it ends with an error."""
        with self._lock:
            self.why_lost = self.why_lost or why
            legs = list(self._legs)
        _abandon(legs)

    def close(self) -> None:
        """End it; no goodbye, for which a dead peer would let us wait."""
        self.abandon("we closed it")

    def _dial(self, hop: Hop) -> _Leg:
        timeout_s = hop.connect_timeout_s
        if not self._legs:
            try:
                carrier = dial(hop.host, hop.port, timeout_s)
            except ConnectionResetError as error:
                raise _no_server(hop, _HANGS_UP) from error
            except (OSError, UnicodeError) as error:
                raise DeviceUnreachableError(
                    f"cannot connect to {hop}: {_reason(error)}; check that it is switched on, its "
                    "address, and that its SSH server runs"
                ) from error
            return _Leg(hop, carrier)
        last = self._legs[-1]
        try:
            channel = last.transport.open_channel(
                "direct-tcpip", (hop.host, hop.port), ("127.0.0.1", 0), timeout=timeout_s
            )
        except ChannelException as error:
            raise DeviceUnreachableError(
                f"the jump host {last.hop} cannot connect to {hop}: {error.text}; check that it is "
                "switched on, and AllowTcpForwarding on the jump host"
            ) from error
        except (SSHException, EOFError, OSError) as error:
            raise DeviceUnreachableError(
                f"cannot connect to {hop} through the jump host {last.hop}: {_reason(error)}; "
                "check that it is switched on"
            ) from error
        last.packetizer.channels[channel.get_id()] = channel
        return _Leg(hop, Tunnel(Pipe(channel)))

    def _saved_reason(self) -> str:
        for leg in self._legs:
            if not leg.transport.is_active() and (error := leg.transport.get_exception()):
                return _reason(error)
        return ""


def _abandon(legs: list[_Leg]) -> None:
    # The nearest first: once its socket is closed, nothing waits any more to be sent through it.
    for leg in legs:
        leg.abandon()


def connect(name: str, route: Sequence[Hop], trust: Trust) -> Connection:
    """Connect to the last of some hosts through all others.

    Raises:
        DeviceUnreachableError: a host of the way does not answer.
        HostKeyError: one cannot prove that it is the one that was meant.
        NotAuthorizedError: one does not let us in.
    """
    connection = Connection(name)
    try:
        for hop in route:
            connection.extend(hop, trust)
    except BaseException:
        connection.abandon("there never was one")
        raise
    return connection


def _shake_hands(leg: _Leg, trust: Trust) -> None:
    key = _shown_key(leg, trust.kinds(leg.hop))
    if key is None:
        raise HostKeyError(
            f"{leg.hop} has no host key of a kind that is understood; make one there with: "
            "ssh-keygen -A"
        )
    trust.judge(leg.hop, key)


def _shown_key(leg: _Leg, kinds: Sequence[str]) -> HostKey | None:
    """Exchange keys; return what the host showed, None if it has nothing of the wanted kinds."""
    transport, hop = leg.transport, leg.hop
    transport.get_security_options().key_types = tuple(kinds)
    try:
        transport.start_client(timeout=_HANDSHAKE_S + hop.connect_timeout_s)
        key = transport.get_remote_server_key()
    except (SSHException, EOFError, OSError) as error:
        if "no acceptable host key" in str(error):  # paramiko's own words, in one language
            return None
        if leg.wire.heard_bytes:
            what = f"does not speak SSH as we do ({_reason(error) or 'it hung up'})"
        elif leg.wire.hung_up:
            what = _HANGS_UP
        else:
            what = f"accepts connections and says nothing for {hop.connect_timeout_s:g} s"
        raise _no_server(hop, what) from error
    certificate = key.public_blob.key_blob if key.public_blob is not None else b""
    return HostKey(hop.known_as, key.get_name(), key.asbytes(), certificate)


def _no_server(hop: Hop, what: str) -> DeviceUnreachableError:
    return DeviceUnreachableError(
        f"{hop} {what}; check that an SSH server listens on that port, and its load"
    )


def _reason(error: BaseException | None) -> str:
    """Say what happened in a few words."""
    if error is None or isinstance(error, EOFError):
        return ""
    if isinstance(error, TimeoutError) and not error.strerror:
        return str(error) if str(error) != "timed out" else "no answer in time"
    return clean((error.strerror if isinstance(error, OSError) else "") or str(error))
