from __future__ import annotations

import json
import resource
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from sartor.specializer.export import export
from sartor.specializer.network import Network
from sartor.specializer.shipped import ACCURACY, part_of
from sartor.specializer.specialization import load_specialization

from .chain import LABELS, Chain, sartor, write_supernet

Damage = Callable[[Path], object]
"""Harms what stands at a path."""


def cut_short(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def fill_with_nonsense(path: Path) -> None:
    path.write_bytes(np.random.default_rng(0).bytes(path.stat().st_size))


def empty(path: Path) -> None:
    path.write_bytes(b"")


@contextmanager
def files_of_at_most(size_bytes: int) -> Iterator[None]:
    """Let no file grow further, as on a disk that is full."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size_bytes, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def everything_below(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


@pytest.fixture
def supernet(chain: Chain, tmp_path: Path) -> Path:
    """A copy of the supernet, to be damaged."""
    copies = tmp_path / "supernet"
    copies.mkdir()
    for part in chain.supernet.parent.glob("small.*"):
        shutil.copy(part, copies)
    return copies / chain.supernet.name


@pytest.fixture
def store(chain: Chain, tmp_path: Path) -> Path:
    """A copy of the store, to be damaged."""
    return Path(shutil.copy(chain.store, tmp_path / "store.sqlite"))


@pytest.fixture
def out(chain: Chain, tmp_path: Path) -> Path:
    """A copy of the specialization, to be damaged."""
    return Path(shutil.copytree(chain.out, tmp_path / "specialized"))


@pytest.fixture
def photos(chain: Chain, tmp_path: Path) -> Path:
    """A copy of the labelled images, to be damaged."""
    return Path(shutil.copytree(chain.photos, tmp_path / "images"))


def specialize_complaint(chain: Chain, tmp_path: Path, **options: object) -> str:
    """Specialize with some options changed; nothing may be left of it but one line."""
    usual: dict[str, object] = {
        "supernet": chain.supernet,
        "table": "local-litert",
        "store": chain.store,
        "out": tmp_path / "result",
    }
    changed = (usual | options).items()
    arguments = [part for name, value in changed for part in (f"--{name}", value)]
    ended = sartor("specialize", *arguments)
    assert not (tmp_path / "result").exists()
    return ended.complaint


@pytest.mark.parametrize("command", ["profile", "specialize"])
def test_an_unknown_supernet(command: str, chain: Chain, tmp_path: Path) -> None:
    options = {
        "profile": ("--store", tmp_path / "new.sqlite"),
        "specialize": ("--table", "local-litert", "--store", chain.store, "--out", tmp_path / "o"),
    }[command]
    complaint = sartor(command, "--supernet", "nonsense", *options).complaint
    assert "no supernet 'nonsense'; known: " in complaint
    assert "name a file of weights" in complaint
    assert not (tmp_path / "o").exists()


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (("profile", "--device", "locl"), "no device 'locl'; did you mean 'local'?"),
        (("profile", "--dtype", "int4"), "litert takes float32, float16, int8 here, not 'int4'"),
        (("profile", "--runtime", "torch", "--dtype", "int8"), "torch takes float32 here"),
        (
            ("profile", "--dtype", "int8", "--op", "dense/8x1x1/out=2/none/float32"),
            "dense/8x1x1/out=2/none/float32 is not int8; measure it with --dtype float32",
        ),
        (("profile", "--runtime", "litter"), "no runtime 'litter'; did you mean 'litert'?"),
        (("profile", "--op", "nonsense"), "'nonsense' is not KIND/SHAPES"),
        (("profile", "--op", "sum/3x3x3/-/none/float32"), "no kind of operator 'sum'; known: add"),
        (("export", "{out}", "--runtime", "tflite"), "no runtime 'tflite'; did you mean 'litert'"),
        (("verify", "{out}", "--runtime", "onnx"), "no runtime 'onnx'; known: benchmark_model, li"),
        (("verify", "{out}", "--device", "phone"), "no device 'phone'; known: local"),
        (("tables", "show", "lokal", "--store", "{store}"), "no table 'lokal'; known: local-lit"),
        (("tables", "--store", ""), "a store has to have a name; name a file"),
        (("tables", "remove", "x", "--store", "{store}"), "sartor profile measures new ones"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_an_unknown_name(arguments: tuple[str, ...], complaint: str, chain: Chain) -> None:
    filled = [argument.format(out=chain.out, store=chain.store) for argument in arguments]
    assert complaint in sartor(*filled).complaint


@pytest.mark.parametrize("budget", ["-1", "0", "nan", "inf", "-inf"])
def test_a_budget_that_makes_no_sense(budget: str, chain: Chain, tmp_path: Path) -> None:
    complaint = specialize_complaint(chain, tmp_path, **{"latency-ms": budget})
    assert f"a budget is a positive number of milliseconds, not {budget}" in complaint


def test_a_budget_that_nothing_meets(chain: Chain, tmp_path: Path) -> None:
    complaint = specialize_complaint(chain, tmp_path, **{"latency-ms": "1e-9"})
    assert "no network of ofa-mbv3-w0.25 meets 1e-09 ms: the fastest, 64:k" in complaint
    assert complaint.endswith("ask for that or more")


def test_a_budget_that_everything_meets(chain: Chain, tmp_path: Path) -> None:
    done = sartor(
        *("specialize", "--supernet", chain.supernet, "--table", "local-litert"),
        *("--store", chain.store, "--latency-ms", "1e9", "--out", tmp_path / "o", "--json"),
    )
    assert done.document["target"]["budget_ms"] == 1e9


@pytest.mark.parametrize("damage", [cut_short, fill_with_nonsense, empty, Path.unlink])
@pytest.mark.parametrize("part", ["safetensors", "accuracy.npz", "calibration.jpg"])
def test_a_damaged_supernet(
    part: str, damage: Damage, chain: Chain, supernet: Path, tmp_path: Path
) -> None:
    damage(part_of(supernet, part))
    complaint = specialize_complaint(chain, tmp_path, supernet=supernet)
    assert str(supernet.with_suffix("")) in complaint


@pytest.mark.parametrize("damage", [cut_short, fill_with_nonsense])
def test_a_damaged_store(damage: Damage, chain: Chain, store: Path, tmp_path: Path) -> None:
    damage(store)
    assert str(store) in specialize_complaint(chain, tmp_path, store=store)
    assert str(store) in sartor("tables", "show", "local-litert", "--store", store).complaint


def test_a_store_of_a_newer_version(chain: Chain, store: Path, tmp_path: Path) -> None:
    with sqlite3.connect(store) as connection:
        connection.execute("UPDATE sartor SET schema_version = 999")
    connection.close()
    for complaint in (
        specialize_complaint(chain, tmp_path, store=store),
        sartor("tables", "--store", store).complaint,
        sartor("profile", "--supernet", chain.supernet, "--store", store).complaint,
    ):
        assert "was written by a newer Sartor" in complaint
        assert "update Sartor" in complaint


def test_a_table_of_another_supernet(chain: Chain, tmp_path: Path) -> None:
    other = tmp_path / "other net.safetensors"
    write_supernet(other, classes=4)
    complaint = specialize_complaint(chain, tmp_path, supernet=other)
    assert "no latency for dense/" in complaint
    assert f"sartor profile --supernet '{other}' --device local --runtime litert" in complaint
    assert complaint.endswith("--table local-litert")


@pytest.mark.parametrize("damage", [cut_short, fill_with_nonsense, empty])
def test_a_damaged_image(damage: Damage, chain: Chain, photos: Path, tmp_path: Path) -> None:
    image = photos / LABELS[1] / "0.png"
    damage(image)
    assert f"cannot read the image {image}" in specialize_complaint(chain, tmp_path, data=photos)
    assert (
        f"cannot read the image {image}" in sartor("verify", chain.out, "--data", photos).complaint
    )


def test_weights_without_a_predictor(chain: Chain, supernet: Path, tmp_path: Path) -> None:
    part_of(supernet, ACCURACY).unlink()
    complaint = specialize_complaint(chain, tmp_path, supernet=supernet)
    assert "has no accuracy predictor" in complaint
    assert complaint.endswith(f"sartor evaluate --supernet {supernet} --data DIR")


def test_images_in_the_wrong_folders(chain: Chain, photos: Path, tmp_path: Path) -> None:
    complaint = specialize_complaint(chain, tmp_path, data=photos / LABELS[0])
    assert "has no folder for the class cat, dog, owl; want one folder of images" in complaint
    complaint = specialize_complaint(chain, tmp_path, data=tmp_path / "nowhere")
    assert f"cannot list {tmp_path / 'nowhere'}: No such file or directory; want" in complaint
    (photos / LABELS[0]).rename(photos / "cats")
    assert "no folder for the class cat" in specialize_complaint(chain, tmp_path, data=photos)
    shutil.copytree(photos / "cats", photos / LABELS[0])
    assert "does not know: cats" in specialize_complaint(chain, tmp_path, data=photos)
    assert "does not know: cats" in sartor("verify", chain.out, "--data", photos).complaint


@pytest.mark.parametrize("folder", ["/proc/sartor", "/dev/null/sartor"])
def test_no_permission_to_write(folder: str, chain: Chain, tmp_path: Path) -> None:
    # Root may write wherever others may not, so these are folders in which nobody can.
    assert f"cannot write {folder}" in specialize_complaint(chain, tmp_path, out=folder)
    assert f"{folder}/store" in sartor("tables", "--store", f"{folder}/store").complaint
    exported = sartor("tables", "export", "local-litert", f"{folder}/t", "--store", chain.store)
    assert f"cannot write {folder}/t" in exported.complaint


def test_a_full_disk(chain: Chain, out: Path, store: Path, tmp_path: Path) -> None:
    with files_of_at_most(50_000):
        assert "cannot write" in sartor("export", out).complaint
        exported = sartor("tables", "export", "local-litert", tmp_path / "t", "--store", store)
        assert "cannot write" in exported.complaint
        complaint = sartor(
            *("specialize", "--supernet", chain.supernet, "--table", "local-litert"),
            *("--store", chain.store, "--out", tmp_path / "result"),
        ).complaint
    assert "cannot write" in complaint
    assert everything_below(tmp_path / "result") == []
    assert not (tmp_path / "t").exists()
    assert everything_below(out) == everything_below(chain.out)
    assert (out / "model.onnx").read_bytes() == (chain.out / "model.onnx").read_bytes()


def test_a_full_disk_while_profiling(
    chain: Chain, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sartor.profiler.batches._MOST_MODELS", 5)
    store = tmp_path / "store.sqlite"
    operators = [f"dense/64x1x1/out={out}/none/float32" for out in range(1, 40)]
    arguments = [part for operator in operators for part in ("--op", operator)]
    hurry = ("--passes", 1, "--most-passes", 1, "--force")
    command = ("profile", *arguments, *hurry, "--store", store)
    with files_of_at_most(220_000):
        assert "disk" in sartor(*command).complaint
    (kept,) = sartor("tables", "--store", store, "--json").document
    resumed = sartor(*command, "--json").document
    windows = len(operators) + 2  # models of next to no work are timed among them
    assert 0 < kept["windows"] < windows
    assert resumed["windows_resumed"] == kept["windows"]
    assert resumed["windows_measured"] == windows - kept["windows"]


@pytest.mark.parametrize("damage", [cut_short, fill_with_nonsense, empty, Path.unlink])
@pytest.mark.parametrize("part", ["specialization.json", "network.safetensors"])
@pytest.mark.parametrize("command", ["export", "verify"])
def test_a_damaged_specialization(command: str, part: str, damage: Damage, out: Path) -> None:
    damage(out / part)
    complaint = sartor(command, out).complaint
    assert part in complaint
    assert "sartor specialize" in complaint


def test_a_specialization_of_a_newer_version(out: Path) -> None:
    path = out / "specialization.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"format": 999}))
    assert "was written by a newer Sartor" in sartor("export", out).complaint


def test_weights_that_are_no_numbers_or_of_another_network(out: Path) -> None:
    path = out / "network.safetensors"
    weights = load_file(path)
    name = next(iter(weights))
    save_file({n: value for n, value in weights.items() if n != name}, path)
    assert f"{path} is damaged: the weight {name} is missing" in sartor("export", out).complaint
    save_file(weights | {name: np.full_like(weights[name], np.nan)}, path)
    assert "no finite numbers" in sartor("export", out).complaint


@pytest.mark.parametrize("model", ["model.tflite", "model.onnx"])
def test_a_missing_artefact(model: str, out: Path) -> None:
    (out / model).unlink()
    complaint = sartor("verify", out).complaint
    assert f"{out / model} is missing; write it with: sartor export {out}" in complaint


@pytest.mark.parametrize("damage", [cut_short, fill_with_nonsense, empty])
@pytest.mark.parametrize("model", ["model.tflite", "model.onnx"])
def test_a_damaged_artefact(model: str, damage: Damage, out: Path) -> None:
    damage(out / model)
    complaint = sartor("verify", out, "--passes", 2).complaint
    assert f"{out / model} does not run as it should" in complaint
    assert f"sartor export {out}" in complaint


def test_an_artefact_with_other_weights(out: Path) -> None:
    right = load_specialization(out)
    weights = dict(right.network.weights)
    weights["classifier.weight"] = weights["classifier.weight"] * 1.01
    wrong = Network(right.network.graph, weights, right.network.eps)
    export(wrong, out, ["litert"])
    ended = sartor("verify", out, "--passes", 2, "--json")
    assert ended.exit_code == 1
    verdicts = {p["runtime"]: p["verdict"] for p in json.loads(ended.stdout)["proofs"]}
    assert verdicts == {"litert": "differs from torch", "onnxruntime": "holds"}


def test_an_artefact_that_misses_the_budget(out: Path) -> None:
    path = out / "specialization.json"
    document = json.loads(path.read_text())
    document["target"]["budget_ms"] = 1e-6
    path.write_text(json.dumps(document))
    ended = sartor("verify", out, "--runtime", "litert", "--passes", 2)
    assert ended.exit_code == 1
    assert "over" in ended.stdout
    assert (out / "report.png").exists()


def test_a_portable_table_that_is_none(tmp_path: Path) -> None:
    file = tmp_path / "table.jsonl"
    file.write_text("nonsense\n")
    complaint = sartor("tables", "import", file, "--store", tmp_path / "new.sqlite").complaint
    assert f"{file}: line 1" in complaint
    assert "fetch the file again" in complaint
