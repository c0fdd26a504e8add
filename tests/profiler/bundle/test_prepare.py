"""Putting bundles on devices: this machine, and a phone whose cable is pulled or that is full."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path, PurePosixPath

import pytest

from sartor.devices import LocalDevice
from sartor.devices.adb import AdbDevice
from sartor.devices.device import Completed
from sartor.profiler.provision import bundle_prepare, find_prepared, prepare
from sartor.profiler.provision.bundle import Bundle
from sartor.profiler.provision.bundle_prepare import as_prepared, put_bundle, read_architecture
from sartor.tables.errors import (
    CommandFailedError,
    ConnectionLostError,
    RuntimeMissingError,
)

from ...real.adbd import Phone, running_phone


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> LocalDevice:
    """This machine, as if it had no Python."""
    return LocalDevice(tmp_path_factory.mktemp("device"), "/nothing/python")


def put(device: LocalDevice | AdbDevice, bundle: Bundle) -> list[str]:
    """Put a bundle on a device; return what was told."""
    told: list[str] = []
    prepared = put_bundle(device, bundle, told.append)
    assert prepared == as_prepared(device, bundle) == find_prepared(device, "litert")
    return told


def pushed(told: list[str]) -> int:
    return sum("piece" in line for line in told)


def test_a_bundle_is_put_on_a_device_once(shared: LocalDevice, bundle: Bundle) -> None:
    assert pushed(put(shared, bundle)) == 7
    assert put(shared, bundle) == []
    prepared = as_prepared(shared, bundle)
    folder = Path(prepared.folder)
    assert sorted(path.name for path in folder.iterdir()) == [prepared.key, "prepared.json"]
    facts = dict(prepared.pairs)
    assert facts["put there: ai-edge-litert"].startswith("2.3.0 sha256:")
    assert facts["put there: bundle"].endswith(bundle.sha256)
    assert facts["put there: libc6"].startswith("2.36-")


def test_python_was_compiled_when_it_was_put_there(shared: LocalDevice, bundle: Bundle) -> None:
    put(shared, bundle)
    folder = Path(as_prepared(shared, bundle).python).parent
    compiled = [path for path in folder.rglob("*.pyc") if "ai_edge_litert" in str(path)]
    assert compiled


def test_the_bundles_python_is_itself_wherever_it_lies(
    shared: LocalDevice, bundle: Bundle, tmp_path: Path
) -> None:
    put(shared, bundle)
    code = (
        "import os, subprocess, sys, tempfile\n"
        "print(sys.executable, sys.prefix, tempfile.gettempdir(), sep='|')\n"
        "print('LD_PRELOAD' in os.environ, 'LD_LIBRARY_PATH' in os.environ)\n"
        "again = subprocess.run([sys.executable, '-I', '-c', 'import numpy; print(numpy.pi)'],\n"
        "    capture_output=True, text=True)\n"
        "print(again.stdout, again.stderr)\n"
    )
    python = str(as_prepared(shared, bundle).python)
    environment = ["env", "-i", "LD_PRELOAD=/nothing.so", "LD_LIBRARY_PATH=/nothing"]
    done = shared.run([*environment, python, "-c", code], 60)
    folder = python.removesuffix("/run")
    assert done.stdout.splitlines() == [
        f"{python}|{folder}|{folder}/tmp",
        "False False",
        "3.141592653589793",
        " ",
    ]


def test_a_damaged_bundle_is_put_there_again(shared: LocalDevice, bundle: Bundle) -> None:
    put(shared, bundle)
    folder = Path(as_prepared(shared, bundle).python).parent
    (library,) = folder.rglob("libpywrap_litert_common.so")
    library.write_bytes(b"")
    assert pushed(put(shared, bundle)) == 7


@pytest.mark.parametrize("note", ["", "{", '{"format": 1}', "[" * 100_000])
def test_a_damaged_note_is_written_again(shared: LocalDevice, bundle: Bundle, note: str) -> None:
    put(shared, bundle)
    Path(as_prepared(shared, bundle).note).write_text(note)
    assert put(shared, bundle) == []


def test_pieces_that_are_there_are_not_pushed_again(
    tmp_path: Path, bundle: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    device = LocalDevice(tmp_path)

    def fail(*_: object) -> None:
        raise CommandFailedError("no")

    with monkeypatch.context() as context:
        context.setattr(bundle_prepare, "_unpack", fail)
        with pytest.raises(CommandFailedError, match="no"):
            put_bundle(device, bundle)
    incoming = (
        Path(as_prepared(device, bundle).folder) / f"{as_prepared(device, bundle).key}.incoming"
    )
    (incoming / "002").write_bytes(b"damaged")
    (incoming / "005").unlink()
    assert pushed(put(device, bundle)) == 2


class OtherProcessors(LocalDevice):
    """This machine, but for what its kernel says of its processors."""

    def run(self, argv: Sequence[str], timeout_s: float) -> Completed:
        if list(argv) == ["uname", "-m"]:
            return Completed(0, "armv7l\n", "")
        return super().run(argv, timeout_s)


def test_there_is_no_bundle_for_every_processor(tmp_path: Path) -> None:
    device = OtherProcessors(tmp_path, "/nothing/python")
    with pytest.raises(RuntimeMissingError, match="has armv7l processors; bundles are for"):
        read_architecture(device)
    assert read_architecture(LocalDevice(tmp_path)) in ("x86_64", "aarch64")


def test_a_phone_whose_cable_is_pulled_goes_on_where_it_was(
    handset: AdbDevice, phone: Phone, bundle: Bundle
) -> None:
    device = AdbDevice("phone", handset.serial, PurePosixPath("/data/local/tmp/sartor-2"))
    device.run(["true"], 20)
    phone.cable.cut_after(int(3.5 * (4 << 20)), "to device")
    told: list[str] = []
    with pytest.raises(ConnectionLostError):
        put_bundle(device, bundle, told.append)
    assert pushed(told) == 4
    assert pushed(put(device, bundle)) == 4
    device.run(["rm", "-rf", str(device.root)], 60)


def test_a_full_phone_says_what_it_takes_and_keeps_nothing_half(
    adb: None, bundle: Bundle, tmp_path: Path
) -> None:
    with running_phone(tmp_path, space="64m") as phone:
        device = AdbDevice("small", phone.serial)
        with pytest.raises(CommandFailedError, match="it takes about 130 MB there"):
            put_bundle(device, bundle)
        assert find_prepared(device, "litert") is None
        left = device.run(["ls", str(as_prepared(device, bundle).folder)], 20).stdout.split()
        assert left == [f"{as_prepared(device, bundle).key}.incoming"]


def test_a_phone_is_prepared_by_the_bundle(
    handset: AdbDevice, bundle: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bundle_prepare, "build_bundle", lambda *_, **__: bundle)
    assert prepare(handset, "litert") == as_prepared(handset, bundle)


def test_a_device_with_a_python_gets_no_bundle(tmp_path: Path) -> None:
    with pytest.raises(RuntimeMissingError, match="Sartor puts no torch on devices"):
        prepare(LocalDevice(tmp_path), "torch")
