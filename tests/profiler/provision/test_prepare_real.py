"""Real runtimes, put on machines without a network of their own, and measured there."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import pytest

from sartor.devices import Completed, LocalDevice
from sartor.devices.device import Stream
from sartor.devices.patient import patient
from sartor.devices.ssh import SshAddress, SshDevice
from sartor.profiler.provision import prepare, runtime_standings, with_prepared

from ...real.link import running_far_sshd, why_no_link
from ...real.sshd import Sshd, why_no_sshd
from .measuring import check_measured, measured, need_wheels
from .pythons import each_python, find_python


class OfflineDevice(LocalDevice):
    """This machine, each of its programs in a network of its own that leads nowhere."""

    def run(self, argv: Sequence[str], timeout_s: float) -> Completed:
        return super().run(["unshare", "--net", *argv], timeout_s)

    def open_stream(self, argv: Sequence[str], environment: Mapping[str, str]) -> Stream:
        return super().open_stream(["unshare", "--net", *argv], environment)


@pytest.fixture
def offline(tmp_path: Path) -> Callable[[str], LocalDevice]:
    if os.geteuid():
        pytest.skip("only root makes networks")
    return lambda python: OfflineDevice(tmp_path / "device", python)


def test_litert_is_put_on_a_machine_without_a_network(
    offline: Callable[[str], LocalDevice], tmp_path: Path, wheels_kept: Path
) -> None:
    device = offline(find_python((3, 11)))
    need_wheels(device, "litert", wheels_kept)
    prepared = prepare(device, "litert", cache=wheels_kept)
    check_measured(measured(device, "litert", tmp_path), prepared)
    (standing,) = runtime_standings(device, ["litert"])
    assert (standing.state, standing.version) == ("prepared", "ai-edge-litert 2.3.0")
    assert standing.ready
    assert standing.why == ""


@pytest.mark.slow
@pytest.mark.parametrize("runtime", ["litert", "onnxruntime", "tflite-runtime"])
@each_python
def test_any_runtime_is_put_beside_any_python(
    offline: Callable[[str], LocalDevice],
    tmp_path: Path,
    wheels_kept: Path,
    python: tuple[int, int],
    runtime: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
    if runtime == "tflite-runtime" and python > (3, 11):
        pytest.skip("there are no wheels of tflite-runtime for it, as test_recipes.py says")
    device = offline(find_python(python))
    need_wheels(device, runtime, wheels_kept)
    prepared = prepare(device, runtime, cache=wheels_kept)
    table = measured(device, runtime, tmp_path)
    check_measured(table, prepared)
    used = dict(table.provenance.facts)["python"]
    assert used.startswith(".".join(map(str, python)))


@pytest.fixture
def far(tmp_path: Path) -> Iterator[tuple[SshDevice, Sshd]]:
    """A machine at the end of a link, which has no other network, and its server."""
    if reason := why_no_sshd() or why_no_link():
        pytest.skip(reason)
    with running_far_sshd() as (server, _):
        known = tmp_path / "known_hosts"
        known.write_text(server.known_hosts_line())
        config = tmp_path / "ssh_config"
        config.write_text(server.client_config(server.host, known))
        address = SshAddress.parse(server.address)
        device = SshDevice("far", address, config=config, known_hosts=known)
        yield device, server
        device.close()


def test_wheels_travel_over_ssh_and_those_that_arrived_do_not_travel_again(
    far: tuple[SshDevice, Sshd],
    tmp_path: Path,
    wheels_kept: Path,
) -> None:
    device, server = far
    need_wheels(device, "tflite-runtime", wheels_kept)
    told: list[str] = []

    def interrupt_halfway(sentence: str) -> None:
        told.append(sentence)
        if len(told) > 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        prepare(device, "tflite-runtime", cache=wheels_kept, tell=interrupt_halfway)
    device.close()
    first = told[0]
    told.clear()
    prepared = prepare(device, "tflite-runtime", cache=wheels_kept, tell=told.append)
    before, after = (float(text.split()[1]) for text in (first, told[0]))
    assert after < before
    done = device.run([str(prepared.python), "-c", "import tflite_runtime.interpreter"], 60)
    assert done.exit_code == 0
    owner = device.run(["stat", "-c", "%U %a", str(prepared.folder)], 60).stdout
    assert owner == f"{server.user} 700\n"


@pytest.mark.slow
def test_with_patience_a_broken_connection_is_not_even_noticed(
    far: tuple[SshDevice, Sshd], wheels_kept: Path
) -> None:
    device, server = far
    need_wheels(device, "tflite-runtime", wheels_kept)

    def cut_often(sentence: str) -> None:
        if "bringing" in sentence or "unpacking" in sentence:
            server.cut()

    prepared = prepare(patient(device), "tflite-runtime", cache=wheels_kept, tell=cut_often)
    assert with_prepared(device, "tflite-runtime").python == str(prepared.python)
