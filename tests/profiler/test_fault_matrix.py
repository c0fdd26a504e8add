"""The fault matrix: everything that goes wrong, on every kind of device.

Real OpenSSH behind a link that can be cut, real adbd on a cable that can be pulled, real agents
with real LiteRT. ``benchmarks/faults.py`` prints what becomes of each.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("paramiko", reason="pip install 'sartor[ssh]'")

from ..real.adbd import why_no_phone
from ..real.link import why_no_link
from ..real.sshd import why_no_sshd
from .faults.cases import FAULTS, Fault, play
from .faults.stage import AdbStage, SshStage, adb_stage, ssh_stage

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def far() -> Iterator[SshStage]:
    if why := why_no_sshd() or why_no_link():
        pytest.skip(why)
    with ssh_stage() as stage:
        yield stage


@pytest.fixture(scope="module")
def handset() -> Iterator[AdbStage]:
    if why := why_no_phone():
        pytest.skip(why)
    with adb_stage() as stage:
        yield stage


def names(kind: str) -> list[Fault]:
    return [fault for fault in FAULTS if kind in fault.kinds]


@pytest.mark.parametrize("fault", names("SSH"), ids=lambda fault: fault.name)
def test_over_ssh(far: SshStage, fault: Fault, tmp_path: Path) -> None:
    check(fault, far, tmp_path)


@pytest.mark.parametrize("fault", names("ADB"), ids=lambda fault: fault.name)
def test_over_adb(handset: AdbStage, fault: Fault, tmp_path: Path) -> None:
    check(fault, handset, tmp_path)


def check(fault: Fault, stage: SshStage | AdbStage, tmp_path: Path) -> None:
    outcome = play(fault, stage, tmp_path / "store.db")
    assert outcome.recovered == fault.recovers
    assert fault.sentence in "\n".join(outcome.said)
