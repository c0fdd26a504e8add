from __future__ import annotations

import subprocess
import sys

HEAVY = ("ai_edge_litert", "flatbuffers", "onnx", "onnxruntime", "sqlalchemy", "torch")


def test_the_package_alone_imports_nothing_heavy() -> None:
    code = f"import sys, sartor.profiler; print(*[m for m in {HEAVY} if m in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout.split() == []
