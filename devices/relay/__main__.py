"""``python ARCHIVE attach FOLDER NAME``."""

from __future__ import annotations

import sys

from .attach import attach


def main() -> int:
    """Do as the command line says; return the exit status."""
    _, _, folder, name = sys.argv
    return attach(folder, name)


if __name__ == "__main__":
    sys.exit(main())
