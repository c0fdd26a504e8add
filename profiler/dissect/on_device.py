"""Asking ONNX Runtime on a device what it makes of a model."""

from __future__ import annotations

import json
import tempfile
import uuid
from pathlib import Path

from ...devices.device import Device
from ...tables.errors import ModelFileError, OutputError
from ..archive import AGENT, AGENT_PACKAGE
from .onnx import Observed, cut_onnx, fed_inputs, with_all_outputs
from .pieces import Piece

_TIMEOUT_S = 600
_CLEAR_TIMEOUT_S = 30
_START = (
    "import runpy, sys; sys.path.insert(0, sys.argv.pop(1)); "
    f"runpy.run_module('{AGENT_PACKAGE}.kernels', run_name='__main__', alter_sys=True)"
)


def cut_onnx_on(device: Device, content: bytes) -> tuple[Piece, ...]:
    """Cut an ONNX model into the kernels that ONNX Runtime on a device makes of it.

    They depend on the device: on x86, convolutions read blocks of channels that are as wide as the
    processor's vectors, and reorder tensors at the ends of such a stretch.

    Args:
        device: that has ONNX Runtime.
        content: of the model, its inputs of fixed shapes.

    Returns:
        The pieces in the order in which they run, each as often as it occurs.

    Raises:
        ModelFileError: the runtime does not take the model.
        DeviceError: the device does not answer.
    """
    optimised = _ask(device, "optimise", content)
    shown = with_all_outputs(optimised, fed_inputs(content))
    found = json.loads(_ask(device, "observe", shown))
    observed = {
        name: Observed(seen["dtype"], _shape(seen.get("shape")), seen.get("values"))
        for name, seen in found.items()
    }
    return cut_onnx(optimised, observed)


def _shape(sizes: list[int] | None) -> tuple[int, ...] | None:
    return None if sizes is None else tuple(sizes)


def _ask(device: Device, task: str, model: bytes) -> bytes:
    """Have the agent's ``kernels`` do a task with a model, and return what it wrote."""
    folder = device.root / "sessions" / f"kernels-{uuid.uuid4().hex[:12]}"
    archive, source, result = (folder / name for name in ("agent.zip", "model.onnx", "result"))
    command = [device.python, "-c", _START, str(archive), task, str(source), str(result)]
    try:
        with tempfile.TemporaryDirectory(prefix="sartor-") as name:
            local = Path(name) / "content"
            for content, remote in ((AGENT.content, archive), (model, source)):
                local.write_bytes(content)
                device.push(local, remote)
            done = device.run(command, _TIMEOUT_S)
            if done.exit_code:
                lines = done.stderr.strip().splitlines() or ["it said nothing"]
                raise ModelFileError(
                    f"ONNX Runtime on {device.name} cannot {task} the model: {lines[-1]}"
                )
            device.pull(result, local)
            return local.read_bytes()
    except OSError as error:
        raise OutputError(
            f"cannot write a temporary file on this host: {error.strerror}; "
            "free some space, or set TMPDIR to a folder that has some"
        ) from error
    finally:
        device.run(["rm", "-rf", str(folder)], _CLEAR_TIMEOUT_S)
