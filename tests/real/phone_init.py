"""The first process of a phone: it mounts its file systems and starts adbd.

It runs in namespaces of its own, so that all it started ends when it ends, and it ends when its
input does: also when the tests are killed. Standard library only.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

_SHELL_USER = 2000
_NODES = ("null", "zero", "full", "random", "urandom", "tty")
_ADBD = "/usr/lib/android-sdk/platform-tools/adbd"
_PATH = "/product/bin:/apex/com.android.runtime/bin:/system/bin:/system/xbin:/vendor/bin"
_ARM64 = (
    rb":qemu-aarch64:M::\x7fELF\x02\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00\xb7\x00:"
    rb"\xff\xff\xff\xff\xff\xff\xff\x00\xff\xff\xff\xff\xff\xff\xff\xff\xfe\xff\xff\xff:%s:FP"
)


def _run(*argv: str) -> None:
    subprocess.run(argv, check=True)


def _bind(source: str, target: str) -> None:
    _run("mount", "--bind", source, target)


def _set_up(settings: dict[str, str]) -> None:
    root = settings["root"]
    _run("mount", "--make-rprivate", "/")
    _run("ip", "link", "set", "lo", "up")
    if settings["emulator"]:
        _run("mount", "-t", "binfmt_misc", "binfmt_misc", "/proc/sys/fs/binfmt_misc")
        entry = _ARM64 % settings["emulator"].encode()
        Path("/proc/sys/fs/binfmt_misc/register").write_bytes(entry)
    _bind(root, root)
    _run("mount", "-o", "remount,bind,ro", root)  # as /system is
    _run("mount", "-t", "tmpfs", "-o", "mode=755", "dev", f"{root}/dev")
    for node in _NODES:
        Path(f"{root}/dev/{node}").touch()
        _bind(f"/dev/{node}", f"{root}/dev/{node}")
    _run("mount", "-t", "proc", "proc", f"{root}/proc")
    _bind(settings["data"], f"{root}/data")
    _bind(settings["commands"], f"{root}/vendor/bin")
    _bind(settings["answers"], f"{root}/vendor/etc")
    if size := settings["space"]:
        options = f"size={size},uid={_SHELL_USER},gid={_SHELL_USER},mode=771"
        _run("mount", "-t", "tmpfs", "-o", options, "tmp", f"{root}/data/local/tmp")


def _start(settings: dict[str, str]) -> None:
    environment = {
        "PATH": _PATH,
        "HOME": "/",
        "SHELL": "/bin/sh",
        "TMPDIR": "/data/local/tmp",
        "ANDROID_DATA": "/data",
        "ANDROID_ROOT": "/system",
        "ADBD_PORT": settings["port"],
    }

    def enter() -> None:
        os.chroot(settings["root"])
        os.chdir("/")
        os.setgroups([])
        os.setresgid(_SHELL_USER, _SHELL_USER, _SHELL_USER)
        os.setresuid(_SHELL_USER, _SHELL_USER, _SHELL_USER)
        os.umask(0o077)

    subprocess.Popen(
        [_ADBD],
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=sys.stderr,
        stderr=sys.stderr,
        preexec_fn=enter,  # noqa: PLW1509 (there are no threads here)
    )


def _reap(*_: object) -> None:
    """Bury processes whose parents died first, as Android's init does."""
    try:
        while os.waitpid(-1, os.WNOHANG) != (0, 0):
            pass
    except ChildProcessError:
        pass


def main() -> None:
    settings = json.loads(sys.argv[1])
    _set_up(settings)
    signal.signal(signal.SIGCHLD, _reap)
    _start(settings)
    sys.stdin.read()


if __name__ == "__main__":
    main()
