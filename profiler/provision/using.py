"""Devices as they were prepared for a runtime."""

from __future__ import annotations

from contextlib import suppress

from ...devices.device import Device
from ...devices.patient import with_python
from ...devices.texts import last_line
from ...tables.errors import CommandFailedError, FormatError, RuntimeMissingError
from .prepared import Prepared, find_prepared

_TIMEOUT_S = 120


def with_prepared(device: Device, runtime: str) -> Device:
    """Return a device whose agents run by what was put there for a runtime, where there is such.

    Args:
        device: as it is; whoever opened it closes it.
        runtime: a name in ``RUNTIMES``.

    Raises:
        FormatError: the note of what was put there is damaged.
        RuntimeMissingError: what was put there no longer works.
        DeviceError: the device does not answer.
    """
    prepared = find_prepared(device, runtime)
    if prepared is None or prepared.kind == "native":
        return device
    try:
        done = device.run([str(prepared.python), "-c", ""], _TIMEOUT_S)
        failure = last_line(done.stderr) or "it says nothing" if done.exit_code else ""
    except CommandFailedError as error:
        failure = str(error)
    if failure:
        raise RuntimeMissingError(
            f"what was put on {device.name} for {runtime} no longer works: {failure}; "
            f"put it there again: {preparing(device.name, runtime)}"
        )
    return with_python(device, str(prepared.python))


def prepared_in_use(device: Device, runtime: str) -> Prepared | None:
    """Return what was put on a device for a runtime if its agents run by that, or None.

    Raises:
        DeviceError: the device does not answer.
    """
    with suppress(FormatError):  # then ``with_prepared`` has chosen nothing by that note
        prepared = find_prepared(device, runtime)
        if prepared and (prepared.kind == "native" or str(prepared.python) == device.python):
            return prepared
    return None


def preparing(device: str, runtime: str) -> str:
    """Return the command that puts a runtime on a device."""
    return f"sartor devices prepare {device} --runtime {runtime}"
