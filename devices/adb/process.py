"""Child processes, whose output is read within limits of time and size."""

from __future__ import annotations

import os
import selectors
import subprocess
import time
from collections.abc import Callable
from typing import IO, cast

from ...tables.errors import DeviceError

_MOST_BYTES = 1 << 26
"""That a program may print: an agent's longest answer is a tenth of it."""
_BLOCK_BYTES = 1 << 16
_WATCHES_EVERY_S = 0.2


class Process(subprocess.Popen[bytes]):
    """A child process with pipes."""

    @property
    def input_pipe(self) -> IO[bytes]:
        """What it reads."""
        return cast("IO[bytes]", self.stdin)

    @property
    def output_pipe(self) -> IO[bytes]:
        """What it prints."""
        return cast("IO[bytes]", self.stdout)

    @property
    def error_pipe(self) -> IO[bytes]:
        """What it prints to standard error."""
        return cast("IO[bytes]", self.stderr)


def collect(
    process: Process, timeout_s: float, watch: Callable[[], None] | None = None
) -> tuple[bytes, bytes]:
    """Read all that a process prints, to standard output and to standard error.

    Args:
        process: to its end.
        timeout_s: by which it has to end.
        watch: is called now and then while it runs, and may raise.

    Raises:
        TimeoutError: it has not ended by then; the error's ``args`` are what it has printed.
        DeviceError: it prints more than 64 MiB.
    """
    deadline = time.monotonic() + timeout_s
    texts = {process.output_pipe: bytearray(), process.error_pipe: bytearray()}
    with selectors.DefaultSelector() as selector:
        for pipe in texts:
            selector.register(pipe, selectors.EVENT_READ)
        while selector.get_map():
            left_s = deadline - time.monotonic()
            if left_s <= 0:
                raise TimeoutError(*(bytes(text) for text in texts.values()))
            if watch is not None:
                watch()
                left_s = min(left_s, _WATCHES_EVERY_S)
            for key, _ in selector.select(left_s):
                pipe = cast("IO[bytes]", key.fileobj)
                if block := os.read(pipe.fileno(), _BLOCK_BYTES):
                    texts[pipe] += block
                else:
                    selector.unregister(pipe)
                if len(texts[pipe]) > _MOST_BYTES:
                    raise DeviceError(f"it prints more than {_MOST_BYTES >> 20} MiB")
    return bytes(texts[process.output_pipe]), bytes(texts[process.error_pipe])
