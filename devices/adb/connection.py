"""Getting hold of a phone: adb's server, ``adb connect``, and the state that the phone is in."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from typing import TypeVar

from ...tables.errors import (
    ConnectionLostError,
    DeviceError,
    DeviceTimeoutError,
    DeviceUnreachableError,
)
from .client import AdbClient
from .server import check_server
from .states import PASSES_WITHIN_S, Phone, parse_devices, unreached, unusable

SHELL_V2 = "shell_v2"
"""What adbd calls it that it carries two outputs apart, and exit codes; from Android 7."""
_ASK_S = 20
_CONNECT_S = 10
_KILL_S = 10
_PAUSE_S = 0.1
_TRIES = 3
_RECONNECT_S = (0, 0.1, 0.3, 1)
"""Pauses: adb's server reconnects by itself, too, and then undoes what we have just done."""
_WORTH_CONNECTING = frozenset({"", "offline", "unauthorized"})
_OVER_TCP = re.compile(r"(\[[0-9a-fA-F:]+\]|[A-Za-z0-9._-]+):[0-9]{1,5}")
_CONNECTED = re.compile(r"^(already )?connected to ", re.MULTILINE)
_NOT_BEGUN = re.compile(
    r"^(?:adb: )?(?:error: )?(?:failed to get feature set: |connect failed: )?(?:"
    r"device '.*' not found|device offline|device unauthorized|device still authorizing|device "
    r"still connecting|no devices|insufficient permissions|more than one device|cannot connect to "
    r"daemon)",
    re.MULTILINE,
)
_T = TypeVar("_T")


class NotBegunError(DeviceUnreachableError):
    """The connection had broken before, so nothing was asked of the phone."""


class Connection:
    """What leads to one phone; it is made when it is needed, and again after it broke.

    Attributes:
        name: of the device, as users know it.
        serial: of the phone, or its HOST:PORT.
        client: runs adb.
    """

    def __init__(self, client: AdbClient, name: str, serial: str) -> None:
        self.client, self.name, self.serial = client, name, serial
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
            said = self.client.ask(["-s", self.serial, "features"], _ASK_S)
            if said.exit_code:
                raise DeviceUnreachableError(
                    f"{self.name} ({self.serial}) does not answer: {said.complaint}; try again"
                )
            self._features = frozenset(said.stdout.decode(errors="replace").split())
        return self._features

    def insist(self, attempt: Callable[[], _T]) -> _T:
        """Do what needs the phone; again, on a new connection, where the old one had broken before.

        Args:
            attempt: raises NotBegunError when nothing of it reached the phone.
        """
        for _ in range(_TRIES - 1):
            self.features()
            try:
                return attempt()
            except NotBegunError:
                self.forget()
        self.features()
        try:
            return attempt()
        except NotBegunError:
            self.forget()
            raise

    def shell(self) -> tuple[str, ...]:
        """Return the arguments of adb that run a shell text, without input."""
        return ("shell", "-n", "-T") if SHELL_V2 in self.features() else ("exec-out",)

    def forget(self) -> None:
        """Take it that the connection broke."""
        self._features = None

    def check_begun(self, complaint: str) -> None:
        """Raise NotBegunError when adb's complaint says that nothing was asked of the phone."""
        if _NOT_BEGUN.search(complaint):
            raise NotBegunError(
                f"{self.name} ({self.serial}) cannot be reached: {complaint.strip()}"
            )

    def lost(self, what: str, cause: str = "") -> ConnectionLostError:
        """Forget the connection, and return the error that says that it broke.

        Args:
            what: was going on: ``PROGRAM was running``.
            cause: in adb's words, if it said any.
        """
        self.forget()
        remedy = "its network" if self.over_tcp else "its cable"
        told = f" ({cause.strip()[:200]})" if cause.strip() else ""
        return ConnectionLostError(
            f"the connection to {self.name} ({self.serial}) broke while {what}{told}; "
            f"check {remedy}, and that it did not restart"
        )

    def kill(self, group: int) -> None:
        """End all processes of a group on the phone; with 0, only see whether it answers.

        Raises:
            ConnectionLostError: it does not answer.
        """
        script = f"kill -s KILL -- -{group} 2>/dev/null; echo done" if group else "echo done"
        try:
            said = self.client.ask(["-s", self.serial, *self.shell(), script], _KILL_S)
        except DeviceTimeoutError:
            raise self.lost("a program ran", f"no answer within {_KILL_S} s") from None
        if said.stdout.strip() != b"done":
            raise self.lost("a program ran", said.complaint)

    def _phones(self) -> tuple[Phone, ...]:
        said = self.client.ask(["devices", "-l"], _ASK_S)
        if said.exit_code or b"List of devices" not in said.stdout:
            raise DeviceUnreachableError(
                f"adb cannot say which phones there are: {said.complaint}; "
                "restart its server: adb kill-server"
            )
        return parse_devices(said.stdout.decode(errors="replace"))

    def _reach(self) -> None:
        """Return once the phone is ready; otherwise explain why it is not."""
        check_server(self.client)
        begun = time.monotonic()
        pauses_s = list(_RECONNECT_S) if self.over_tcp else []
        refused = ""
        while True:
            phones = self._phones()
            problem = unusable(self.name, self.serial, phones)
            if problem is None:
                return
            state = next((phone.state for phone in phones if phone.serial == self.serial), "")
            if pauses_s and not refused and state in _WORTH_CONNECTING:
                time.sleep(pauses_s.pop(0))
                refused = self._connect(state)
            elif time.monotonic() - begun > PASSES_WITHIN_S.get(state, 0):
                if refused and not state:
                    raise unreached(self.name, self.serial, refused)
                raise problem
            else:
                time.sleep(_PAUSE_S)

    def _connect(self, state: str) -> str:
        """Connect over the network; return why that failed, empty if it did not."""
        try:
            if state:  # adb calls it connected, though it is not ready
                self.client.ask(["disconnect", self.serial], _ASK_S)
            said = self.client.ask(["connect", self.serial], _CONNECT_S)
        except DeviceTimeoutError:
            return f"no answer within {_CONNECT_S} s"
        # It exits with 0, too, when it failed.
        text = said.stdout.decode(errors="replace")
        return "" if _CONNECTED.search(text) else said.complaint


def cannot_run(connection: Connection, said: str) -> DeviceError:
    """Return the error for a phone on which not even a shell or setsid can be started."""
    return DeviceError(
        f"{connection.name} cannot run programs: {said.strip()[-200:] or 'it says nothing'}; "
        "it has to have a shell and setsid, as phones do since Android 6"
    )
