from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import settings

os.environ["ORT_DISABLE_TELEMETRY"] = "1"
os.environ["OMP_NUM_THREADS"] = "1"  # on a busy machine, threads that wait for each other crawl

settings.register_profile("sartor", deadline=None)  # a shared machine is slow at times
settings.load_profile("sartor")


@pytest.fixture(scope="session")
def data_folder() -> Path:
    """The data sets under SARTOR_DATA; the test is skipped where there are none."""
    folder = os.environ.get("SARTOR_DATA")
    if not folder:
        pytest.skip("SARTOR_DATA names no folder of data sets")
    return Path(folder)
