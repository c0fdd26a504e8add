"""``sartor specialize`` with several limits, several devices, a confidence, and as a front."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from sartor.specializer.choice import Choice
from sartor.specializer.specialization import load_choice, load_specialization
from sartor.tables import Condition, LatencyTable, Operator, Store, Subject
from sartor.tables.estimate import Transfer

from .chain import SPEC, Finished, sartor, write_photos, write_supernet
from .made_up_tables import made_up_table, plain_us, slow_at_large_kernels_us

SPACE = SPEC.space


def uneven_us(operator: Operator) -> float:
    """What grows with multiply-adds, but no network of two operators by the same factor."""
    return plain_us(operator) * (1 + 0.2 * (len(str(operator)) % 5))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A supernet, and a store with the made-up tables of some devices."""
    found = tmp_path_factory.mktemp("limits")
    write_supernet(found / "small.safetensors")
    tables = [
        made_up_table(SPEC, "note10", uneven_us),
        made_up_table(SPEC, "pi4", slow_at_large_kernels_us, condition=Condition("onnxruntime")),
        made_up_table(SPEC, "tiny", plain_us, condition=Condition("litert", dtype="int8")),
    ]
    two = [one.network for one in tables[0].networks[2:]]
    tables.append(replace(tables[0].without(two), name="two-networks"))
    tables.append(replace(estimated(tables[1]), name="guessed"))
    with Store.open(found / "tables.sqlite") as store:
        for table in tables:
            store.add(table)
    return found


def estimated(table: LatencyTable) -> LatencyTable:
    """The same operators as estimates, one of them missing."""
    _, *operators = table.latencies_ms
    latencies_ms: dict[Subject, float] = {one: table.latencies_ms[one] for one in operators}
    latencies_ms |= {one.network: 1.1 * one.measurement.median_ms for one in table.networks}
    transfer = Transfer.of(["note10"], -0.001, 0.05, latencies_ms)
    kept = {one: windows for one, windows in table.windows.items() if one not in table.rows}
    return LatencyTable.from_windows("guessed", table.provenance, kept, {}, transfer=transfer)


def specialize(folder: Path, *options: object) -> Finished:
    return sartor(
        *("specialize", "--supernet", folder / "small.safetensors"),
        *("--store", folder / "tables.sqlite", *options),
    )


def choice_of(folder: Path, out: Path, *options: object) -> Choice:
    ended = specialize(folder, *options, "--out", out, "--json")
    assert load_choice(out).subnetwork == ended.document["subnetwork"]
    return load_choice(out)


def test_several_limits_are_kept_recorded_and_printed(folder: Path, tmp_path: Path) -> None:
    generous = choice_of(folder, tmp_path / "all", "--table", "note10", "--latency-ms", "1e6")
    graph = SPEC.graph(SPACE.parse(generous.subnetwork))
    assert [limit.what for limit in generous.limits] == ["latency"]
    assert generous.memory_bytes is not None
    most_adds, most_weights = graph.multiply_adds // 2, graph.parameters * 2 // 3
    limits = (
        *("--max-multiply-adds", most_adds, "--max-parameters", most_weights),
        *("--max-memory-mb", generous.memory_bytes * 0.7e-6, "--max-file-mb", "1.2"),
    )
    out = tmp_path / "out"
    choice = choice_of(folder, out, "--table", "note10", "--latency-ms", "1e6", *limits)
    assert choice.multiply_adds <= most_adds
    assert choice.parameters <= most_weights
    assert choice.memory_bytes is not None
    assert choice.memory_bytes <= generous.memory_bytes * 0.7
    kept = {limit.what: limit for limit in choice.limits}
    assert list(kept) == [
        *("latency", "multiply-adds", "parameters", "activation memory", "size of model.tflite")
    ]
    assert kept["latency"].cost == pytest.approx(choice.latency.high_ms)
    assert kept["multiply-adds"].cost == pytest.approx(choice.multiply_adds / 1e6)
    assert kept["parameters"].cost == pytest.approx(choice.parameters / 1e6)
    assert kept["activation memory"].cost == pytest.approx(choice.memory_bytes / 1e6)
    assert all(limit.cost <= limit.most for limit in choice.limits)
    (file, _) = sartor("export", out, "--json").document
    assert file["size_bytes"] == pytest.approx(kept["size of model.tflite"].cost * 1e6, rel=0.002)
    assert choice.most_mb("model.tflite") == 1.2
    assert choice.most_mb("model.onnx") is None

    printed = " ".join(
        specialize(
            folder, "--table", "note10", "--latency-ms", "1e6", *limits, "--out", out
        ).stdout.split()
    )
    for limit in choice.limits[1:]:
        assert f"{limit.what} {limit.text}" in printed
    assert "MB of activations at once" in printed
    assert re.search(r"interval \d+\.\d\d–\d+\.\d\d \(90 %\)", printed)


def test_a_file_beyond_its_limit_does_not_hold(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    choice_of(folder, out, "--table", "note10", "--latency-ms", "1e6", "--max-file-mb", 2)
    assert sartor("export", out, "--runtime", "litert").exit_code == 0
    path = out / "specialization.json"
    document = json.loads(path.read_text())
    document["limits"][-1]["most"] = 0.5
    path.write_text(json.dumps(document))
    options = ("--runtime", "litert", "--passes", 2)
    judged = sartor("verify", out, *options, "--json")
    assert judged.exit_code == 1
    (proof,) = json.loads(judged.stdout)["proofs"]
    assert proof["verdict"] == "file too large"
    assert proof["most_bytes"] == 5e5
    assert f"size of model.tflite {load_choice(out).limits[-1].text}" in " ".join(
        sartor("verify", out, *options).stdout.split()
    )


def test_one_network_fits_several_devices(folder: Path, tmp_path: Path) -> None:
    alone = choice_of(folder, tmp_path / "a", "--table", "note10")
    other = choice_of(folder, tmp_path / "b", "--table", "pi4")
    budgets_ms = [alone.target.budget_ms, 0.6 * other.target.budget_ms]
    out = tmp_path / "both"
    both = choice_of(
        folder,
        out,
        *("--target", f"note10={budgets_ms[0]}ms", "--target", f"pi4={budgets_ms[1]}ms"),
    )
    assert [fit.target.table for fit in both.fits] == ["note10", "pi4"]
    assert [fit.target.budget_ms for fit in both.fits] == budgets_ms
    for fit, limit, budget_ms in zip(both.fits, both.limits, budgets_ms, strict=True):
        assert fit.latency.high_ms == pytest.approx(limit.cost)
        assert limit.cost <= limit.most == budget_ms
        assert fit.target.confidence == 0.9
    assert both.accuracy.predicted <= alone.accuracy.predicted + 1e-6
    assert (both.also[0].target.device, both.also[0].runtime) == ("pi4", "onnxruntime")
    printed = specialize(
        folder,
        *("--target", f"note10={budgets_ms[0]}ms", "--target", f"pi4={budgets_ms[1]}ms"),
        *("--out", out),
    ).stdout
    assert "budget by note10" in printed
    assert "budget by pi4" in printed


def test_each_file_is_judged_by_the_budget_of_its_own_runtime(folder: Path, tmp_path: Path) -> None:
    """With two tables of this very machine, one of each runtime."""
    out, store = tmp_path / "out", tmp_path / "tables.sqlite"
    with Store.open(folder / "tables.sqlite") as opened, Store.open(store) as copy:
        for name in ("note10", "pi4"):
            table = opened.load(name)
            copy.add(replace(table, provenance=replace(table.provenance, device="local")))
    budgets_ms = {"litert": 1000.0, "onnxruntime": 2000.0}
    choice_of(
        folder,
        out,
        *("--store", store, "--target", "note10=1000ms", "--target", "pi4=2000ms"),
    )
    assert sartor("export", out).exit_code == 0
    report = sartor("verify", out, "--passes", 2, "--json").document
    assert {proof["runtime"]: proof["budget_ms"] for proof in report["proofs"]} == budgets_ms
    assert (out / "report.png").read_bytes().startswith(b"\x89PNG")


def test_one_network_for_each_device(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    targets = ("--target", "note10=1000ms", "--target", "pi4=2ms")
    ended = specialize(folder, *targets, "--each", "--max-parameters", "1M", "--out", out, "--json")
    assert [Path(one["folder"]).name for one in ended.document] == ["note10", "pi4"]
    assert ended.stderr.count("the search took") == 2
    for one in ended.document:
        choice = load_specialization(Path(one["folder"])).choice
        assert choice.subnetwork == one["choice"]["subnetwork"]
        assert choice.target.table == Path(one["folder"]).name
        assert choice.also == ()
        assert choice.parameters <= 1e6
        assert choice.latency.high_ms <= choice.target.budget_ms
    table = specialize(folder, *targets, "--each", "--out", out).stdout
    assert "One network for each target" in table
    assert "note10" in table
    assert "pi4" in table


def test_a_target_that_cannot_be_met_stops_before_any_network_is_made(
    folder: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    targets = ("--target", "note10=1000ms", "--target", "pi4=0.000001ms")
    complaint = specialize(folder, *targets, "--each", "--out", out).complaint
    assert "meets 1e-06 ms" in complaint
    assert not out.exists()
    complaint = specialize(folder, *targets, "--out", out).complaint
    assert "meets 1e-06 ms of latency by pi4: the fastest" in complaint


def test_more_confidence_means_a_longer_interval_and_no_less_room(
    folder: Path, tmp_path: Path
) -> None:
    found = []
    for percent in (50, 90, 99):
        options = ("--table", "note10", "--latency-ms", 3, "--confidence", percent)
        choice = choice_of(folder, tmp_path / str(percent), *options)
        assert choice.target.confidence == percent / 100
        assert choice.latency.high_ms <= 3
        found.append(choice)
    with Store.open(folder / "tables.sqlite") as store:
        table = store.load("note10")
    operators = SPEC.graph(SPACE.parse(found[1].subnetwork)).operators
    ends = [
        replace(table, coverage=coverage).predict(operators).high_ms
        for coverage in (0.5, 0.9, 0.99)
    ]
    assert ends == sorted(set(ends))
    assert found[1].latency.high_ms == pytest.approx(ends[1])
    unasked = choice_of(folder, tmp_path / "d", "--table", "note10", "--latency-ms", 3)
    assert unasked.subnetwork == found[1].subnetwork
    accuracies = [choice.accuracy.predicted for choice in found]
    assert accuracies == sorted(accuracies, reverse=True)


@pytest.mark.parametrize(
    ("table", "percent", "complaint"),
    [
        (
            "note10",
            "49",
            "a confidence lies between 50 and 99 %, where intervals were seen to hold",
        ),
        ("note10", "99.5", "99.5 % does not"),
        ("note10", "nan", "nan % does not"),
        ("two-networks", "90", "2 whole networks tell how far predictions of two-networks are off"),
    ],
)
def test_a_confidence_that_nothing_vouches_for(
    table: str, percent: str, complaint: str, folder: Path, tmp_path: Path
) -> None:
    options = ("--table", table, "--confidence", percent, "--out", tmp_path / "out")
    assert complaint in specialize(folder, *options).complaint


def test_a_front_is_printed_and_written_and_no_network_is(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "front"
    options = ("--table", "note10", "--front", 6)
    front = specialize(folder, *options, "--out", out, "--json").document
    assert json.loads((out / "front.json").read_text()) == front
    assert sorted(path.name for path in out.iterdir()) == ["front.json", "front.png"]
    assert (out / "front.png").read_bytes().startswith(b"\x89PNG")
    points = front["points"]
    assert 2 <= len(points) <= 6
    ends = [(one["latency"]["high_ms"], one["accuracy"]) for one in points]
    assert np.all(np.diff(ends, axis=0) > 0)
    for one in points:
        graph = SPEC.graph(SPACE.parse(one["subnetwork"]))
        assert (one["multiply_adds"], one["parameters"]) == (graph.multiply_adds, graph.parameters)
    middle = points[len(points) // 2]
    limited = specialize(
        folder,
        *("--table", "note10", "--front", 6, "--latency-ms", middle["latency"]["high_ms"] + 1e-6),
        *("--max-parameters", middle["parameters"], "--json"),
    ).document["points"]
    highest_ms = max(one["latency"]["high_ms"] for one in limited)
    assert highest_ms <= middle["latency"]["high_ms"] + 1e-6
    assert max(one["parameters"] for one in limited) <= middle["parameters"]
    assert len(list(tmp_path.iterdir())) == 1
    printed = " ".join(specialize(folder, *options).stdout.split())
    assert "Best networks of small.safetensors for note10, litert/threads=1" in printed
    assert f"{points[0]['latency']['latency_ms']:.2f}" in printed


def test_budgets_that_another_limit_leaves_nothing_for_are_no_part_of_the_front(
    folder: Path,
) -> None:
    """The fastest network may need more of something else than is allowed."""
    options = ("--table", "pi4", "--front", 8, "--json")
    whole = specialize(folder, *options).document["points"]
    least = min(one["parameters"] for one in whole)
    limited = specialize(folder, *options, "--max-parameters", least).document["points"]
    assert limited
    assert max(one["parameters"] for one in limited) <= least


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--table", "note10"), "name a folder for the network with --out"),
        (("--out", "o"), "name the latency table of a device with --table, or several"),
        (("--table", "t", "--target", "t=2ms", "--out", "o"), "--table and --latency-ms have no"),
        (("--latency-ms", 3, "--target", "t=2ms", "--out", "o"), "have no meaning"),
        (("--target", "t=2ms", "--target", "t=3ms", "--out", "o"), "--target names t twice"),
        (("--table", "t", "--each", "--out", "o"), "there is none"),
        (("--target", "a/b=2ms", "--each", "--out", "o"), "'a/b' can name no folder"),
        (("--target", "t=2ms", "--each", "--front", 3), "--front is of one device"),
        (("--target", "t=2ms", "--target", "u=3ms", "--front", 3), "--front is of one device"),
        (("--target", "t", "--out", "o"), "'t' is no target; write a table and a budget: TABLE=20"),
        (("--target", "t=20", "--out", "o"), "'t=20' is no target"),
        (("--target", "t=-2ms", "--out", "o"), "'t=-2ms' is no target"),
        (("--target", "=2ms", "--out", "o"), "'=2ms' is no target"),
        (("--table", "t", "--max-parameters", "5MB", "--out", "o"), "'5MB' is no count; write"),
        (("--table", "t", "--max-parameters", "5m", "--out", "o"), "'5m' is no count"),
        (("--table", "t", "--max-multiply-adds", "nan", "--out", "o"), "'nan' is no count"),
        (("--table", "t", "--max-multiply-adds", "-5M", "--out", "o"), "'-5M' is no count"),
        (("--table", "t", "--max-multiply-adds", "0.5", "--out", "o"), "'0.5' is no count"),
        (("--table", "t", "--max-multiply-adds", "1e99G", "--out", "o"), "'1e99G' is no count"),
        (("--table", "t", "--front", 1), "--front"),
        (("--table", "t", "--max-memory-mb", "much", "--out", "o"), "--max-memory-mb"),
    ],
    ids=lambda value: " ".join(map(str, value)) if isinstance(value, tuple) else "",
)
def test_wrong_usage(options: tuple[object, ...], said: str, folder: Path) -> None:
    ended = specialize(folder, *options)
    assert ended.exit_code == 2
    assert ended.stdout == ""
    assert "Traceback" not in ended.stderr
    assert said in " ".join(re.sub("[│╭╮╰╯─]", " ", ended.stderr).split())


@pytest.mark.parametrize("option", ["--max-memory-mb", "--max-file-mb"])
@pytest.mark.parametrize("most", ["0", "-1", "nan", "inf"])
def test_a_limit_that_makes_no_sense(option: str, most: str, folder: Path, tmp_path: Path) -> None:
    options = ("--table", "note10", option, most, "--out", tmp_path / "out")
    assert f"is a positive number of MB, not {most}" in specialize(folder, *options).complaint


@pytest.mark.parametrize(
    ("option", "most", "complaint"),
    [
        ("--max-multiply-adds", "1k", "meets 0.001 M of multiply-adds: that of least multiply-add"),
        ("--max-parameters", "10", "meets 1e-05 M of parameters"),
        ("--max-memory-mb", "0.001", "meets 0.001 MB of activation memory"),
        ("--max-file-mb", "0.01", "meets 0.01 MB of size of model.tflite"),
    ],
)
def test_a_limit_that_nothing_meets(
    option: str, most: str, complaint: str, folder: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    assert (
        complaint in specialize(folder, "--table", "note10", option, most, "--out", out).complaint
    )
    assert not out.exists()


def test_limits_that_contradict_each_other_are_named_as_they_were_typed(
    folder: Path, tmp_path: Path
) -> None:
    """With made-up tables of which each is slow where the other is fast."""

    def backwards_us(operator: Operator) -> float:
        large = operator.kind == "depthwise_conv2d" and operator["kernel"] > 3
        return 3.0 if large else plain_us(operator) * 3

    def resolute_us(operator: Operator) -> float:
        large = operator.kind == "depthwise_conv2d" and operator["kernel"] > 3
        return 400.0 if large else 3.0

    store = tmp_path / "tables.sqlite"
    tables = [made_up_table(SPEC, "odd", backwards_us), made_up_table(SPEC, "even", resolute_us)]
    with Store.open(store) as opened:
        for table in tables:
            opened.add(table)
    least = {}
    for name in ("odd", "even"):
        options = ("--table", name, "--store", store, "--latency-ms", "1e-9", "--out", tmp_path)
        needs = re.search(r"needs ([\d.]+) ms", specialize(folder, *options).complaint)
        assert needs is not None
        least[name] = 1.001 * float(needs[1])
    targets = [f"{name}={most:.6g}ms" for name, most in least.items()]
    asked = [part for target in targets for part in ("--target", target)]
    out = ("--store", store, "--out", tmp_path / "out", "--max-parameters", "1G")
    complaint = specialize(folder, *asked, *out).complaint
    assert re.match(
        rf"sartor: --target {targets[0]} and --target {targets[1]} contradict each other: "
        r"no network of ofa-mbv3-w0\.25 (has|was found with) latency by odd",
        complaint,
    )
    assert "--max-parameters" not in complaint
    assert not (tmp_path / "out").exists()


def test_only_tables_of_float32_are_specialized_for(folder: Path, tmp_path: Path) -> None:
    complaint = specialize(folder, "--table", "tiny", "--out", tmp_path / "out").complaint
    assert "tiny is a table of int8, and only networks of float32 can be specialized" in complaint
    assert complaint.endswith("--device tiny --runtime litert --threads 1 --table tiny-float32")


def test_what_an_estimated_table_lacks_is_measured_into_another(
    folder: Path, tmp_path: Path
) -> None:
    complaint = specialize(folder, "--table", "guessed", "--out", tmp_path / "out").complaint
    assert "no latency for " in complaint
    assert complaint.endswith("--runtime onnxruntime --threads 1 --table guessed-measured")


def test_the_users_images_serve_every_network(folder: Path, tmp_path: Path) -> None:
    write_photos(tmp_path / "photos")
    ended = specialize(
        folder,
        *("--target", "note10=1000ms", "--target", "pi4=1000ms", "--each"),
        *("--data", tmp_path / "photos", "--out", tmp_path / "out", "--json"),
    )
    assert [one["choice"]["accuracy"]["images"] for one in ended.document] == [6, 6]
