"""A program on the phone: the shell text that runs it, and the signs that frame what it prints.

ADB's exit code says little: it is 0, too, when the connection broke. So a shell on the phone prints
a sign, a word that nobody can guess, before the program starts, with the number of its process
group, and another after it has ended, with its exit status. Without the last sign, the connection
broke.
"""

from __future__ import annotations

import re
import secrets
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from ...tables.errors import FormatError

_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_SIGNALLED = range(129, 193)
_LONGEST_BYTES = 60_000
"""adb writes the length of what it asks its server for with four hexadecimal digits."""

# The program gets a session of its own, so that it can be killed with all that it started. The
# first shell lives beside it: when adbd hangs up, because the connection broke, it kills that.
# (So the program starts as one in the background does: it ignores SIGINT and SIGQUIT.) A shell that
# cannot start a program leaves by its trap; one that becomes the program has none.
_INNER = """\
command -v -- "$1" >/dev/null || {{ echo {sign} missing; exit 127; }}
echo {sign} group $$
trap 'case $? in 126|127) echo {sign} missing;; esac' EXIT
{exports}exec "$@"
"""
_OUTER = """\
{prepare}exec 3<&0 4>{errors} </dev/null 2>/dev/null
echo {sign} begin >&4
setsid sh -c {inner} sh {argv} <&3 2>&4 3<&- 4>&- &
child=$!
exec 3<&-
trap 'kill -s KILL -- -$child $child{forget}' HUP
wait $child
status=$?
echo {sign} status $status
{end}echo {sign} status $status >&{last}
"""


@dataclass(frozen=True, slots=True)
class Ended:
    """What a job's output tells.

    Attributes:
        group: of its processes on the phone, 0 when it was not even started.
        missing: whether there is no such program.
        exit_code: minus a signal's number when that ended it; None when the end never came.
        stdout: what the program printed.
        stderr: the same of errors; all that adb printed where the end never came.
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

    @property
    def pattern(self) -> re.Pattern[bytes]:
        """What finds a sign and what it says: (group or status, number), or missing or begin."""
        return re.compile(
            rb"%s (?:(?P<of>group|status) (?P<number>[0-9]{1,10})|(?P<word>missing|begin))\n"
            % self.sign.encode()
        )

    def shell_text(self, keep_errors: PurePosixPath | None = None) -> str:
        """Return the text for the phone's shell, with every argument quoted once.

        Args:
            keep_errors: a folder on the phone where standard error is kept until the end, because
                adb cannot carry it apart from standard output (shell v1, before Android 7).

        Raises:
            FormatError: the name of a variable is none, an argument has a NUL, or all is too long.
        """
        for name in self.environment:
            if not _VARIABLE.fullmatch(name):
                raise FormatError(f"{name!r} cannot be the name of an environment variable")
        if any("\0" in text for text in (*self.argv, *self.environment.values())):
            raise FormatError(f"an argument or a variable of {self.argv[0]!r} has a NUL in it")
        exports = "".join(
            f"export {name}={shlex.quote(value)}\n" for name, value in self.environment.items()
        )
        errors = shlex.quote(str(keep_errors / f".{self.sign}")) if keep_errors else ""
        text = _OUTER.format(
            sign=self.sign,
            inner=shlex.quote(_INNER.format(sign=self.sign, exports=exports)),
            argv=shlex.join(self.argv),
            prepare=f"mkdir -p {shlex.quote(str(keep_errors))}\n" if keep_errors else "",
            errors=errors or "&2",
            forget=f"; rm {errors}" if errors else "",
            end=f"cat {errors}; rm {errors}\n" if errors else "",
            last=1 if errors else 4,
        )
        if len(text.encode()) > _LONGEST_BYTES:
            raise FormatError(
                f"the arguments of {self.argv[0]!r} are too long for adb; push them as a file"
            )
        return text

    def status(self, number: bytes) -> int:
        """Read an exit status as the shell tells it: 128 and more say which signal it was.

        A program that exits with 129 to 192 by itself reads the same.
        """
        return 128 - int(number) if int(number) in _SIGNALLED else int(number)

    def read(self, stdout: bytes, stderr: bytes, *, apart: bool = True) -> Ended:
        """Take apart what adb printed.

        Args:
            stdout: of adb.
            stderr: of adb.
            apart: whether the program's two outputs came apart.
        """
        signs = list(self.pattern.finditer(stdout))
        group = next((sign for sign in signs if sign["of"] == b"group"), None)
        ends = [sign for sign in signs if sign["of"] == b"status"]
        source = stderr if apart else stdout
        errors = [sign for sign in self.pattern.finditer(source) if sign["word"] == b"begin"]
        last = [sign for sign in self.pattern.finditer(source) if sign["of"] == b"status"]
        whole = ends and errors and len(last) == (1 if apart else 2)
        return Ended(
            group=int(group["number"]) if group else 0,
            missing=any(sign["word"] == b"missing" for sign in signs),
            exit_code=self.status(ends[0]["number"]) if whole else None,
            stdout=stdout[group.end() if group else 0 : ends[0].start() if ends else None],
            stderr=source[errors[0].end() : last[-1].start()] if whole else stderr,
        )
