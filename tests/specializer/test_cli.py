from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from sartor.devices import find_device
from sartor.profiler.reservation import reserved
from sartor.specializer.shipped import ACCURACY, part_of
from sartor.specializer.specialization import load_specialization

from .chain import BUDGET_MS, LABELS, SPEC, Chain, sartor

COMMANDS = [
    ["devices"],
    ["devices", "add"],
    ["devices", "remove"],
    ["devices", "trust"],
    ["devices", "check"],
    ["devices", "prepare"],
    ["profile"],
    ["tables"],
    ["tables", "show"],
    ["tables", "export"],
    ["tables", "import"],
    ["tables", "remove"],
    ["specialize"],
    ["export"],
    ["verify"],
]


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_every_command_has_help(command: list[str]) -> None:
    helped = sartor(*command, "--help")
    assert helped.exit_code == 0
    assert helped.stderr == ""
    assert f"Usage: sartor {' '.join(command)}" in helped.stdout
    for option in helped.stdout.partition("Options:")[2].splitlines():
        if option.lstrip().startswith("--"):
            assert len(option.split()) > 1, f"{option} is not explained"


def test_the_list_of_commands_is_not_cut_short() -> None:
    listed = sartor("--help").stdout.partition("Commands:")[2]
    assert "..." not in listed
    assert all(command[0] in listed for command in COMMANDS)


@pytest.mark.parametrize(
    "wrong",
    [
        [],
        ["nonsense"],
        ["devices", "--nonsense"],
        ["specialize"],
        ["specialize", "--table", "t", "--out", "o", "--latency-ms", "soon"],
        ["profile", "--passes", "0"],
        ["profile", "--threads", "0"],
        ["verify"],
        ["verify", "folder", "--passes", "1"],
    ],
    ids=" ".join,
)
def test_wrong_usage_is_exit_code_2(wrong: list[str]) -> None:
    ended = sartor(*wrong)
    assert ended.exit_code == 2
    assert ended.stdout == ""
    assert "Usage: sartor" in ended.stderr


def test_the_program_itself_returns_its_exit_code() -> None:
    program = "from sartor.specializer.cli import main; main()"
    for arguments, code in ((["--version"], 0), (["tables", "--store", "/proc/t"], 1)):
        ended = subprocess.run(
            [sys.executable, "-c", program, *arguments], capture_output=True, check=False
        )
        assert ended.returncode == code
        assert bool(ended.stdout) == (code == 0)
        assert b"Traceback" not in ended.stderr


def test_a_full_standard_output_is_one_sentence() -> None:
    program = "from sartor.specializer.cli import main; main()"
    with Path("/dev/full").open("w") as full:
        ended = subprocess.run(
            [sys.executable, "-c", program, "devices"],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert ended.returncode == 1
    assert ended.stderr == (
        "sartor: cannot write to standard output: No space left on device; send it somewhere else\n"
    )


def test_devices(chain: Chain) -> None:
    (device,) = chain.said["devices"].document
    assert device["name"] == "local"
    assert {"architecture", "cores", "cpu_model", "kernel"} <= device["facts"].keys()
    assert "local" in sartor("devices").stdout


def test_profile(chain: Chain) -> None:
    report = chain.said["profile"].document
    assert report["table"] == "local-litert"
    assert report["windows_measured"] == report["operators"] + 5  # networks and calls
    assert report["windows_resumed"] == 0
    assert report["failures"] == {}
    assert report["calibration"]["margin"] > 0


def test_profile_again_measures_nothing_again(chain: Chain) -> None:
    again = sartor(
        *("profile", "--supernet", chain.supernet, "--passes", 1, "--most-passes", 1, "--force"),
        *("--networks", 3),
        *("--store", chain.store, "--json"),
    ).document
    assert again["windows_measured"] == 0
    assert again["windows_resumed"] == chain.said["profile"].document["windows_measured"]


def test_profile_of_one_operator(tmp_path: Path) -> None:
    operator = "dense/64x1x1/out=10/none/float32"
    store = tmp_path / "new" / "tables.sqlite"
    measured = sartor(
        *("profile", "--op", operator, "--passes", 2, "--most-passes", 2, "--force"),
        *("--store", store),
    )
    assert measured.exit_code == 0
    assert "none: no whole networks were measured" in measured.stdout
    (table,) = sartor("tables", "--store", store, "--json").document
    assert (table["operators"], table["windows"], table["networks"]) == (1, 6, 0)


def test_a_table_of_batches_is_one_of_its_own_and_no_network_ships_for_it(tmp_path: Path) -> None:
    store = tmp_path / "tables.sqlite"
    operator = "dense/64x1x1/out=10/none/float32"
    measured = sartor(
        *("profile", "--op", operator, "--passes", 1, "--most-passes", 1, "--force"),
        *("--batch", 4, "--store", store, "--json"),
    ).document
    assert measured["table"] == "local-litert-batch4"
    (table,) = sartor("tables", "--store", store, "--json").document
    assert table["provenance"]["condition"] == "litert/threads=1,batch=4/float32/-"
    where = ("--store", store, "--latency-ms", 20, "--out", tmp_path / "out")
    complaint = sartor("specialize", "--table", "local-litert-batch4", *where).complaint
    assert "is a table of batches of 4, and networks ship for one image at a time" in complaint
    assert complaint.endswith("--table local-litert-batch4-batch1")
    refused = sartor("profile", "--batch", 4, "--transfer-from", "local-litert-batch4")
    assert refused.exit_code == 2
    assert "a table of one batch size tells nothing of another's" in refused.stderr


def test_tables(chain: Chain, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (listed,) = sartor("tables", "--store", chain.store, "--json").document
    shown = sartor("tables", "show", "local-litert", "--store", chain.store, "--json").document
    assert listed["name"] == shown["name"] == "local-litert"
    assert listed["provenance"] == shown["provenance"]
    assert listed["operators"] == len(shown["operators"])
    latencies_ms = [row["latency_ms"] for row in shown["operators"].values()]
    assert latencies_ms == sorted(latencies_ms, reverse=True)
    assert {row["verdict"] for row in shown["operators"].values()} == {"unknown"}  # one pass
    assert {row["passes"] for row in shown["operators"].values()} == {1}
    assert shown["calibration"]["networks"] == listed["networks"] == 3
    monkeypatch.setenv("COLUMNS", "160")
    printed = sartor("tables", "show", "local-litert", "--store", chain.store).stdout
    assert next(iter(shown["operators"])) in printed

    file, copy = tmp_path / "table.jsonl", tmp_path / "copy.sqlite"
    for command in (
        ("export", "local-litert", file, "--store", chain.store),
        ("import", file, "--store", copy),
    ):
        ended = sartor("tables", *command)
        assert (ended.exit_code, ended.stdout) == (0, "")
    assert sartor("tables", "show", "local-litert", "--store", copy, "--json").document == shown
    assert sartor("tables", "remove", "local-litert", "--store", copy).exit_code == 0
    assert sartor("tables", "--store", copy, "--json").document == []


def test_specialize(chain: Chain) -> None:
    said = chain.said["specialize"]
    choice = said.document
    assert choice["origin"] == {
        "supernet": str(chain.supernet),
        "family": "mobilenet_v3",
        "settings": {"width": SPEC.width},
        "resolutions": list(SPEC.resolutions),
        "labels": list(LABELS),
    }
    assert choice["target"]["budget_ms"] == BUDGET_MS
    assert choice["latency"]["low_ms"] <= choice["latency"]["latency_ms"]
    assert choice["latency"]["latency_ms"] <= choice["latency"]["high_ms"] <= BUDGET_MS
    assert choice["accuracy"]["measured"] is None
    predictor = part_of(chain.supernet, ACCURACY).read_bytes()
    assert choice["accuracy"]["predictor_sha256"] == hashlib.sha256(predictor).hexdigest()
    assert choice["recalibrated_with"] == "synthetic images"
    front = np.array(choice["search"]["front"])
    assert np.all(np.diff(front, axis=0) > 0)
    assert "s of wall time" in said.stderr
    network = load_specialization(chain.out).network
    assert network.graph.name == choice["subnetwork"]
    assert network.graph.parameters == choice["parameters"]


def test_specialize_for_half_the_largest_by_default_with_the_users_images(
    chain: Chain, tmp_path: Path
) -> None:
    ended = sartor(
        *("specialize", "--supernet", chain.supernet, "--table", "local-litert"),
        *("--store", chain.store, "--data", chain.photos, "--out", tmp_path / "out"),
    )
    assert ended.exit_code == 0
    choice = json.loads((tmp_path / "out" / "specialization.json").read_text())
    assert choice["target"]["budget_ms"] == choice["search"]["largest_ms"] / 2
    assert choice["latency"]["high_ms"] <= choice["target"]["budget_ms"]
    assert choice["accuracy"]["images"] == 6
    assert 0 <= choice["accuracy"]["measured"] <= 1
    assert choice["recalibrated_with"] == str(chain.photos)
    assert choice["subnetwork"] in "".join(ended.stdout.split())
    assert "…" not in ended.stdout


def test_a_seed_gives_the_same_network(chain: Chain, tmp_path: Path) -> None:
    options = ("--supernet", chain.supernet, "--table", "local-litert", "--store", chain.store)
    for name in ("one", "other"):
        assert sartor("specialize", *options, "--out", tmp_path / name).exit_code == 0
    weights = [tmp_path / name / "network.safetensors" for name in ("one", "other")]
    assert weights[0].read_bytes() == weights[1].read_bytes()


def test_export(chain: Chain) -> None:
    exported = chain.said["export"].document
    assert [artefact["runtime"] for artefact in exported] == ["litert", "onnxruntime"]
    for artefact in exported:
        assert Path(artefact["path"]).stat().st_size == artefact["size_bytes"] > 0


def test_verify(chain: Chain) -> None:
    report = chain.said["verify"].document
    assert report["holds"] is True
    assert report["choice"] == chain.said["specialize"].document
    assert [proof["runtime"] for proof in report["proofs"]] == ["litert", "onnxruntime"]
    for proof in report["proofs"]:
        assert proof["verdict"] == "holds"
        assert proof["comparison"]["images"] == 32
        assert proof["comparison"]["difference"] <= 1e-4
        assert proof["comparison"]["agreement"] == 1
        assert proof["comparison"]["top1"] is None
        measured = proof["measured"]
        assert 0 <= measured["low_ms"] <= measured["latency_ms"] <= measured["high_ms"]
    assert json.loads((chain.out / "report.json").read_text()) == report
    with Image.open(chain.out / "report.png") as picture:
        picture.load()
        assert picture.format == "PNG"
        assert picture.width > 600


def test_verify_on_the_users_images(chain: Chain) -> None:
    options = ("--runtime", "litert", "--runtime", "litert", "--passes", 2)
    ended = sartor("verify", chain.out, *options, "--data", chain.photos, "--images", 4, "--json")
    (proof,) = ended.document["proofs"]
    assert proof["comparison"]["images"] == 4
    assert 0 <= proof["comparison"]["top1"] <= 1
    printed = sartor("verify", chain.out, *options)
    assert printed.exit_code == 0
    assert "holds" in printed.stdout
    assert "wrote" in printed.stderr


def test_a_device_that_others_time_on_is_left_alone(chain: Chain, tmp_path: Path) -> None:
    operator = "dense/8x1x1/out=2/none/float32"
    store = tmp_path / "tables.sqlite"
    with reserved(find_device("local")):
        complaints = [
            sartor("verify", chain.out).complaint,
            sartor("profile", "--op", operator, "--store", store, "--force").complaint,
            sartor("profile", "--op", operator, "--store", store, "--patience", 0.1).complaint,
        ]
    for complaint in complaints:
        who = f"local is being timed by process {os.getpid()} on "
        assert complaint.startswith(f"sartor: {who}")
        assert complaint.endswith("; wait for it, or end it")
