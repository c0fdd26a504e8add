"""Orders to what makes environments on a device (``install_there.py``), and what it answers."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from ...devices.device import Device
from ...devices.texts import clean, last_line
from ...tables.errors import CommandFailedError, DeviceError
from .interpreters import Interpreter

_SOURCE = Path(__file__).with_name("install_there.py")
_TIMEOUT_S = 1200
_LONGEST_ANSWER = 1 << 20

_ADVICE = {
    "EACCES": "the user of the connection may not write there; give the device another folder",
    "EDQUOT": "the user's quota there is used up; free some space and try again",
    "ENOSPC": "it is full; free some space there and try again",
    "EROFS": "it is read-only there; mount it for writing, or give the device another folder",
}


class DamagedError(DeviceError):
    """What lies on a device is not what was put there."""


@dataclass(frozen=True, slots=True)
class Workplace:
    """The folder of one runtime's environments on a device, and who works in it.

    Attributes:
        device: that it lies on.
        folder: itself.
        interpreter: that carries out orders, and that environments are made for.
    """

    device: Device
    folder: PurePosixPath
    interpreter: Interpreter

    def order(self, task: str, **about: object) -> Mapping[str, Any]:
        """Have a task carried out, and return the answer.

        Raises:
            DamagedError: something there is not as it was put there.
            CommandFailedError: it cannot be done.
            DeviceError: the device does not answer.
        """
        order = {
            "task": task,
            "folder": str(self.folder),
            "python": ".".join(map(str, self.interpreter.python)),
            "program": self.interpreter.path,
            **about,
        }
        argv = [self.interpreter.path, "-I", "-c", _SOURCE.read_text(), json.dumps(order)]
        done = self.device.run(argv, _TIMEOUT_S)
        match _answer(done.stdout):
            case {"damaged": str(why)}:
                raise DamagedError(f"{self.folder} on {self.device.name}: {clean(why)}")
            case {"failed": str(name), "path": str(path), "error": str(error)}:
                advice = _ADVICE.get(name, "check that folder, and the device's log (dmesg)")
                raise CommandFailedError(
                    f"cannot write {clean(path)} on {self.device.name}: {clean(error)}; {advice}"
                )
            case {} as answer if done.exit_code == 0:
                return answer
        raise CommandFailedError(
            f"{self.interpreter.path} on {self.device.name} does not work: "
            f"{last_line(done.stderr) or 'it said nothing'}; install it anew there, or name "
            "another by --python"
        )


def _answer(output: str) -> object:
    lines = output[-_LONGEST_ANSWER:].splitlines()
    try:
        return json.loads(lines[-1]) if lines else None
    except (ValueError, RecursionError):
        return None
