"""The agent as one file, ready to be pushed."""

from __future__ import annotations

from pathlib import Path

from ..devices.archive import Archive, temporary_file
from ..devices.device import Device

__all__ = ["AGENT", "AGENT_PACKAGE", "agent_sha256", "push_archive", "temporary_file"]

AGENT_PACKAGE = "sartor_agent"

AGENT = Archive(AGENT_PACKAGE, Path(__file__).parent / "agent")


def agent_sha256() -> str:
    """Return the hash of the agent's archive, in hexadecimal digits."""
    return AGENT.digest


def push_archive(device: Device) -> str:
    """Put the agent's archive on a device unless it is there, whole; return its path."""
    if not AGENT.is_on(device):
        AGENT.push(device)
    return str(AGENT.path(device))
