"""Inputs of ONNX models, made to be of one shape: a latency is of one."""

from __future__ import annotations

from collections.abc import Mapping

from onnx import ModelProto, ValueInfoProto

from ...tables.errors import ModelFileError
from .model_file import parse_onnx

Shapes = Mapping[str, tuple[int, ...]]
"""Shapes of inputs by name, batch included."""


def fix_inputs(content: bytes, shapes: Shapes) -> bytes:
    """Write an ONNX model with fixed input shapes: a batch of any size becomes one of 1.

    Args:
        content: of the file.
        shapes: of inputs that have other sizes open.

    Raises:
        ModelFileError: the bytes are no ONNX model, an input has sizes open that ``shapes`` does
            not tell, or ``shapes`` contradicts the model.
    """
    model = parse_onnx(content)
    if model is None:
        raise ModelFileError("the bytes are no ONNX model; fetch the file again")
    inputs = true_inputs(model)
    names = [value.name for value in inputs]
    if unknown := sorted(shapes.keys() - set(names)):
        raise ModelFileError(
            f"the model has no input {unknown[0]}; its inputs: {', '.join(names) or 'none'}"
        )
    for value in inputs:
        _fix(value, shapes.get(value.name))
    for value in model.graph.output:
        # A size that the file leaves open follows from the inputs now, and the runtime knows it.
        if any(dim.dim_value <= 0 for dim in value.type.tensor_type.shape.dim):
            value.type.tensor_type.ClearField("shape")
    fixed: bytes = model.SerializeToString()
    return fixed


def true_inputs(model: ModelProto) -> list[ValueInfoProto]:
    """List the inputs that have to be fed: older files list all their weights among them."""
    stored = {tensor.name for tensor in model.graph.initializer}
    stored |= {tensor.values.name for tensor in model.graph.sparse_initializer}
    return [value for value in model.graph.input if value.name not in stored]


def _fix(value: ValueInfoProto, wanted: tuple[int, ...] | None) -> None:
    if value.type.WhichOneof("value") != "tensor_type":
        raise ModelFileError(
            f"the input {value.name} is no tensor, and what else it is cannot be made up; "
            "split the model behind it"
        )
    dims = value.type.tensor_type.shape.dim
    sizes = [max(0, dim.dim_value) for dim in dims]  # 0 where the file leaves it open
    shown = "×".join(str(size or "?") for size in sizes)
    if wanted is not None and (
        len(wanted) != len(sizes)
        or any(size not in {0, want} for size, want in zip(sizes, wanted, strict=True))
    ):
        raise ModelFileError(
            f"the input {value.name} takes {shown}, and not {'×'.join(map(str, wanted))}"
        )
    chosen = list(wanted) if wanted else [sizes[0] or 1, *sizes[1:]] if sizes else []
    if 0 in chosen:
        example = "x".join(str(size or 64) for size in chosen)
        raise ModelFileError(
            f"the input {value.name} may have any size ({shown}), and a latency is of one; "
            f"say which, such as: --shape {value.name}={example}"
        )
    for dim, size in zip(dims, chosen, strict=True):
        dim.dim_value = size  # takes the place of a name, too
