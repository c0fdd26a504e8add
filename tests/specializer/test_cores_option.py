"""``sartor profile --cores``: what becomes of it, and what it refuses."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from sartor.tables import Condition, Store
from sartor.tables.cores import cores_text

from .chain import SPEC, Finished, sartor, write_supernet
from .made_up_tables import made_up_table, plain_us

LAST = max(os.sched_getaffinity(0))
OPERATOR = "dense/64x1x1/out=10/none/float32"


@pytest.fixture(autouse=True)
def no_other_times_on_the_device(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor other tests, that run at the same time."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def profiled(store: Path, *options: object) -> Finished:
    few = ("--passes", 1, "--most-passes", 1, "--force")
    return sartor("profile", "--op", OPERATOR, *few, "--store", store, *options)


def test_a_table_is_named_after_its_cores_and_knows_them(tmp_path: Path) -> None:
    store = tmp_path / "tables.sqlite"
    profiled(store, "--cores", LAST)
    profiled(store)
    tables = {one["name"]: one for one in sartor("tables", "--store", store, "--json").document}
    assert set(tables) == {"local-litert", f"local-litert-cores{LAST}"}
    pinned = tables[f"local-litert-cores{LAST}"]["provenance"]
    assert pinned["condition"] == f"litert/threads=1,batch=1,cores={LAST}/float32/-"
    assert pinned["facts"]["affinity"] == str(LAST)
    into = profiled(store, "--cores", LAST, "--table", "local-litert")
    assert "condition" in into.complaint


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        (("--cores", "4095"), "local has no core 4095; it has "),
        (("--cores", "fast"), "'fast' is no list of cores such as 4-7 or 0,2; --cores takes big"),
        (("--cores", LAST, "--threads", 2), f"2 threads would share the core {LAST}; ask for"),
        (("--threads", 256), "256 threads would share the core"),
    ],
)
def test_what_cannot_be_is_refused_in_a_sentence(
    tmp_path: Path, options: tuple[object, ...], complaint: str
) -> None:
    done = profiled(tmp_path / "tables.sqlite", *options)
    assert done.complaint.startswith(f"sartor: {complaint}")
    assert "\n" not in done.complaint


def test_a_model_is_pinned_too(tmp_path: Path) -> None:
    from .test_profile_model import write_model

    model = write_model(tmp_path / "small.tflite")
    found = sartor("profile", "--model", model, "--passes", 1, "--cores", LAST, "--json").document
    assert found["cores"] == cores_text([LAST])


def test_the_command_that_measures_what_is_missing_has_the_cores(tmp_path: Path) -> None:
    write_supernet(tmp_path / "small.safetensors")
    condition = Condition("litert", dtype="int8", threads=4, cores="4-7")
    with Store.open(tmp_path / "tables.sqlite") as store:
        store.add(made_up_table(SPEC, "phone", plain_us, condition=condition))
    done = sartor(
        *("specialize", "--supernet", tmp_path / "small.safetensors", "--table", "phone"),
        *("--store", tmp_path / "tables.sqlite", "--out", tmp_path / "out"),
    )
    assert done.complaint.endswith("--threads 4 --table phone-float32 --cores 4-7")
