"""Machines with something wrong: Pythons for agents to run in, real runtimes included."""

from __future__ import annotations

import sys
from pathlib import Path


def python_that(folder: Path, first: str) -> str:
    """Return a Python that runs some code before an agent, as what is wrong with a machine would.

    The code may call ``once(name)``, which is true the first time that any process asks.
    """
    script = folder / "python"
    script.write_text(f"#!{sys.executable}\n{program_that(str(folder), first)}")
    script.chmod(0o700)
    return str(script)


def program_that(folder: str, first: str) -> str:
    """Return a program that does as Python does, and runs some code before an agent.

    Args:
        folder: where it notes what has been done once.
        first: the code.
    """
    return f"""
import os, runpy, sys
def once(name):
    try:
        os.close(os.open({folder!r} + f"/once-{{name}}", os.O_CREAT | os.O_EXCL))
    except FileExistsError:
        return False
    return True
if sys.argv[1] == "-c":
    sys.argv[:2] = ["-c"]
    exec(sys.argv.pop(1))
    sys.exit()
if sys.argv[1] != "-m":
    sys.argv = sys.argv[1:]
    sys.path.insert(0, sys.argv[0])
    runpy.run_path(sys.argv[0], run_name="__main__")
    sys.exit()
sys.argv = sys.argv[2:]
if sys.argv[0] == "sartor_agent":
{_indented(first)}
runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
"""


def litert_that(folder: Path, now: str) -> str:
    """Return a Python whose LiteRT does something of its own at a moment that we know.

    It is the real one. Before each inference it runs our code, which knows ``channels`` of the
    model's input, ``load``: how often a model with so many has been loaded in this process,
    ``run``: which inference of that load it is, and ``spill``: writes bytes among the agent's
    events. An agent runs a model once when it has loaded it, and twice or thrice before it times
    it.
    """
    return python_that(folder, litert_code(now))


def litert_code(now: str) -> str:
    """Return what changes LiteRT so that it runs some code before each inference."""
    return f"""import resource, signal
import ai_edge_litert.interpreter as litert
resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
events = os.dup(1)
def spill(content):
    while content:
        content = content[os.write(events, content):]
class Interpreter(litert.Interpreter):
    loads = {{}}
    def allocate_tensors(self):
        super().allocate_tensors()
        self.channels = int(self.get_input_details()[0]["shape"][-1])
        self.load = self.loads[self.channels] = self.loads.get(self.channels, 0) + 1
        self.runs = 0
    def invoke(self):
        self.runs += 1
        channels, load, run = self.channels, self.load, self.runs
{_indented(_indented(now))}
        super().invoke()
litert.Interpreter = Interpreter
"""


def _indented(code: str) -> str:
    return "\n".join(f"    {line}" for line in code.splitlines())
