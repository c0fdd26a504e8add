"""Run a program in a user namespace with all of this machine's users, so that it may mount there.

``python own_users.py PROGRAM ARGUMENT…``, as root. util-linux's ``unshare`` maps more than one user
only with the help of Debian's package uidmap. Standard library only.
"""

from __future__ import annotations

import ctypes
import os
import sys
from pathlib import Path

_NEW_USERS = 0x10000000


def main(argv: list[str]) -> None:
    """Become the program."""
    ours = os.getpid()
    apart, mapped = os.pipe(), os.pipe()
    if not os.fork():  # a helper that stays outside
        os.read(apart[0], 1)
        for name in ("uid_map", "gid_map"):
            Path(f"/proc/{ours}/{name}").write_text("0 0 65536\n")
        os.write(mapped[1], b"x")
        os._exit(0)
    if ctypes.CDLL(None, use_errno=True).unshare(_NEW_USERS):
        raise OSError(ctypes.get_errno(), "unshare")
    os.write(apart[1], b"x")
    os.read(mapped[0], 1)
    os.wait()
    os.setresgid(0, 0, 0)
    os.setresuid(0, 0, 0)
    os.execvp(argv[0], argv)


if __name__ == "__main__":
    main(sys.argv[1:])
