"""Command lines of the benchmarks."""

from __future__ import annotations

import argparse


def documented_parser(documentation: str | None) -> argparse.ArgumentParser:
    """Make a parser whose help is what a module says of itself: its first line, then the rest."""
    summary, _, details = (documentation or "").partition("\n")
    return argparse.ArgumentParser(
        description=summary, epilog=details, formatter_class=argparse.RawDescriptionHelpFormatter
    )
