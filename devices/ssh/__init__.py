"""Devices over SSH."""

from .address import SshAddress
from .device import SshDevice, own_known_hosts
from .host_key import HostKey

__all__ = ["HostKey", "SshAddress", "SshDevice", "own_known_hosts"]
