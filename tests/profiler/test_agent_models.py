from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from sartor.profiler.agent import models
from sartor.profiler.agent.models import Model, import_runtime
from sartor.profiler.runtimes import find_runtime
from sartor.tables.graph import single_operator_graph
from sartor.tables.operator import Operator

CONV = Operator.parse("conv2d/8x7x7/kernel=1,out=24,stride=1/relu/float32")
CALLED = ["litert", "onnxruntime", "onnxruntime:optimization=extended"]


def loaded(called: str, folder: Path) -> Model:
    runtime = find_runtime(called.partition(":")[0])
    path = folder / f"model{runtime.suffix}"
    content = runtime.write(single_operator_graph(CONV))
    path.write_bytes(content if isinstance(content, bytes) else content.read_bytes())
    return import_runtime(called).load(path, 1)


@pytest.mark.parametrize("called", CALLED)
def test_outputs_are_touched_and_then_inputs_and_neither_changes(
    called: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    touched: list[int] = []
    rewrite = models._rewrite

    def noted(array: np.ndarray) -> None:
        before = array.copy()
        rewrite(array)
        touched.append(array.size)
        assert np.array_equal(array, before)

    monkeypatch.setattr(models, "_rewrite", noted)
    model = loaded(called, tmp_path)
    batch = np.ones((1, 7, 7, 8) if called == "litert" else (1, 8, 7, 7), np.float32)
    before = model.infer(batch)
    model.refresh()
    model.run()
    assert touched == [24 * 7 * 7, 8 * 7 * 7]
    assert np.array_equal(model.infer(batch), before)


def test_what_one_session_has_left_another_takes(tmp_path: Path) -> None:
    def place(model: Model) -> int:
        session = model._session  # type: ignore[attr-defined]
        binding = session.io_binding()
        (value,) = session.get_inputs()
        binding.bind_cpu_input(value.name, np.ones(value.shape, np.float32))
        binding.bind_output(session.get_outputs()[0].name, "cpu")
        session.run_with_iobinding(binding)
        return int(binding.get_outputs()[0].data_ptr())

    one, other = (loaded("onnxruntime", tmp_path) for _ in range(2))
    assert place(one) == place(other)
