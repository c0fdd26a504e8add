from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from sartor.devices import LocalDevice
from sartor.tables import Store


@pytest.fixture
def device(tmp_path: Path) -> LocalDevice:
    return LocalDevice(tmp_path / "device")


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.open(tmp_path / "store.db") as opened:
        yield opened
