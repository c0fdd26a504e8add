"""How runtimes get to Linux devices: whatever happens meanwhile, and whatever was there before.

The wheels are little ones here; ``test_prepare_real.py`` has the real ones.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from sartor.devices import LocalDevice
from sartor.profiler.provision import Prepared, find_prepared, prepare, with_prepared
from sartor.profiler.provision import pieces as pieces_module
from sartor.profiler.provision.trial import import_runtime
from sartor.profiler.provision.using import prepared_in_use
from sartor.profiler.reservation import reserved
from sartor.tables.errors import (
    ConnectionLostError,
    DeviceBusyError,
    RuntimeMissingError,
    SartorError,
)

from .faults import CutDevice
from .little_wheels import litert_wheels, make_wheel


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "device"


@pytest.fixture
def python(interpreter: object) -> str:
    """The very interpreter, so that no other is looked for."""
    return str(interpreter.path)  # type: ignore[attr-defined]


@pytest.fixture
def device(root: Path, python: str, few_pythons: None) -> CutDevice:
    return CutDevice(root, python)


@pytest.fixture
def few_pythons(monkeypatch: pytest.MonkeyPatch) -> None:
    """No further Pythons but the system's, because to ask many takes time."""
    monkeypatch.setenv("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")


def runs(prepared: Prepared) -> str:
    """Import what was put there, and return where from."""
    program = "import ai_edge_litert.interpreter as m, numpy; print(m.__file__)"
    done = subprocess.run(
        [str(prepared.python), "-c", program], capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


def folder_of(root: Path) -> Path:
    return root / "environments" / "litert"


def check_alone(root: Path, prepared: Prepared) -> None:
    """What was put there is all there is."""
    left = sorted(path.name for path in folder_of(root).iterdir())
    assert left == sorted(["lock", "prepared.json", prepared.key])


def test_a_runtime_is_put_there_and_runs(little: Path, root: Path, device: CutDevice) -> None:
    prepared = prepare(device, "litert")
    assert runs(prepared).startswith(str(folder_of(root) / prepared.key))
    assert find_prepared(device, "litert") == prepared
    assert [(part.name, part.version) for part in prepared.parts] == [
        ("ai-edge-litert", "2.3.0"),
        ("numpy", "2.2.6"),
    ]
    assert {part.sha256 for part in prepared.parts} == {
        subprocess.run(["sha256sum", path], capture_output=True, text=True, check=True).stdout[:64]
        for path in little.iterdir()
    }
    check_alone(root, prepared)
    assert folder_of(root).stat().st_mode & 0o77 == 0


def test_files_of_every_part_of_a_wheel_lie_where_pip_puts_them(
    little: Path, root: Path, device: CutDevice
) -> None:
    folder = folder_of(root) / prepare(device, "litert").key
    modules = folder / "lib" / "python3.11" / "site-packages"
    assert (modules / "ai_edge_litert" / "more.py").read_text() == "MORE = 1\n"
    assert not list(modules.glob("*.data"))
    assert [path.name for path in (folder / "bin").iterdir()] == ["python"]


def test_once_more_nothing_travels(little: Path, root: Path, device: CutDevice) -> None:
    prepared = prepare(device, "litert")
    before = {path: path.stat().st_mtime_ns for path in folder_of(root).rglob("*.py")}
    device.pushed.clear()
    told: list[str] = []
    assert prepare(device, "litert", tell=told.append) == prepared
    assert told == []
    assert device.pushed == []
    assert before == {path: path.stat().st_mtime_ns for path in folder_of(root).rglob("*.py")}


def test_once_more_needs_neither_a_network_nor_a_cache(
    little: Path, tmp_path: Path, device: CutDevice, monkeypatch: pytest.MonkeyPatch
) -> None:
    prepared = prepare(device, "litert", cache=tmp_path / "cache")
    monkeypatch.setenv("PIP_FIND_LINKS", "/nowhere")
    assert prepare(device, "litert", cache=tmp_path / "other") == prepared


MODULE = Path("lib/python3.11/site-packages/ai_edge_litert/interpreter.py")


@pytest.mark.parametrize(
    ("harm", "told"),
    [
        (lambda folder: (folder / MODULE).write_text("X = 1\n"), "has changed"),
        (lambda folder: (folder / MODULE).unlink(), "No such file"),
        (lambda folder: (folder / "bin" / "python").unlink(), "is gone"),
        (lambda folder: (folder / "pyvenv.cfg").unlink(), "cannot be imported"),
        (lambda folder: folder.rename(folder.with_name("elsewhere")), "0 of 2 wheels"),
        (lambda folder: (folder.parent / "prepared.json").write_text("{"), "is not JSON"),
        (lambda folder: (folder.parent / "prepared.json").unlink(), "unpacking"),
    ],
)
def test_what_is_broken_is_put_there_again(
    little: Path, root: Path, device: CutDevice, harm: object, told: str
) -> None:
    prepared = prepare(device, "litert")
    harm(folder_of(root) / prepared.key)  # type: ignore[operator]
    sentences: list[str] = []
    assert prepare(device, "litert", tell=sentences.append) == prepared
    assert any(told in sentence for sentence in sentences), sentences
    assert runs(prepared)
    assert (folder_of(root) / prepared.key / MODULE).read_text() == ""


def test_what_a_device_must_have_changes_and_the_old_one_goes(
    little: Path, root: Path, device: CutDevice, tmp_path: Path
) -> None:
    old = prepare(device, "litert", cache=tmp_path / "cache")
    make_wheel(little, "numpy", "2.2.6", {"numpy/__init__.py": "NEW = 1\n"})
    note = folder_of(root) / "prepared.json"
    note.write_text(note.read_text().replace("2.3.0", "2.2.0"))  # as an older Sartor wrote it
    new = prepare(device, "litert", cache=tmp_path / "other")
    assert new.key != old.key
    assert runs(new)
    check_alone(root, new)


def test_nothing_else_is_deleted(
    little: Path, root: Path, device: CutDevice, tmp_path: Path
) -> None:
    precious = tmp_path / "precious"
    precious.mkdir()
    (precious / "file").touch()
    folder = folder_of(root)
    folder.mkdir(parents=True)
    (folder / "notes.txt").touch()
    (folder / "0123456789ab").symlink_to(precious)  # as if it was an environment of ours
    prepare(device, "litert")
    assert (precious / "file").exists()
    assert (folder / "notes.txt").exists()
    assert not (folder / "0123456789ab").exists()


def test_a_folder_that_leads_elsewhere_is_refused(
    little: Path, root: Path, device: CutDevice, tmp_path: Path
) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    folder_of(root).parent.mkdir(parents=True)
    folder_of(root).symlink_to(elsewhere)
    with pytest.raises(SartorError, match="is a link to somewhere else"):
        prepare(device, "litert")
    assert list(elsewhere.iterdir()) == []


@pytest.mark.parametrize("name", ["../../outside", "/tmp/sartor-outside"])
def test_a_wheel_that_reaches_out_is_refused(
    little: Path, root: Path, device: CutDevice, name: str, tmp_path: Path
) -> None:
    make_wheel(little, "numpy", "2.2.6", {"numpy/__init__.py": "", name: "out"})
    with pytest.raises(SartorError, match="a wheel names a file"):
        prepare(device, "litert", cache=tmp_path / "cache")
    assert not Path("/tmp/sartor-outside").exists()
    assert [path.name for path in folder_of(root).iterdir()] == ["lock"]


CRASHES = {
    "import os; os.kill(os.getpid(), 4)": "processor of local lacks instructions",
    "import os; os.kill(os.getpid(), 11)": r"crashes on local while .* \(SIGSEGV\)",
    "raise ImportError('libgomp.so.1: cannot open shared object file: No such file')": (
        "local lacks the library libgomp.so.1; sudo apt-get install libgomp1"
    ),
}


def test_a_runtime_that_cannot_be_imported_leaves_the_old_one(
    little: Path, root: Path, device: CutDevice, tmp_path: Path
) -> None:
    old = prepare(device, "litert")
    (folder_of(root) / old.key / MODULE).write_text("X = 1\n")  # so that it is to be replaced
    litert_wheels(little, "raise ImportError('odd')")
    with pytest.raises(RuntimeMissingError, match=r"cannot be imported on local: .*: odd"):
        prepare(device, "litert", cache=tmp_path / "cache")
    check_alone(root, old)
    assert find_prepared(device, "litert") == old


def test_a_runtime_that_cannot_be_imported_is_explained(
    little: Path, root: Path, device: CutDevice
) -> None:
    python = str(prepare(device, "litert").python)
    name, module = "ai_edge_litert.interpreter", next(folder_of(root).rglob("interpreter.py"))
    assert import_runtime(device, python, name, {"numpy": "2.2.6"}) == ""
    assert "finds other versions" in import_runtime(device, python, name, {"numpy": "2.2.7"})
    for source, message in CRASHES.items():
        module.write_text(source)
        assert re.search(message, import_runtime(device, python, name, {}))


def steps_of(root: Path, python: str) -> int:
    device = CutDevice(root, python)
    prepare(device, "litert")
    return device.steps


@pytest.mark.slow
@pytest.mark.parametrize("done_first", [False, True], ids=["unasked", "unanswered"])
def test_cut_at_any_step_it_goes_on(
    little: Path,
    tmp_path: Path,
    python: str,
    few_pythons: None,
    monkeypatch: pytest.MonkeyPatch,
    *,
    done_first: bool,
) -> None:
    litert_wheels(little, noise_bytes=20_000)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(pieces_module, "_PIECE_BYTES", 10_000)
    steps = steps_of(tmp_path / "first", python)
    assert steps > 10
    for step in range(1, steps + 1):
        root = tmp_path / f"cut-{step}"
        device = CutDevice(root, python, step, done_first=done_first)
        with pytest.raises(ConnectionLostError):
            prepare(device, "litert")
        arrived = set(device.pushed)
        device.pushed.clear()
        prepared = prepare(device, "litert")
        # What had arrived does not travel again.
        whole = {name for name in arrived if ".whl." in name}
        assert whole.isdisjoint(device.pushed) or device.done_first, step
        assert runs(prepared)
        check_alone(root, prepared)


def test_cut_at_any_step_the_old_one_stays(
    little: Path, tmp_path: Path, python: str, few_pythons: None
) -> None:
    root = tmp_path / "device"
    old = prepare(CutDevice(root, python), "litert", cache=tmp_path / "cache")
    make_wheel(little, "numpy", "2.2.6", {"numpy/__init__.py": "NEW = 1\n"})
    note = folder_of(root) / "prepared.json"
    older = note.read_text().replace("2.3.0", "2.2.0")
    step, found = 0, old
    while found.key == old.key:  # until the step after which the new one counts
        step += 1
        note.write_text(older)
        device = CutDevice(root, python, step, done_first=True)
        with pytest.raises(ConnectionLostError):
            prepare(device, "litert", cache=tmp_path / "other")
        there = find_prepared(LocalDevice(root), "litert")
        assert there is not None
        found = there
        assert runs(found)
    assert step > 5


def test_two_hosts_at_once_take_turns(
    little: Path, root: Path, python: str, few_pythons: None
) -> None:
    def one() -> Prepared:
        return prepare(LocalDevice(root, python), "litert", patience_s=60)

    with ThreadPoolExecutor(2) as threads:
        first, second = threads.submit(one), threads.submit(one)
    assert first.result() == second.result()
    assert runs(first.result())
    check_alone(root, first.result())


def test_a_device_that_is_being_timed_is_left_alone(
    little: Path, root: Path, device: CutDevice
) -> None:
    with reserved(device), pytest.raises(DeviceBusyError, match="being timed by process"):
        prepare(device, "litert")
    assert not folder_of(root).exists()


def test_devices_are_used_as_they_were_prepared(
    little: Path, root: Path, device: CutDevice
) -> None:
    assert with_prepared(device, "litert") is device
    assert prepared_in_use(device, "litert") is None
    prepared = prepare(device, "litert")
    used = with_prepared(device, "litert")
    assert used.python == str(prepared.python)
    assert (used.name, used.root, used.remote) == (device.name, device.root, device.remote)
    assert prepared_in_use(used, "litert") == prepared
    assert prepared_in_use(device, "litert") is None
    assert dict(used.facts().distributions)["ai-edge-litert"] == "2.3.0"


def test_a_device_whose_python_is_gone_is_told_what_mends_it(
    little: Path, root: Path, device: CutDevice
) -> None:
    prepared = prepare(device, "litert")
    program = Path(prepared.python)
    program.unlink()
    program.symlink_to("/usr/bin/python3.0")  # as after an update of the system
    with pytest.raises(RuntimeMissingError, match="sartor devices prepare local --runtime litert"):
        with_prepared(device, "litert")
    assert prepare(device, "litert") == prepared
    assert with_prepared(device, "litert").python == str(prepared.python)


IN_A_PLACE = """
import sys
from pathlib import Path
from sartor.devices import LocalDevice
from sartor.profiler.provision import prepare
from sartor.tables.errors import SartorError
try:
    prepare(LocalDevice(Path(sys.argv[1]), sys.argv[2]), "litert")
except SartorError as error:
    print(type(error).__name__, error)
"""


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("size=100k", "DeviceError local has 0 MB free for .*, and [0-9]+ MB are needed; free"),
        ("ro", "DeviceError cannot copy .* check free space and permissions there"),
        ("noexec", "nothing may be run from .* is mounted noexec.*give the device another"),
    ],
)
def test_a_place_that_does_not_take_it_is_told(
    little: Path, tmp_path: Path, python: str, options: str, message: str
) -> None:
    if os.geteuid():
        pytest.skip("only root mounts file systems")
    if options == "noexec":
        library = Path(json.loads(_ask(python, "_json"))).read_bytes()
        make_wheel(little, "ai-edge-litert", "2.3.0", _extension(library))
    else:
        litert_wheels(little, noise_bytes=300_000)
    place = tmp_path / "place"
    place.mkdir()
    script = 'mount -t tmpfs -o "$1" none "$2" && shift 2 && exec "$@"'
    command = ["unshare", "--mount", "sh", "-c", script, "sh", options, str(place)]
    ours = {"PYTHONPATH": os.pathsep.join(sys.path), "XDG_CACHE_HOME": str(tmp_path / "cache")}
    # The mount is seen by these processes alone, and goes with them.
    program = [sys.executable, "-c", IN_A_PLACE, str(place / "device"), python]
    done = subprocess.run(
        [*command, *program],
        capture_output=True,
        text=True,
        env={**os.environ, **ours},
        check=True,
    )
    assert re.search(message, done.stdout), done.stdout


def _ask(python: str, module: str) -> str:
    program = f"import json, {module}; print(json.dumps({module}.__file__))"
    return subprocess.run(
        [python, "-c", program], capture_output=True, text=True, check=True
    ).stdout


def _extension(library: bytes) -> dict[str, str | bytes]:
    """A package that runs machine code, as real runtimes do."""
    return {
        "ai_edge_litert/__init__.py": "",
        "ai_edge_litert/interpreter.py": "from . import _json\n",
        "ai_edge_litert/_json.so": library,
    }
