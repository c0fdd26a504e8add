"""Adb's server: one that is of another version than our adb would be ended by that, and restarted.

All that others have going through it would end, too; Android Studio would start its own again, and
end ours. So it is asked for its version first. Protocol: AOSP, packages/modules/adb, OVERVIEW.TXT
and SERVICES.TXT (``host:version``).
"""

from __future__ import annotations

import re
import socket
from collections.abc import Mapping

from ...tables.errors import DeviceUnreachableError
from .client import AdbClient

_ASK_S = 5.0
_QUESTION = b"000chost:version"
_ANSWER = re.compile(rb"OKAY0004([0-9a-fA-F]{4})")
_OWN = re.compile(rb"Android Debug Bridge version [0-9]+\.[0-9]+\.([0-9]+)")


def check_server(client: AdbClient) -> None:
    """Return when adb's server is ours to use, or when none runs, so that adb will start one.

    Raises:
        DeviceUnreachableError: it is of another version, is no server of adb, or does not answer.
    """
    variables = client.variables
    if "ADB_SERVER_SOCKET" in variables:
        return  # somewhere else: adb itself will say what is wrong with it
    place = _place(variables)
    shown = f"{place[0]}:{place[1]}"
    try:
        answer = _ask(place)
    except ConnectionRefusedError:
        return
    except OSError as error:
        raise DeviceUnreachableError(
            f"adb's server at {shown} does not answer ({error}); restart it: adb kill-server"
        ) from error
    if (theirs := _ANSWER.match(answer)) is None:
        raise DeviceUnreachableError(
            f"what listens at {shown} is no server of adb; end it, or choose another port by "
            "ANDROID_ADB_SERVER_PORT"
        )
    ours = _OWN.search(client.ask(["version"], _ASK_S).stdout)
    if ours is None or int(ours[1]) == int(theirs[1], 16):
        return
    raise DeviceUnreachableError(
        f"adb's server at {shown} is of version {int(theirs[1], 16)} and {client.program} of "
        f"version {int(ours[1])}: have one adb for all programs, with its folder first on PATH, "
        "then run adb kill-server"
    )


def _place(variables: Mapping[str, str]) -> tuple[str, int]:
    port = variables.get("ANDROID_ADB_SERVER_PORT") or "5037"
    if not port.isdigit() or not 0 < int(port) < 1 << 16:
        raise DeviceUnreachableError(
            f"ANDROID_ADB_SERVER_PORT is {port!r}, which is no port; unset it, or give one"
        )
    return variables.get("ANDROID_ADB_SERVER_ADDRESS") or "127.0.0.1", int(port)


def _ask(place: tuple[str, int]) -> bytes:
    with socket.create_connection(place, timeout=_ASK_S) as connection:
        connection.sendall(_QUESTION)
        answer = b""
        while len(answer) < len(b"OKAY0004FFFF") and (block := connection.recv(64)):
            answer += block
        return answer
