"""Model files of others: which format they are, and what is wrong with them."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from ...tables.errors import ModelFileError
from ..runtimes import RUNTIMES, Runtime, find_runtime

if TYPE_CHECKING:
    from onnx import ModelProto

_FORMATS = (".onnx", ".tflite")
_TFLITE_MARK = b"TFL3"
_LARGEST_BYTES = 2**31 - 2**24
"""Weights that one protocol buffer can hold, with room for the rest."""


@dataclass(frozen=True, slots=True)
class ModelFile:
    """A model that was read whole.

    Attributes:
        name: of the file.
        runtime: that is to run it.
        content: of the file; an ONNX model has its external data inside.
    """

    name: str
    runtime: Runtime
    content: bytes = field(repr=False)


def read_model(path: Path, runtime: str | None = None) -> ModelFile:
    """Read a model file, and make sure that it is of the format that its name promises.

    Args:
        path: to a TFLite or an ONNX file.
        runtime: that is to run it; by default the first that runs files of this name.

    Raises:
        ModelFileError: the file cannot be read, is of another format, or of none.
        UnknownNameError: no runtime of that name.
    """
    chosen = _runtime_for(path, runtime)
    try:
        content = path.read_bytes()
    except IsADirectoryError as error:
        raise ModelFileError(f"{path} is a folder; name a model file") from error
    except OSError as error:
        raise ModelFileError(
            f"cannot read the model {path}: {error.strerror or error}; name another file"
        ) from error
    if not content:
        raise ModelFileError(f"the model {path} is empty; fetch it again")
    found = _format_of(content)
    if found != chosen.suffix:
        reason = f"it is a {found} file, so rename it" if found else "fetch it again"
        raise ModelFileError(f"{path} holds no {chosen.suffix} model; {reason}")
    if found == ".onnx":
        content = _with_external_data(content, path)
    return ModelFile(path.name, chosen, content)


def parse_onnx(content: bytes) -> ModelProto | None:
    """Parse an ONNX model; None when the bytes are none."""
    import onnx
    from google.protobuf.message import DecodeError

    try:
        model = onnx.load_model_from_string(content)
    except DecodeError:
        return None
    # Most short texts are protocol buffers of some kind.
    return model if model.ir_version and model.graph.node else None


def _runtime_for(path: Path, name: str | None) -> Runtime:
    suffix = path.suffix.lower()
    if suffix not in _FORMATS:
        raise ModelFileError(
            f"the name {path.name} does not tell the model's format; "
            f"want a file named {', '.join(_FORMATS)}"
        )
    if name is None:
        return next(runtime for runtime in RUNTIMES.values() if runtime.suffix == suffix)
    chosen = find_runtime(name)
    if chosen.suffix != suffix:
        runs = f"{chosen.suffix} files" if chosen.suffix in _FORMATS else "what Sartor wrote for it"
        raise ModelFileError(
            f"{chosen.name} runs {runs}, and not {path.name}; name another runtime, or none"
        )
    return chosen


def _format_of(content: bytes) -> str | None:
    """Tell a format by the content: its usual suffix, or None."""
    if content[4:8] == _TFLITE_MARK:
        return ".tflite"
    return ".onnx" if parse_onnx(content) else None


def _with_external_data(content: bytes, path: Path) -> bytes:
    """Take into an ONNX model what it keeps in files beside it."""
    from onnx.external_data_helper import load_external_data_for_model, uses_external_data

    model = parse_onnx(content)
    if model is None or not any(map(uses_external_data, model.graph.initializer)):
        return content
    try:
        load_external_data_for_model(model, str(path.parent))
    except Exception as error:  # onnx raises errors of many kinds, some of them its own
        raise ModelFileError(
            f"cannot read the weights that {path} keeps in files beside it: {error}; "
            "put them into the same folder"
        ) from error
    if sum(len(tensor.raw_data) for tensor in model.graph.initializer) > _LARGEST_BYTES:
        raise ModelFileError(f"{path} has more than 2 GB of weights, which no single file can hold")
    whole: bytes = model.SerializeToString()
    return whole
