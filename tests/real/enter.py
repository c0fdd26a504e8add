"""Run a program inside a folder that holds a Linux of another processor, as if booted there.

``python enter.py FOLDER LAYER PROGRAM ARGUMENT…``, as root: the program sees the folder as its
root, with a layer over it that takes what it writes; it has mounts, processes and a host name of
its own, and runs under qemu-user. The kernel learns of qemu in a namespace of its own (Linux 6.7
and later), so the host's does not change. What the program starts ends with it, and it with us.

``LAYER/processor`` is what it finds as ``/proc/cpuinfo``.
"""

from __future__ import annotations

import ctypes
import os
import sys
from pathlib import Path

QEMU = "/usr/bin/qemu-aarch64-static"

_NEW_MOUNTS, _NEW_NAME, _NEW_USERS, _NEW_PROCESSES = 0x20000, 0x4000000, 0x10000000, 0x20000000
_BIND, _RECURSIVE, _PRIVATE = 0x1000, 0x4000, 1 << 18
_DIE_WITH_PARENT, _KILL = 1, 9
# An ELF header of aarch64, and what of it counts.
_MAGIC = rb"\x7fELF\x02\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00\xb7\x00"
_MASK = rb"\xff\xff\xff\xff\xff\xff\xff\x00\xff\xff\xff\xff\xff\xff\xff\xff\xfe\xff\xff\xff"
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

_libc = ctypes.CDLL(None, use_errno=True)


def main(folder: Path, layer: Path, argv: list[str]) -> int:
    """Run a program in there, and return its exit status."""
    ours, theirs = os.pipe(), os.pipe()
    _die_with(os.getppid())
    parent = os.getpid()
    child = os.fork()
    if not child:
        _die_with(parent)
        _check(
            _libc.unshare(_NEW_USERS | _NEW_MOUNTS | _NEW_PROCESSES | _NEW_NAME), "new namespaces"
        )
        os.write(theirs[1], b"x")
        os.read(ours[0], 1)  # until users are mapped
        os.setresgid(0, 0, 0)
        os.setresuid(0, 0, 0)
        _die_with(parent, check=False)  # which a change of users undid
        middle = os.getpid()
        first = os.fork()
        if first:
            # Our death is enough for the kernel to end all in there.
            os._exit(os.waitstatus_to_exitcode(os.waitpid(first, 0)[1]) & 0xFF)
        _die_with(middle, check=False)  # numbered anew in here
        _boot(folder, layer, argv)
    os.read(theirs[0], 1)
    for name in ("uid_map", "gid_map"):
        Path(f"/proc/{child}/{name}").write_text("0 0 65536\n")
    os.write(ours[1], b"x")
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) & 0xFF


def _boot(folder: Path, layer: Path, argv: list[str]) -> None:
    """Become the program."""
    _mount(None, "/", None, _RECURSIVE | _PRIVATE)
    root = layer / "root"
    for made in (root, layer / "upper", layer / "work"):
        made.mkdir(exist_ok=True)
    layers = f"lowerdir={folder},upperdir={layer / 'upper'},workdir={layer / 'work'},userxattr"
    _mount("overlay", root, "overlay", 0, layers)
    _mount("binfmt_misc", "/proc/sys/fs/binfmt_misc", "binfmt_misc")
    # F: qemu is opened now, and needs not be found in the new root.
    known = b":".join((b"", b"qemu-aarch64", b"M", b"", _MAGIC, _MASK, QEMU.encode(), b"FP"))
    Path("/proc/sys/fs/binfmt_misc/register").write_bytes(known)
    _mount("proc", root / "proc", "proc")
    _mount("/dev", root / "dev", None, _BIND | _RECURSIVE)
    _mount("/sys", root / "sys", None, _BIND | _RECURSIVE)
    if (layer / "processor").exists():
        _mount(str(layer / "processor"), root / "proc" / "cpuinfo", None, _BIND)
    os.chroot(root)
    os.chdir("/")
    name = b"raspberrypi"
    _check(_libc.sethostname(name, len(name)), "sethostname")
    environment = {"PATH": _PATH, "HOME": "/root", "LANG": "C.UTF-8", "QEMU_CPU": "cortex-a72"}
    os.execvpe(argv[0], argv, environment)


def _mount(
    source: str | None, target: Path | str, kind: str | None, flags: int = 0, options: str = ""
) -> None:
    def text(value: object) -> bytes | None:
        return None if value is None else str(value).encode()

    status = _libc.mount(
        text(source), text(target), text(kind), ctypes.c_ulong(flags), text(options or None)
    )
    _check(status, f"mount {target}")


def _die_with(parent: int, *, check: bool = True) -> None:
    _libc.prctl(_DIE_WITH_PARENT, _KILL)
    if check and os.getppid() != parent:
        os._exit(1)  # it died before we asked


def _check(status: int, what: str) -> None:
    if status:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]).resolve(), Path(sys.argv[2]).resolve(), sys.argv[3:]))
