"""The runtimes that Sartor measures and ships for, by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from ..tables.errors import FormatError, RuntimeMissingError, UnknownNameError
from ..tables.graph import Graph
from ..tables.operator import DTYPES


@dataclass(frozen=True, slots=True)
class Runtime:
    """A runtime, as the host sees it; the agent has its own side (``agent/models.py``).

    Attributes:
        name: in conditions and on the command line.
        suffix: of its model files.
        channels_last: whether its models take (batch, height, width, channels).
        distribution: what pip has to install to bring it to a device.
        writer: writes a graph for it, for a batch size, and knows its own version.
        options: that a condition may give it, the first being its default.
        framed: by which of them operators have to be measured between neighbours, because it
            converts layouts and merges operators across them (``tables.framing``).
        dtypes: that its writer writes.
        shipped: whether its model files are what a specialization is shipped as.
        extra: the extra of ``sartor`` that its writer needs.
        native: whether a tool runs it that needs no Python on the device (``benchmark_model``).
    """

    name: str
    suffix: str
    channels_last: bool
    distribution: str
    writer: Callable[[], Writer]
    options: tuple[str, ...] = ("",)
    framed: tuple[str, ...] = ()
    dtypes: tuple[str, ...] = DTYPES
    shipped: bool = True
    extra: str = ""
    native: bool = False

    def check_options(self, options: str) -> None:
        """Raise FormatError if a condition has options that the runtime does not know."""
        if options not in self.options:
            known = ", ".join(map(repr, self.options[1:])) or "no options"
            raise FormatError(f"{self.name} takes {known} here, not {options!r}")

    def check_dtype(self, dtype: str) -> None:
        """Raise FormatError if a condition has a data type that the runtime's writer has not."""
        if dtype not in self.dtypes:
            raise FormatError(f"{self.name} takes {', '.join(self.dtypes)} here, not {dtype!r}")

    def frames(self, options: str, dtype: str = "float32") -> bool:
        """Whether operators have to be measured between neighbours.

        A runtime that needs frames for some options needs them for other data types whatever the
        options: what it converts at the ends of a model, it does not convert inside a network.
        """
        return options in self.framed or (dtype != "float32" and bool(self.framed))

    def write(self, graph: Graph, batch: int = 1) -> bytes:
        """Write a graph as a model of this runtime.

        Raises:
            RuntimeMissingError: this host lacks what the writer needs.
        """
        return self._writer().write(graph, batch)

    @property
    def writer_version(self) -> str:
        """Version of the writer, a part of every latency table's identity."""
        return f"{self.suffix.lstrip('.')} {self._writer().version}"

    def _writer(self) -> Writer:
        try:
            return self.writer()
        except ImportError as error:
            raise RuntimeMissingError(
                f"cannot write {self.suffix} files on this host: {error}; "
                f"install what {self.name} needs: pip install 'sartor[{self.extra or self.name}]'"
            ) from error


@dataclass(frozen=True, slots=True)
class Writer:
    """A writer of graphs, imported with all that it needs."""

    write: Callable[[Graph, int], bytes]
    version: int


def _tflite() -> Writer:
    from .writers.tflite import WRITER_VERSION, tflite_bytes

    return Writer(tflite_bytes, WRITER_VERSION)


def _onnx() -> Writer:
    from .writers.onnx import WRITER_VERSION, onnx_bytes

    return Writer(onnx_bytes, WRITER_VERSION)


def _torch() -> Writer:
    from .writers.torch_graph import WRITER_VERSION, torch_bytes

    return Writer(torch_bytes, WRITER_VERSION)


RUNTIMES: Mapping[str, Runtime] = {
    "litert": Runtime(
        "litert", ".tflite", channels_last=True, distribution="ai-edge-litert", writer=_tflite
    ),
    "onnxruntime": Runtime(
        "onnxruntime",
        ".onnx",
        channels_last=False,
        distribution="onnxruntime",
        writer=_onnx,
        options=("", "optimization=extended", "provider=cuda"),
        framed=("", "provider=cuda"),
    ),
    # LiteRT's older name, which ends with 2.14: what old boards still carry.
    "tflite-runtime": Runtime(
        "tflite-runtime",
        ".tflite",
        channels_last=True,
        distribution="'numpy<2' tflite-runtime",
        writer=_tflite,
        shipped=False,
        extra="litert",
    ),
    # LiteRT in Google's own tool, for phones.
    "benchmark_model": Runtime(
        "benchmark_model",
        ".tflite",
        channels_last=True,
        distribution="",
        writer=_tflite,
        options=("", "delegate=gpu"),
        shipped=False,
        extra="litert",
        native=True,
    ),
    "torch": Runtime(
        "torch",
        ".npz",
        channels_last=False,
        distribution="torch",
        writer=_torch,
        dtypes=("float32",),
        options=("", "layout=channels_last", "device=cuda", "device=cuda,layout=channels_last"),
        shipped=False,
    ),
}


def find_runtime(name: str) -> Runtime:
    """Return the runtime of a name; UnknownNameError when there is none."""
    if name not in RUNTIMES:
        raise UnknownNameError("runtime", name, sorted(RUNTIMES))
    return RUNTIMES[name]
