"""The rules of the house: floors, packages, public names, and what stays unloaded."""

from __future__ import annotations

import ast
import importlib
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import sartor

ROOT = Path(__file__).parent.parent
FLOORS = ("tables", "devices", "profiler", "specializer")
MODULES = sorted(
    path.relative_to(ROOT) for floor in FLOORS for path in (ROOT / floor).rglob("*.py")
)
PACKAGES = [module.parent for module in MODULES if module.name == "__init__.py"]
HEAVY = (
    *("numpy", "sqlalchemy", "onnx", "onnxruntime", "torch", "ai_edge_litert", "matplotlib"),
    *("psycopg", "pyarrow", "yaml"),
)


def imports(module: Path) -> Iterator[tuple[int, str, str]]:
    """Every import of a module: its level (0 is absolute), what it names, and where it leads."""
    for node in ast.walk(ast.parse((ROOT / module).read_text())):
        if isinstance(node, ast.Import):
            yield from ((0, alias.name, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            named = [node.module] if node.module else [alias.name for alias in node.names]
            for name in named:
                base = module.parts[: len(module.parts) - node.level] if node.level else ()
                yield node.level, name, ".".join((*base, name))


@pytest.mark.parametrize("module", MODULES, ids=str)
def test_imports_are_relative_and_lead_down(module: Path) -> None:
    allowed = FLOORS[: FLOORS.index(module.parts[0]) + 1]
    for level, name, target in imports(module):
        if level:
            assert target.split(".")[0] in allowed, f"{module} imports {target}"
        else:
            assert name.split(".")[0] not in ("sartor", *FLOORS), f"{module} imports {name}"


@pytest.mark.parametrize(
    "module", [module for module in MODULES if "agent" in module.parts], ids=str
)
def test_the_agent_imports_nothing_else_of_ours(module: Path) -> None:
    for level, _, target in imports(module):
        assert level == 0 or target.startswith("profiler.agent."), f"{module} imports {target}"


def test_every_package_is_installed() -> None:
    settings = (ROOT / "pyproject.toml").read_text()
    (listed,) = re.findall(r"^packages = \[\n(.*?)^\]", settings, re.DOTALL | re.MULTILINE)
    expected = ["sartor", *(f"sartor.{'.'.join(package.parts)}" for package in PACKAGES)]
    assert re.findall(r'"(.+?)"', listed) == sorted(expected)


@pytest.mark.parametrize("package", PACKAGES, ids=str)
def test_public_names_are_sorted_and_there(package: Path) -> None:
    module = importlib.import_module(f"sartor.{'.'.join(package.parts)}")
    names: list[str] = getattr(module, "__all__", [])
    assert names == sorted(names, key=lambda name: (not name.isupper(), name[0].islower(), name))
    for name in names:
        assert getattr(module, name) is not None


def test_names_that_load_late_are_the_public_ones() -> None:
    tree = ast.parse((ROOT / "tables" / "__init__.py").read_text())
    typed = {
        alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.level
        for alias in node.names
    }
    tables = importlib.import_module("sartor.tables")
    assert typed == set(tables.__all__)
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        tables.nonsense  # noqa: B018


def loaded_after(program: str) -> set[str]:
    """Run a program in a process of its own, and tell which heavy packages it has loaded."""
    report = f"\nimport json, sys\nprint(json.dumps([m for m in {HEAVY} if m in sys.modules]))"
    result = subprocess.run(
        [sys.executable, "-c", program + report], capture_output=True, text=True, check=True
    )
    return set(json.loads(result.stdout.splitlines()[-1]))


def test_help_loads_nothing_heavy() -> None:
    helped = """
import sys
from sartor.specializer.cli import main
sys.argv = ["sartor", "--help"]
try:
    main()
except SystemExit as end:
    assert not end.code
"""
    assert loaded_after(helped) == set()


def test_a_lookup_loads_no_database_and_no_runtime() -> None:
    assert loaded_after("from sartor.tables import LatencyTable") == {"numpy"}
    assert loaded_after("from sartor.tables import SartorError, Operator, Condition") == set()


def test_the_package_says_what_it_is() -> None:
    assert "profile a device" in (sartor.__doc__ or "")
    assert (ROOT / ".src" / "sartor").resolve() == ROOT
