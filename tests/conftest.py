from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from .server import Server, programs, running

os.environ["ORT_DISABLE_TELEMETRY"] = "1"
os.environ["SARTOR_DEVICES"] = "/nonexistent/devices.toml"  # not the user's own devices
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


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    """A real PostgreSQL server; the test is skipped where none is installed."""
    pytest.importorskip("psycopg", reason="pip install 'sartor[postgres]'")
    if (found := programs()) is None:
        pytest.skip("no PostgreSQL server is installed; on Debian: apt-get install postgresql")
    with running(found) as server:
        yield server


@pytest.fixture
def lab(server: Server) -> Server:
    """The server, with nothing in its database."""
    server.empty()
    return server
