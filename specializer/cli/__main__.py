"""``python -m sartor.specializer.cli``: the program, for launchers such as ``torchrun``."""

from . import main

main()
