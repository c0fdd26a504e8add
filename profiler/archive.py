"""The agent as one file, ready to be pushed."""

from __future__ import annotations

from pathlib import Path

from ..devices.archive import Archive, temporary_file
from ..devices.device import Device

__all__ = ["AGENT", "AGENT_PACKAGE", "push_archive", "temporary_file"]

AGENT_PACKAGE = "sartor_agent"

AGENT = Archive(AGENT_PACKAGE, Path(__file__).parent / "agent")


def push_archive(device: Device) -> str:
    """Put the agent's archive on a device unless it is there, whole; return its path."""
    if not AGENT.is_on(device):
        AGENT.push(device)
    return str(AGENT.path(device))
