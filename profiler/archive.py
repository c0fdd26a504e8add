"""The agent as one file, ready to be pushed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from ..devices.archive import Archive, temporary_file
from ..devices.device import Device
from ..tables.errors import AgentError

__all__ = ["AGENT", "AGENT_PACKAGE", "agent_sha256", "temporary_file", "with_archive"]

Result = TypeVar("Result")

AGENT_PACKAGE = "sartor_agent"

AGENT = Archive(AGENT_PACKAGE, Path(__file__).parent / "agent")


def agent_sha256() -> str:
    """Return the hash of the agent's archive, in hexadecimal digits."""
    return AGENT.digest


def with_archive(device: Device, act: Callable[[], Result]) -> Result:
    """Do what runs an agent, and put the archive on the device if it fails for want of it.

    To try first is one round trip less than to ask first, wherever the archive is there already.

    Args:
        device: that the archive is to be on.
        act: runs an agent, and raises AgentError when that says nothing.
    """
    try:
        return act()
    except AgentError as error:
        if not AGENT.is_on(device):
            AGENT.push(device)
        elif AGENT_PACKAGE not in str(error):  # or another process has just put it there
            raise
    return act()
