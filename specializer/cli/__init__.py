"""The command line: one module per command, all heavy imports inside the commands."""

from .app import main

__all__ = ["main"]
