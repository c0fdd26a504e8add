"""A device whose agents run by another Python than its usual one."""

from __future__ import annotations

from .device import Device
from .facts import DeviceFacts, read_facts
from .view import View


class Interpreted(View):
    """A device as it is, but for its Python.

    Args:
        device: that it is.
        python: that runs agents there.
    """

    def __init__(self, device: Device, python: str) -> None:
        super().__init__(device)
        self._python = python

    @property
    def python(self) -> str:
        """The Python interpreter that runs agents there."""
        return self._python

    def facts(self) -> DeviceFacts:
        """Return what it is, that Python's packages among it."""
        return read_facts(self)
