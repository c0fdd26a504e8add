"""Runs on a device, by any Python 3 that was found there: says what that is, as a line of JSON."""

import json
import os
import platform
import struct
import sys

# What the agent and what installs wheels import, and a minimal Python may lack.
_NEEDED = ("base64", "csv", "ctypes", "email", "fcntl", "hashlib", "shutil", "zipfile", "zlib")


def _lacks(name):  # type: ignore[no-untyped-def] # noqa: ANN001, ANN202 (an old Python runs it)
    try:
        __import__(name)
    except ImportError:
        return True
    return False


try:
    _libc = os.confstr("CS_GNU_LIBC_VERSION") or ""
except (AttributeError, OSError, ValueError):
    _libc = ""  # it is not glibc

# Of a virtual environment, that which it was made from.
_python = getattr(sys, "_base_executable", None) or sys.executable

print(  # noqa: T201 (that is what it is for)
    json.dumps(
        {
            "python": os.path.realpath(_python),
            "version": list(sys.version_info[:3]),
            "implementation": platform.python_implementation(),
            "bits": 8 * struct.calcsize("P"),
            "machine": platform.machine(),
            "libc": _libc,
            "missing": [name for name in _NEEDED if _lacks(name)],  # type: ignore[no-untyped-call]
        }
    )
)
