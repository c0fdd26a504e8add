"""A program on the far side: started without doubt, read without deadlock, killed for sure."""

from __future__ import annotations

import re
import secrets
import select
import shlex
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING

from paramiko import SSHException

from ...tables.errors import (
    CommandFailedError,
    ConnectionLostError,
    DeviceError,
    DeviceTimeoutError,
    FormatError,
)
from ..texts import clean

if TYPE_CHECKING:
    from .connect import Connection

_START_S = 30.0
_KILL_S = 10.0
_LOOK_S = 5.0  # at the latest, whoever else may have missed to wake us
_BLOCK_BYTES = 1 << 16
_MOST_NOISE_BYTES = 1 << 16
_LONGEST_COMMAND_BYTES = 128 * 1024 - 1  # of the argument by which sshd hands it to a shell
_LAST_WORDS_BYTES = 2000
_MOST_TAKES = 100

# Says on both outputs where the program's own begin, because shells greet, and by which number it
# can be killed. sshd has made a session, and with it a process group, for the shell that it runs
# (for Dropbear, which has not, setsid does); every `exec` keeps that number, so that the program
# leads the group, and the server sees how it ends. Emulators (qemu-user) say that every group is 0:
# there setsid would fork, and the server see the end of what it forked from.
_FIND = (
    'case $p in */*) [ -e "$p" ] || w=missing; [ -f "$p" ] && [ -x "$p" ] || w=${w:-denied} ;; '
    '*) command -v "$p" > /dev/null 2>&1 || w=missing ;; esac'
)
_START = (
    f"m=$1 p=$2 c=$3 w= s=; shift 3; {_FIND}; [ ${{#c}} = 4 ] || w=garbled; "
    "{ read -r _ _ _ _ g _; } < /proc/$$/stat; "
    '[ "$g" = "$$" ] || [ "$g" = 0 ] || s=$(command -v setsid) || s=; '
    'echo "$m" >&2; echo "$m ${w:-$$}"; [ -z "$w" ] || exit 127; exec $s "$@"'
)
# What shells other than POSIX's take for something else: in fish, it has 3 characters, not 4.
_CANARY = "\\\\\n'"
_KILL = 'kill -s KILL -- "-$1" || kill -9 "-$1" || kill -9 "$1"'  # not all shells take the first
_VARIABLE = re.compile("[A-Za-z_][A-Za-z0-9_]*")
_WHY_NOT = {
    b"missing": "No such file or directory",
    b"denied": "Permission denied",
    b"garbled": "the account's login shell is not POSIX's; change it with chsh -s /bin/sh",
}


def command_line(argv: Sequence[str], environment: Mapping[str, str], mark: str) -> str:
    """Return the text that a login shell turns into a program: the one place where we quote.

    Args:
        argv: the program and its arguments.
        environment: that is added to what it has there.
        mark: that no program says by chance.

    Raises:
        CommandFailedError: it is too long.
        FormatError: it holds what no program can be told.
    """
    if any("\0" in word for word in (*argv, *environment.values())):
        raise FormatError(f"an argument of {argv[0]!r} has a NUL in it")
    for variable in environment:
        if not _VARIABLE.fullmatch(variable):
            raise FormatError(f"{variable!r} cannot be the name of an environment variable")
    variables = [f"{name}={value}" for name, value in environment.items()]
    whole = [*(("env", *variables) if variables else ()), *argv]
    text = f"exec {shlex.join(['sh', '-c', _START, 'sartor', mark, argv[0], _CANARY, *whole])}"
    if (size := len(text.encode(errors="surrogateescape"))) > _LONGEST_COMMAND_BYTES:
        raise CommandFailedError(
            f"cannot start {argv[0]}: its arguments are {size} bytes long, and "
            f"{_LONGEST_COMMAND_BYTES} can be sent; put them into a file"
        )
    return text


class Program:
    """A program that runs on a device.

    Attributes:
        name: of the program, for messages.
        output: what came from it and was not taken yet.
        errors: the same of its other output.
    """

    def __init__(
        self, connection: Connection, argv: Sequence[str], environment: Mapping[str, str]
    ) -> None:
        self.name = argv[0]
        self.output, self.errors = bytearray(), bytearray()
        self._connection = connection
        mark = f"sartor-{secrets.token_hex(8)}"
        command = command_line(argv, environment, mark)
        self._pipe = connection.open_pipe()
        self._channel = self._pipe.channel
        self._poll = select.poll()
        self._exit_code: int | None = None
        try:
            with connection.at_most(_START_S):
                self._channel.exec_command(command)
            self._poll.register(self._channel.fileno(), select.POLLIN)
            self._pid = self._read_mark(mark.encode(), time.monotonic() + _START_S)
        except (SSHException, EOFError, OSError) as error:
            self.release()
            if connection.is_lost():
                raise connection.lost(error) from error
            raise DeviceError(
                f"{connection.name} does not let us run programs; check ForceCommand and the "
                "account's shell"
            ) from error
        except BaseException:
            self.release()
            raise

    @property
    def has_ended_output(self) -> bool:
        """Whether all has been read that the program will ever say.

        Raises:
            ConnectionLostError: nobody knows, because the connection broke.
        """
        channel = self._channel
        if not (channel.eof_received or channel.closed):
            return False
        if channel.recv_ready() or channel.recv_stderr_ready():
            return False
        if not channel.eof_received and self._knows_no_end() and self._connection.is_lost():
            raise self._connection.lost()
        return True

    def read(self, deadline_s: float) -> bool:
        """Wait until it says something or ends its output; False when neither came in time.

        Raises:
            ConnectionLostError: the connection broke.
        """
        while True:
            if self._take():
                return True
            if self.has_ended_output:
                return True
            left_s = deadline_s - time.monotonic()
            if left_s <= 0:
                return False
            self._poll.poll(1000 * min(left_s, _LOOK_S))

    def write(self, content: bytes, timeout_s: float) -> None:
        """Hand over some input.

        Raises:
            DeviceError: it no longer reads.
            DeviceTimeoutError: it has not read for ``timeout_s`` seconds.
            ConnectionLostError: the connection broke.
        """
        sent = 0
        try:
            while sent < len(content):
                with self._connection.at_most(2 * timeout_s):
                    size = self._pipe.send(content[sent : sent + _BLOCK_BYTES], timeout_s)
                if not size:
                    raise BrokenPipeError
                sent += size
        except TimeoutError as error:
            raise DeviceTimeoutError(
                f"{self.name} on {self._connection.name} has read nothing for {timeout_s:g} s"
            ) from error
        except (SSHException, EOFError, OSError) as error:
            if self._knows_no_end() and self._connection.is_lost():
                raise self._connection.lost(error) from error
            raise DeviceError(f"{self.name} no longer reads: it has ended") from error

    def end_input(self) -> None:
        """Tell it that nothing more will come."""
        with suppress(SSHException, EOFError, OSError), self._connection.at_most(_START_S):
            self._pipe.end()

    def wait(self, deadline_s: float) -> int | None:
        """Wait for its end, after that of its output; return its exit code, None if it is late.

        Returns:
            Minus a signal's number when that ended it.

        Raises:
            ConnectionLostError: nobody knows, because the connection broke.
        """
        if self._exit_code is None:
            # A signal is told of by the channel's end alone.
            if not self._channel.status_event.wait(max(0.0, deadline_s - time.monotonic())):
                return None
            self._exit_code = self._end()
            self.release()
        return self._exit_code

    def kill(self) -> None:
        """End it and all programs that it has started, unless they have left its group."""
        if self._exit_code is not None or not self._knows_no_end():
            return
        kill = ["sh", "-c", _KILL, "sartor", self._pid]
        try:
            killer = Program(self._connection, kill, {})
        except ConnectionLostError:
            raise
        except DeviceError:  # it allows no second program beside the first
            with suppress(SSHException, EOFError, OSError), self._connection.at_most(_START_S):
                self._pipe.kill()
            return
        killer.end_input()
        deadline_s = time.monotonic() + _KILL_S
        while not killer.has_ended_output and killer.read(deadline_s):
            killer.output.clear()
        killer.release()

    def release(self) -> None:
        """Close the channel; a program that still runs is not ended by that, but told nothing more.

        It may be called again.
        """
        self._connection.close_pipe(self._pipe)

    def last_words(self) -> str:
        """Return the end of what it has written to standard error by now."""
        with suppress(ConnectionLostError):  # what came before counts
            for _ in range(_MOST_TAKES):
                if not self._take_errors():
                    break
        self.forget_errors()
        return bytes(self.errors[-_LAST_WORDS_BYTES:]).decode(errors="replace").strip()

    def forget_errors(self) -> None:
        """Keep no more than the end of what it has written to standard error."""
        del self.errors[:-_LAST_WORDS_BYTES]

    def _knows_no_end(self) -> bool:
        return self._channel.exit_status == -1 and self._connection.signal_of(self._pipe) is None

    def _end(self) -> int:
        number = self._connection.signal_of(self._pipe)
        if number is not None:
            return -number
        if self._channel.exit_status == -1:
            if self._connection.is_lost():
                raise self._connection.lost()
            raise DeviceError(
                f"{self._connection.name} does not say how {self.name} ended; update its SSH server"
            )
        return self._channel.exit_status

    def _take(self) -> bool:
        errors = self._take_errors()
        block = self._received(self._pipe.receive)
        self.output += block
        return bool(block) or errors

    def _take_errors(self) -> bool:
        block = self._received(self._pipe.receive_errors)
        self.errors += block
        return bool(block)

    def _received(self, receive: Callable[[], bytes]) -> bytes:
        try:
            with self._connection.at_most(_START_S):
                return receive()  # and tell the peer that it may send more
        except (SSHException, EOFError, OSError) as error:
            raise self._connection.lost(error) from error

    def _read_mark(self, mark: bytes, deadline_s: float) -> str:
        """Wait for the program's start on both outputs; return its number."""
        while (said := _after_mark(self.output, mark)) is None or (
            _after_mark(self.errors, mark) is None
        ):
            noise = len(self.output) + len(self.errors)
            if noise > _MOST_NOISE_BYTES or self.has_ended_output:
                words = clean(bytes(self.output + self.errors).decode(errors="replace"))
                raise CommandFailedError(
                    f"cannot start {self.name} on {self._connection.name}: its login shell runs no "
                    f"command ({words or 'it says nothing'}); check the account's shell"
                )
            if not self.read(deadline_s):
                raise DeviceTimeoutError(
                    f"{self._connection.name} did not start {self.name} within {_START_S:g} s; "
                    "check its load"
                )
        start, number = said
        self.output = self.output[start:]
        after = _after_mark(self.errors, mark)
        self.errors = self.errors[after[0] if after else 0 :]
        if number in _WHY_NOT:
            raise CommandFailedError(f"cannot start {self.name}: {_WHY_NOT[number]}")
        if not number.isdigit():
            raise DeviceError(f"{self._connection.name} gives {number!r} as a program's number")
        return number.decode()


def _after_mark(said: bytearray, mark: bytes) -> tuple[int, bytes] | None:
    """Find the line of a mark: where the next one begins, and what stands behind the mark."""
    start = said.find(mark)
    end = said.find(b"\n", start)
    if start < 0 or end < 0:
        return None
    return end + 1, bytes(said[start + len(mark) : end]).strip()
