"""Every command of docs/specialize.md, run as it is written, over made-up tables of its devices."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from sartor.specializer.cli.options import DEFAULT_SUPERNET
from sartor.specializer.shipped import find_spec
from sartor.tables import Condition, Store

from .chain import sartor
from .made_up_tables import made_up_table, plain_us, slow_at_large_kernels_us

DOCUMENT = (Path(__file__).parents[2] / "docs" / "specialize.md").read_text()
COMMANDS = [
    line.partition("#")[0].strip()
    for block in re.findall(r"^```sh\n(.*?)^```", DOCUMENT, re.DOTALL | re.MULTILINE)
    for line in block.splitlines()
]


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The two tables that the document speaks of."""
    path, spec = tmp_path_factory.mktemp("doc") / "tables.sqlite", find_spec(DEFAULT_SUPERNET)
    with Store.open(path) as opened:
        opened.add(made_up_table(spec, "note10", plain_us))
        pi4 = Condition("onnxruntime", threads=4)
        opened.add(made_up_table(spec, "pi4", slow_at_large_kernels_us, condition=pi4))
    return path


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_of_the_document(
    command: str, store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    program, *arguments = shlex.split(command)
    assert program == "sartor"
    ended = sartor(*arguments, "--store", store)
    assert ended.exit_code == 0, ended.stderr
    assert ended.stdout
    assert any((tmp_path / "build").rglob("*.json"))


def test_every_option_that_limits_is_in_the_document() -> None:
    helped = sartor("specialize", "--help").stdout
    options = re.findall(r"--(?:max|latency|confidence|target|each|front)[a-z-]*", helped)
    assert len(set(options)) == 9
    for option in options:
        assert option in DOCUMENT
