from __future__ import annotations

import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def data() -> Path:
    """The folder of other people's data sets; tests that read it are marked ``data``."""
    folder = os.environ.get("SARTOR_DATA")
    if not folder:
        pytest.skip("SARTOR_DATA names no folder of data sets")
    return Path(folder)
