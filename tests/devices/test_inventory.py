from __future__ import annotations

import sys

import pytest

from sartor.devices import DEVICES, find_device
from sartor.tables.errors import UnknownNameError


def test_every_known_device_is_found_by_its_name() -> None:
    assert [find_device(name).name for name in DEVICES] == list(DEVICES)


def test_agents_run_by_this_interpreter_or_by_one_that_is_named() -> None:
    assert find_device("local").python == sys.executable
    assert find_device("local", "/opt/old/bin/python").python == "/opt/old/bin/python"


def test_an_unknown_device_names_the_known_ones() -> None:
    with pytest.raises(UnknownNameError, match="no device 'locl'; did you mean 'local'"):
        find_device("locl")
