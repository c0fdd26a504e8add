"""Getting hold of a phone: adb's server, ``adb connect``, and the phone's state."""

from __future__ import annotations

import re
import time
from collections.abc import Sequence

from ...tables.errors import (
    ConnectionLostError,
    DeviceError,
    DeviceTimeoutError,
    DeviceUnreachableError,
    NotAuthorizedError,
)
from .client import AdbClient, Said
from .states import PASSING, READY, Phone, parse_devices, unusable

_ASK_S = 20
_CONNECT_S = 15
_SETTLES_WITHIN_S = 5.0
_PAUSE_S = 0.1
_KILL_S = 10
_OVER_TCP = re.compile(r"(\[[0-9a-fA-F:]+\]|[A-Za-z0-9._-]+):[0-9]{1,5}")
_CONNECTED = re.compile(r"(already )?connected to ", re.MULTILINE)
_GONE = re.compile(
    r"^(?:adb: )?error: (?:device (?:'.*' not found|offline|unauthorized|still (?:authorizing|"
    r"connecting))|no devices|closed|failed to get feature set|protocol fault|insufficient perm)",
    re.MULTILINE,
)


class Connection:
    """What leads to one phone; it is made when it is needed, and again after it broke.

    Attributes:
        name: of the device, as users know it.
        serial: of the phone, or its HOST:PORT.
    """

    def __init__(self, client: AdbClient, name: str, serial: str) -> None:
        self.name, self.serial = name, serial
        self._client = client
        self._features: frozenset[str] | None = None

    @property
    def over_tcp(self) -> bool:
        """Whether the phone is reached over the network."""
        return _OVER_TCP.fullmatch(self.serial) is not None

    def features(self) -> frozenset[str]:
        """Connect if need be; return what the phone's adbd can do, such as ``shell_v2``.

        Raises:
            DeviceUnreachableError: there is no connection to be had.
            NotAuthorizedError: the phone does not let this computer in.
        """
        if self._features is None:
            self._reach()
            said = self._client.ask(["-s", self.serial, "features"], _ASK_S)
            if said.exit_code:
                raise DeviceUnreachableError(f"{self.name} does not answer: {said.complaint}")
            self._features = frozenset(said.stdout.decode(errors="replace").split())
        return self._features

    def forget(self) -> None:
        """Take it that the connection broke."""
        self._features = None

    def never_began(self, stderr: bytes) -> bool:
        """Tell whether adb's complaint means that nothing at all reached the phone."""
        return _GONE.search(stderr.decode(errors="replace")) is not None

    def lost(self, what: str, stderr: bytes = b"") -> ConnectionLostError:
        """Forget the connection, and return the error that says so.

        Args:
            what: was going on, ``PROGRAM was running``.
            stderr: adb's.
        """
        self.forget()
        lines = [line for line in stderr.decode(errors="replace").splitlines() if line.strip()]
        cause = f" ({lines[-1].strip()[:200]})" if lines else ""
        remedy = (
            "check its network"
            if self.over_tcp
            else "check the cable, and that nobody unplugged it"
        )
        return ConnectionLostError(
            f"the connection to {self.name} ({self.serial}) broke while {what}{cause}; {remedy}"
        )

    def ask(self, arguments: Sequence[str], timeout_s: float) -> Said:
        """Run adb for this phone; see ``AdbClient.ask``."""
        return self._client.ask(["-s", self.serial, *arguments], timeout_s)

    def kill(self, group: int) -> None:
        """End all processes of a group on the phone; with 0, only ask whether it answers.

        Raises:
            ConnectionLostError: it does not answer.
        """
        script = f"kill -9 -- -{group} 2>/dev/null; echo done" if group else "echo done"
        try:
            said = self.ask(["shell", "-n", "-T", script], _KILL_S)
        except DeviceTimeoutError as error:
            raise self.lost("a program was being ended", str(error).encode()) from error
        if said.stdout.strip() != b"done":
            raise self.lost("a program was being ended", said.stderr)

    def _phones(self) -> tuple[Phone, ...]:
        said = self._client.ask(["devices", "-l"], _ASK_S)
        if said.exit_code or b"List of devices" not in said.stdout:
            raise DeviceUnreachableError(
                f"adb cannot say which phones there are: {said.complaint}; "
                "restart its server: adb kill-server"
            )
        return parse_devices(said.stdout.decode(errors="replace"))

    def _state(self) -> str:
        return next((phone.state for phone in self._phones() if phone.serial == self.serial), "")

    def _reach(self) -> None:
        """Return once the phone is ready; otherwise explain why it is not."""
        refused = ""
        deadline = time.monotonic() + _SETTLES_WITHIN_S
        if self.over_tcp and self._state() != READY:
            refused = self._connect()
        while True:
            phones = self._phones()
            problem = unusable(self.name, self.serial, phones)
            if problem is None:
                return
            mine = [phone.state for phone in phones if phone.serial == self.serial]
            if not (mine and mine[0] in PASSING) or time.monotonic() > deadline:
                break
            time.sleep(_PAUSE_S)
        if refused and not isinstance(problem, NotAuthorizedError):
            raise DeviceUnreachableError(
                f"cannot connect to {self.name} ({self.serial}): {refused}; wake it, see that both "
                "are in the same network, and that wireless debugging is on (after a restart: "
                "adb tcpip 5555, over USB)"
            )
        raise problem

    def _connect(self) -> str:
        """Connect over the network; return why that failed, empty if it did not."""
        try:
            if self._state():  # adb calls it connected, though it is offline
                self._client.ask(["disconnect", self.serial], _ASK_S)
            said = self._client.ask(["connect", self.serial], _CONNECT_S)
        except DeviceTimeoutError:
            return f"no answer within {_CONNECT_S} s"
        except DeviceUnreachableError:
            raise
        except DeviceError as error:
            return str(error)
        text = said.stdout.decode(errors="replace")
        return "" if _CONNECTED.search(text) else said.complaint
