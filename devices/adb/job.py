"""A program on the phone: the shell text that runs it, and the signs that frame what it prints.

ADB's exit code says little: it is 0, too, when the connection broke. So a shell on the phone prints
a sign, a word that nobody can guess, before the program starts, with the number of its process
group, and another after it has ended, with its exit status. Without the last sign the connection
broke.
"""

from __future__ import annotations

import re
import secrets
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from ...tables.errors import FormatError

_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_SIGNALLED = range(129, 193)
# The program gets a session of its own, so that it can be killed with all that it started. The
# first shell lives beside it: when adbd hangs up, because the connection broke, it kills that.
# A shell that cannot start a program leaves by its trap; one that becomes the program has none.
_INNER = """\
command -v -- "$1" >/dev/null || {{ echo {sign} missing; exit 127; }}
echo {sign} $$
trap 'echo {sign} missing' EXIT
{exports}exec "$@"
"""
_OUTER = """\
exec 3<&0 4>{errors} </dev/null 2>/dev/null
setsid sh -c {inner} sh {argv} <&3 2>&4 3<&- 4>&- &
child=$!
exec 3<&-
trap 'kill -9 -- -$child $child{forget}' HUP
wait $child
status=$?
echo {sign} $status
"""
_END_APART = "echo {sign} $status >&4\n"
_END_TOGETHER = "cat {errors}; rm {errors}; echo {sign} $status\n"


@dataclass(frozen=True, slots=True)
class Ended:
    """What a job's output tells.

    Attributes:
        group: of its processes on the phone, 0 when it was not even started.
        missing: whether there is no such program.
        exit_code: minus a signal's number when that ended it; None when the end never came.
        stdout: what the program printed.
        stderr: the same of errors, and adb's own where the end never came.
    """

    group: int
    missing: bool
    exit_code: int | None
    stdout: bytes
    stderr: bytes


@dataclass(frozen=True, slots=True)
class Job:
    """One run of a program on the phone.

    Attributes:
        argv: of the program.
        environment: added to the phone's own.
        sign: frames what the program prints.
    """

    argv: Sequence[str]
    environment: Mapping[str, str] = field(default_factory=dict)
    sign: str = field(default_factory=lambda: f"sartor-{secrets.token_hex(12)}")

    def shell_text(self, errors: str = "") -> str:
        """Return the text for the phone's shell.

        Args:
            errors: a file on the phone that keeps standard error until the end, where adb cannot
                carry it apart from standard output (shell v1, before Android 7).

        Raises:
            FormatError: a variable's name, or a NUL that no argument can hold.
        """
        for name in self.environment:
            if not _VARIABLE.fullmatch(name):
                raise FormatError(f"{name!r} cannot be the name of an environment variable")
        if any("\0" in text for text in (*self.argv, *self.environment.values())):
            raise FormatError(f"an argument of {self.argv[0]!r} has a NUL in it")
        exports = "".join(
            f"export {name}={shlex.quote(value)}\n" for name, value in self.environment.items()
        )
        inner = _INNER.format(sign=self.sign, exports=exports)
        outer = _OUTER + (_END_TOGETHER if errors else _END_APART)
        return outer.format(
            sign=self.sign,
            inner=shlex.quote(inner),
            argv=shlex.join(self.argv),
            errors=shlex.quote(errors) if errors else "&2",
            forget=f"; rm {shlex.quote(errors)}" if errors else "",
        )

    def status(self, words: bytes) -> int:
        """Read an exit status as the shell writes it: 128 and more say which signal ended it.

        A program that exits with 129 to 192 by itself reads the same.
        """
        number = int(words)
        return 128 - number if number in _SIGNALLED else number

    def read(self, stdout: bytes, stderr: bytes, *, apart: bool = True) -> Ended:
        """Take apart what adb printed.

        Args:
            stdout: of adb.
            stderr: of adb.
            apart: whether the program's two outputs came apart.
        """
        sign = self.sign.encode()
        pattern = re.compile(rb"%s (missing|[0-9]{1,10})\n" % sign)
        signs = list(pattern.finditer(stdout))
        missing = any(found[1] == b"missing" for found in signs)
        numbers = [found for found in signs if found[1] != b"missing"]
        group, start = 0, 0
        if signs and signs[0].start() == 0 and signs[0][1] != b"missing":
            group, start = int(signs[0][1]), signs[0].end()
            numbers = numbers[1:]
        wanted = 1 if apart else 2
        errors_end = pattern.search(stderr) if apart else None
        if len(numbers) < wanted or (apart and errors_end is None):
            return Ended(group, missing, None, stdout[start:], stderr)
        printed = stdout[start : numbers[0].start()]
        if errors_end is not None:
            errors = stderr[: errors_end.start()]
        else:
            errors = stdout[numbers[0].end() : numbers[1].start()]
        return Ended(group, missing, self.status(numbers[0][1]), printed, errors)
