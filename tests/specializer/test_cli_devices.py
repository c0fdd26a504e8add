"""``sartor devices``, and ``sartor profile`` of several of them."""

from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from sartor.benchmarks.simulated.fleet import make, write_inventory
from sartor.benchmarks.simulated.recording import record
from sartor.profiler import make_plan
from sartor.specializer.cost import calibration_networks, reachable_operators
from sartor.tables import Store

from ..real.sshd import Sshd, running_sshd, why_no_sshd
from .chain import SPEC, Chain, Finished, sartor

PLAN = make_plan(reachable_operators(SPEC), calibration_networks(SPEC, 3), passes=1)
NOBODY = "ssh://pi@127.0.0.1:1"
"""Nobody listens there."""


@pytest.fixture
def inventory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "devices.toml"
    monkeypatch.setenv("SARTOR_DEVICES", str(path))
    return path


@pytest.fixture(scope="module")
def recording(chain: Chain, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What this machine said of a small supernet."""
    folder = tmp_path_factory.mktemp("recording")
    with Store.open(chain.store) as store:
        record(store.load("local-litert"), PLAN, folder)
    return folder


@pytest.fixture
def profile(
    chain: Chain, recording: Path, inventory: Path, tmp_path: Path
) -> Callable[..., Finished]:
    """Profiles simulated devices, and one that nobody can reach."""
    fleet = [make(name, tmp_path / name, recording, pace=0.005) for name in ("one", "two")]
    write_inventory(fleet, inventory)
    sartor("devices", "add", "dead", NOBODY)

    def run(*arguments: object) -> Finished:
        return sartor(
            *("profile", "--supernet", chain.supernet, "--passes", 1, "--most-passes", 1),
            *("--networks", 3, "--force", "--store", tmp_path / "fleet.sqlite", *arguments),
        )

    return run


def test_devices_are_added_listed_and_removed(inventory: Path) -> None:
    inventory.write_text('[devices.phone]\naddress = "adb://R58"\nnotes = "the old one"\n')
    added = sartor("devices", "add", "here", "local", "--root", "/tmp/here")
    assert (added.exit_code, added.stdout) == (0, "")
    assert f"added here to {inventory}" in added.stderr
    local, phone, here = sartor("devices", "--json").document
    assert local["name"] == "local"
    assert phone == {"name": "phone", "address": "adb://R58", "notes": "the old one"}
    assert here == {"name": "here", "address": "local", "root": "/tmp/here"}
    printed = sartor("devices").stdout
    assert "adb://R58" in printed
    assert "cpu_model" in printed
    assert sartor("devices", "remove", "phone").exit_code == 0
    assert [each["name"] for each in sartor("devices", "--json").document] == ["local", "here"]
    assert "phone" not in inventory.read_text()


def test_an_inventory_may_lie_elsewhere(inventory: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.toml"
    assert sartor("devices", "add", "here", "local", "--inventory", other).exit_code == 0
    assert not inventory.exists()
    elsewhere = ("--inventory", other, "--runtime", "litert", "--json")
    found = sartor("devices", "check", "here", *elsewhere)
    assert [each["name"] for each in found.document] == ["here"]


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (("add", "local", "ssh://pi4"), "'local' is the machine at hand; choose another name"),
        (("add", "a b", "ssh://pi4"), "'a b' is no name for a device"),
        (("add", "pi4", "pi@pi4"), "'pi@pi4' is no address of a device; write ssh://"),
        (("add", "pi4", "ssh://pi:secret@pi4"), "holds no password: Sartor logs in by keys"),
        (("add", "pi4", "local", "--root", "here"), "root 'here' is no folder for our files"),
        (("add", "pi4", "local", "--fingerprint", "SHA256:x"), "is not reached over SSH, and has"),
        (("add", "there", "local"), "there is a device 'there' in"),
        (("remove", "their"), "no device 'their'; did you mean 'there'?"),
        (("check", "their"), "no device 'their'; did you mean 'there'?"),
        (("check", "there", "--runtime", "litter"), "no runtime 'litter'; did you mean 'litert'?"),
        (("prepare", "there", "--runtime", "litter"), "no runtime 'litter'; did you mean"),
        (("trust", "there"), "there is not reached over SSH, and shows no host key"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_what_makes_no_sense_is_one_sentence(
    arguments: tuple[str, ...], complaint: str, inventory: Path
) -> None:
    sartor("devices", "add", "there", "local")
    before = inventory.read_bytes()
    assert complaint in sartor("devices", *arguments).complaint
    assert inventory.read_bytes() == before


def test_a_damaged_inventory_stops_nothing_local(inventory: Path, chain: Chain) -> None:
    inventory.write_text("[devices.a]\nadress = 1\n")
    for command in (("devices",), ("devices", "check"), ("verify", chain.out, "--device", "a")):
        assert (
            "[devices.a]: no field 'adress'; did you mean 'address'?" in sartor(*command).complaint
        )
    assert sartor("devices", "check", "local", "--runtime", "litert", "--json").document


def test_a_dead_device_holds_up_no_check(inventory: Path) -> None:
    added = sartor("devices", "add", "dead", NOBODY)
    assert "it cannot be used as it is: cannot connect to pi@127.0.0.1:1" in added.stderr
    checked = sartor("devices", "check", "--runtime", "litert", "--json")
    assert checked.exit_code == 1
    local, dead = json.loads(checked.stdout)
    assert (local["name"], local["reached"], local["ready"]) == ("local", True, True)
    (litert,) = local["runtimes"]
    assert litert["version"].startswith("ai-edge-litert ")
    assert (dead["name"], dead["reached"]) == ("dead", False)
    assert dead["error"] == "DeviceUnreachableError"
    assert "check that it is switched on" in dead["why"]
    printed = sartor("devices", "check", "dead", "--runtime", "litert")
    assert printed.exit_code == 1
    assert "not reached" in printed.stdout
    assert "dead: cannot connect to pi@127.0.0.1:1" in printed.stderr


def test_what_is_missing_is_told_with_what_mends_it(inventory: Path, tmp_path: Path) -> None:
    bare = tmp_path / "python"
    bare.write_text(f'#!/bin/sh\nexec {sys.executable} -ISE "$@"\n')
    bare.chmod(0o700)
    sartor("devices", "add", "bare", "local", "--python", bare, "--root", tmp_path / "root")
    checked = sartor("devices", "check", "bare", "--runtime", "litert")
    assert checked.exit_code == 1
    assert "no runtime" in checked.stdout
    assert "litert is missing" in checked.stderr
    assert "sartor devices prepare bare --runtime litert" in checked.stderr


def test_several_devices_are_profiled_at_once(
    profile: Callable[..., Finished], tmp_path: Path
) -> None:
    """The dead one is told of, and the others are complete; the same again measures nothing."""
    devices = ("--device", "one", "--device", "dead", "--device", "two", "--device", "one")
    done = profile(*devices, "--json")
    assert done.exit_code == 1
    report = json.loads(done.stdout)
    assert report["failed"] == ["dead"]
    one, dead, two = report["devices"]
    for device, name in ((one, "one"), (two, "two")):
        assert (device["device"], device["table"]) == (name, f"{name}-litert")
        assert device["windows_measured"] == PLAN.windows
        assert (device["failed"], device["failures"]) == (False, {})
        assert device["calibration"]["networks"] == 3
    assert (dead["failed"], dead["error"]) == (True, "DeviceUnreachableError")
    assert done.stderr.count("dead: cannot connect to pi@127.0.0.1:1") == 1

    again = profile("--device", "one", "--device", "two")
    assert again.exit_code == 0
    assert again.stdout.count(f"0 + {PLAN.windows}") == 2
    failed = profile("--device", "one", "--device", "dead")
    assert failed.exit_code == 1
    summary = " ".join(failed.stdout.split())
    assert "dead cannot connect to pi@127.0.0.1:1" in summary
    tables = sartor("tables", "--store", tmp_path / "fleet.sqlite", "--json").document
    assert [table["name"] for table in tables] == ["one-litert", "two-litert"]


def test_one_device_is_as_ever(profile: Callable[..., Finished]) -> None:
    report = profile("--device", "one", "--json").document
    assert report["table"] == "one-litert"
    assert "devices" not in report
    assert "dead: " not in profile("--device", "dead").complaint


def test_tables_of_several_devices_are_named_by_a_pattern(
    profile: Callable[..., Finished],
) -> None:
    devices = ("--device", "one", "--device", "two")
    refused = profile(*devices, "--table", "mine")
    assert refused.exit_code == 2
    assert "put {device} into the name" in " ".join(refused.stderr.split())
    named = profile(*devices, "--table", "lab-{device}", "--json").document
    assert [each["table"] for each in named["devices"]] == ["lab-one", "lab-two"]


def test_what_several_devices_cannot_do(profile: Callable[..., Finished], chain: Chain) -> None:
    devices = ("--device", "one", "--device", "two")
    model = chain.out / "model.tflite"
    refused = sartor("profile", *devices, "--model", model)
    assert refused.exit_code == 2
    assert "one --device at a time" in refused.stderr
    complaint = profile(*devices, "--device", "tow").complaint
    assert "no device 'tow'; did you mean 'two'?" in complaint
    assert "no runtime 'litter'" in profile(*devices, "--runtime", "litter").complaint


def test_ctrl_c_ends_a_fleet_that_goes_on_later(
    chain: Chain, recording: Path, inventory: Path, tmp_path: Path
) -> None:
    fleet = [make(name, tmp_path / name, recording, pace=1.0) for name in ("one", "two")]
    write_inventory(fleet, inventory)
    store = tmp_path / "fleet.sqlite"
    command = [
        *(sys.executable, "-m", "sartor.specializer.cli", "profile", "--device", "one"),
        *("--device", "two", "--supernet", str(chain.supernet), "--passes", "1", "--force"),
        *("--most-passes", "1", "--networks", "3", "--store", str(store), "--json"),
    ]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as host:
        while not all(each.jobs for each in fleet):
            assert host.poll() is None
            time.sleep(0.05)
        host.send_signal(signal.SIGINT)
        out, err = host.communicate(timeout=60)
    assert host.returncode == 130, err
    assert b"Traceback" not in err
    report = json.loads(out)
    assert report["failed"] == ["one", "two"]
    assert {each["error"] for each in report["devices"]} == {"StoppedError"}
    assert all("the same command goes on from here" in each["why"] for each in report["devices"])
    assert _processes_of(tmp_path) == []
    with Store.open(store) as opened:
        before = {name: len(opened.done(f"{name}-litert")) for name in ("one", "two")}
    done = subprocess.run(command, check=True, capture_output=True, timeout=120)
    for each in json.loads(done.stdout)["devices"]:
        assert each["windows_resumed"] == before[each["device"]] < PLAN.windows
        assert each["windows_resumed"] + each["windows_measured"] == PLAN.windows


def test_devices_are_cleaned_and_a_dead_one_is_told(
    profile: Callable[..., Finished], inventory: Path, tmp_path: Path
) -> None:
    root = tmp_path / "real"
    added = sartor("devices", "add", "mine", "local", "--root", root, "--python", sys.executable)
    assert added.exit_code == 0, added.stderr
    (root / "agents" / "orphan").mkdir(parents=True)
    (root / "agents" / "orphan" / "model").write_bytes(bytes(2_000_000))
    (root / "thesis").write_text("theirs")
    done = sartor("devices", "clean", "mine", "dead", "--json")
    assert done.exit_code == 1
    mine, dead = json.loads(done.stdout)
    assert 2 <= mine.pop("freed_mb") < 2.1
    assert mine == {"name": "mine", "cleaned": True, "root": str(root), "kept": ["thesis"]}
    assert (dead["cleaned"], dead["error"]) == (False, "DeviceUnreachableError")
    assert f"not ours, and still in {root}: thesis" in done.stderr
    assert "dead: cannot connect" in done.stderr
    assert [path.name for path in root.iterdir()] == ["thesis"]


def _processes_of(folder: Path) -> list[str]:
    """Return the command lines of processes that have to do with a folder."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            command = path.read_bytes().decode(errors="replace")
        except OSError:
            continue
        if str(folder) in command:
            found.append(command)
    return found


@pytest.fixture(scope="module")
def sshd() -> Iterator[Sshd]:
    if why := why_no_sshd():
        pytest.skip(why)
    pytest.importorskip("paramiko", reason="pip install 'sartor[ssh]'")
    with running_sshd() as server:
        yield server


@pytest.fixture
def home(sshd: Sshd, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home whose owner may log in to the server, and does not know it."""
    home = tmp_path / "home"
    (home / ".ssh").mkdir(parents=True, mode=0o700)
    (home / ".ssh" / "config").write_text(
        f"Host *\nIdentityFile {sshd.client_key}\nIdentitiesOnly yes\nIdentityAgent none\n"
    )
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(home / "settings"))
    return home


def answered(answer: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the program on a terminal, whose user gives an answer."""
    terminal, other_end = pty.openpty()
    try:
        os.write(terminal, answer.encode())
        command = [sys.executable, "-m", "sartor.specializer.cli", *arguments]
        return subprocess.run(
            command, check=False, stdin=other_end, capture_output=True, text=True, timeout=60
        )
    finally:
        os.close(terminal)
        os.close(other_end)


def test_an_unknown_host_key_is_refused_where_nobody_can_be_asked(
    sshd: Sshd, home: Path, inventory: Path
) -> None:
    complaint = sartor("devices", "add", "pi4", sshd.address, "--python", "python3").complaint
    assert sshd.fingerprint in complaint
    command = f"sartor devices add pi4 {sshd.address} --python python3 --fingerprint "
    assert complaint.endswith(f"accept it with: {command}{sshd.fingerprint}")
    assert not inventory.exists()
    wrong = f"SHA256:{'A' * 43}"
    complaint = sartor("devices", "add", "pi4", sshd.address, "--fingerprint", wrong).complaint
    assert f"has no host key {wrong}" in complaint
    assert not inventory.exists()


def test_a_host_key_is_accepted_by_its_fingerprint(sshd: Sshd, home: Path, inventory: Path) -> None:
    added = sartor("devices", "add", "pi4", sshd.address, "--fingerprint", sshd.fingerprint)
    assert added.exit_code == 0, added.stderr
    assert "cannot be used" not in added.stderr
    (pi4,) = json.loads(sartor("devices", "check", "pi4", "--runtime", "litert", "--json").stdout)
    assert pi4["reached"] is True
    assert sartor("devices", "trust", "pi4").exit_code == 0


def test_the_user_is_asked_whether_a_host_key_is_right(
    sshd: Sshd, home: Path, inventory: Path
) -> None:
    refused = answered("n\n", "devices", "add", "pi4", sshd.address)
    assert refused.returncode == 1
    assert f"{sshd.fingerprint}; compare it with what" in refused.stderr
    assert "then accept it? [y/N]" in refused.stderr
    assert "was not accepted" in refused.stderr
    assert not inventory.exists()
    accepted = answered("y\n", "devices", "add", "pi4", sshd.address)
    assert accepted.returncode == 0, accepted.stderr
    assert "added pi4" in accepted.stderr
