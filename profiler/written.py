"""Models written once, for all devices that want them."""

from __future__ import annotations

import shutil
import tempfile
from concurrent.futures import Future
from pathlib import Path
from threading import BoundedSemaphore, Lock
from types import TracebackType

from ..tables.errors import OutputError
from ..tables.graph import Graph
from .packs import Model, write_shrunk
from .runtimes import Runtime

_AT_ONCE = 2
"""Writers at work: a model of 25 MB takes some four times that while it is written."""

_MOST_BYTES = 4 << 30
_MOST_OF_DISK = 0.5


class WrittenModels:
    """The models of a fleet's plan, in files of this host; a context manager that removes them.

    Writing a model takes milliseconds of one processor. For one device that is nothing beside
    measuring it. For two hundred that measure at once it would be all that this host does, and all
    their models would be in memory until they have travelled.

    A graph has to be the same object whenever it is asked for, as those of one plan are.
    """

    def __init__(self) -> None:
        self._lock, self._writers = Lock(), BoundedSemaphore(_AT_ONCE)
        self._files: dict[tuple[str, int, int], Future[Path | None]] = {}
        self._graphs: list[Graph] = []  # or another one might come to lie where one was
        self._left_bytes = _MOST_BYTES

    def __enter__(self) -> WrittenModels:
        try:
            self._folder = Path(tempfile.mkdtemp(prefix="sartor-models-"))
            free_bytes = shutil.disk_usage(self._folder).free
        except OSError as error:
            raise _no_room(error) from error
        self._left_bytes = min(_MOST_BYTES, int(_MOST_OF_DISK * free_bytes))
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        shutil.rmtree(self._folder, ignore_errors=True)

    def get(self, runtime: Runtime, graph: Graph, batch: int) -> Model:
        """Return a model's file; its content where there is no room for more files.

        Raises:
            RuntimeMissingError: this host lacks what the writer needs.
            OutputError: the file cannot be written.
        """
        key = (runtime.writer_version, id(graph), batch)
        with self._lock:
            mine = key not in self._files
            file = self._files.setdefault(key, Future())
            if mine:
                self._graphs.append(graph)
        if mine:
            try:
                file.set_result(self._write(runtime, graph, batch))
            except BaseException as error:
                file.set_exception(error)
                raise
        path = file.result()
        if path is not None:
            return path
        with self._writers:
            return runtime.write(graph, batch)

    def _write(self, runtime: Runtime, graph: Graph, batch: int) -> Path | None:
        """Write a model's file; None where that would take more room than there is for all."""
        with self._writers:
            content = runtime.write(graph, batch)
            with self._lock:
                if len(content) > self._left_bytes:
                    return None
                self._left_bytes -= len(content)
                path = self._folder / f"{len(self._graphs)}-{id(graph)}{runtime.suffix}"
            try:
                path.write_bytes(content)
                write_shrunk(path, content)
            except OSError as error:
                raise _no_room(error) from error
        return path


def _no_room(error: OSError) -> OutputError:
    return OutputError(
        f"cannot write models to a temporary folder on this host: {error.strerror}; "
        "free some space, or set TMPDIR to a folder that has some"
    )
