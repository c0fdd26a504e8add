"""The agent as a program of its own: what it needs, and what it keeps to itself."""

from __future__ import annotations

import ast
import io
import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

from sartor.devices.archive import Archive
from sartor.profiler import agent
from sartor.profiler.archive import AGENT, AGENT_PACKAGE

FOLDER = Path(str(agent.__file__)).parent
SOURCES = sorted(FOLDER.glob("*.py"))


def run_agent(tmp_path: Path, *, packages: Path | None = None) -> list[dict[str, object]]:
    """Start the pushed archive with no job, and return its events."""
    archive = tmp_path / "agent.zip"
    archive.write_bytes(AGENT.content)
    found = os.pathsep.join(str(path) for path in (archive, packages) if path)
    arguments = ("onnxruntime", "1", str(tmp_path / "work"), str(tmp_path / "agent"), "me", "0")
    done = subprocess.run(
        [sys.executable, "-m", AGENT_PACKAGE, *arguments],
        env={"PATH": os.environ["PATH"], "PYTHONPATH": found},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_it_is_written_for_python_3_9() -> None:
    for source in SOURCES:
        ast.parse(source.read_text(), feature_version=(3, 9))


def test_it_imports_nothing_but_the_standard_library_and_numpy() -> None:
    for source in SOURCES:
        for node in ast.walk(ast.parse(source.read_text())):
            if isinstance(node, ast.ImportFrom):
                roots = [] if node.level == 1 else [str(node.module).split(".")[0]]
            else:
                roots = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            assert set(roots) <= {*sys.stdlib_module_names, "numpy"}, source


def test_its_archive_holds_it_whole_and_is_always_the_same() -> None:
    with zipfile.ZipFile(io.BytesIO(AGENT.content)) as archive:
        assert archive.namelist() == [f"{AGENT_PACKAGE}/{source.name}" for source in SOURCES]
    assert Archive(AGENT_PACKAGE, FOLDER).content == AGENT.content


def test_it_says_hello_and_clears_its_folder(tmp_path: Path) -> None:
    (hello,) = run_agent(tmp_path)
    assert hello["event"] == "hello"
    assert str(hello["runtime_version"]).startswith("onnxruntime 1.")
    assert not (tmp_path / "work").exists()


def test_onnx_runtime_is_told_to_send_no_telemetry_before_it_is_imported(tmp_path: Path) -> None:
    package = tmp_path / "packages" / "onnxruntime"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text(
        "import os\nraise ImportError('telemetry ' + os.environ['ORT_DISABLE_TELEMETRY'])\n"
    )
    (event,) = run_agent(tmp_path, packages=package.parent)
    assert event == {"event": "missing", "error": "telemetry 1"}


def test_what_a_runtime_prints_is_no_event(tmp_path: Path) -> None:
    package = tmp_path / "packages" / "onnxruntime"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text(
        "import os\nprint('noise')\nos.write(1, b'more noise\\n')\nraise ImportError('quiet')\n"
    )
    (event,) = run_agent(tmp_path, packages=package.parent)
    assert event == {"event": "missing", "error": "quiet"}
