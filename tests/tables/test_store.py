from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings

from sartor.tables import Condition, Framed, LatencyTable, Network, Operator, Provenance, Store
from sartor.tables.errors import FormatError, StoreBusyError, StoreError, UnknownNameError

from .children import PROVENANCE, operator, window
from .strategies import tables

ONE, TWO, THREE = operator(1), operator(2), operator(3)
WHOLE = Network("whole", (ONE, TWO))


@pytest.fixture
def store(tmp_path: Path) -> Store:
    store = Store.open(tmp_path / "new" / "store.db")
    store.create("mine", PROVENANCE)
    return store


@given(tables())
@settings(max_examples=30)
def test_a_table_comes_back_as_it_was(table: LatencyTable) -> None:
    with tempfile.TemporaryDirectory() as folder, Store.open(Path(folder) / "store.db") as store:
        store.add(table)
        assert store.load(table.name) == table
        (summary,) = store.tables()
        assert summary == store.find(table.name)
        assert summary.provenance == table.provenance
        operators = [one for one in table.entries if isinstance(one, Operator | Framed)]
        assert summary.operators == len(operators)
        assert summary.networks == len(table.networks)
        assert summary.failures == len(table.failures)
        assert summary.windows == sum(map(len, table.windows.values()))
        assert summary.quotations == len(table.quotations)
        assert store.quotations(table.name) == table.quotations


def test_windows_are_kept_one_by_one(store: Store, tmp_path: Path) -> None:
    store.add_window("mine", ONE, window(0))
    store.add_window("mine", WHOLE, window(0, 2500.0))
    store.add_window("mine", ONE, window(1))
    with Store.open(tmp_path / "new" / "store.db") as other:
        assert other.done("mine") == {(str(ONE), 0), (str(ONE), 1), ("network whole", 0)}
        table = other.load("mine")
    assert table.windows[ONE] == (window(0), window(1))
    assert [each.network for each in table.networks] == [WHOLE]


def test_samples_keep_seven_digits(store: Store) -> None:
    store.add_window("mine", ONE, window(0, 1234.567))
    (found,) = store.load("mine").windows[ONE]
    assert found.samples_us[0] == pytest.approx(1234.567, rel=1e-7)


def test_nothing_is_measured_twice(store: Store) -> None:
    store.add_window("mine", ONE, window(0))
    with pytest.raises(StoreError, match=rf"pass 0 of {ONE} is in the table already"):
        store.add_window("mine", ONE, window(0, 2000.0))
    assert store.load("mine").windows[ONE] == (window(0),)


def test_a_failure_is_forgotten_once_it_works(store: Store) -> None:
    store.add_failure("mine", ONE, "the agent died")
    store.add_failure("mine", ONE, "the agent died again")
    assert store.load("mine").failures == {ONE: "the agent died again"}
    assert store.done("mine") == set()
    store.add_window("mine", ONE, window(0))
    assert store.load("mine").failures == {}


def test_a_failure_leaves_earlier_passes(store: Store) -> None:
    store.add_window("mine", ONE, window(0))
    store.add_failure("mine", ONE, "the agent died")
    assert store.done("mine") == {(str(ONE), 0)}
    assert store.find("mine").failures == 1


def test_one_network_name_is_one_network(store: Store) -> None:
    store.add_window("mine", WHOLE, window(0))
    with pytest.raises(StoreError, match="other operators"):
        store.add_window("mine", Network("whole", (ONE, THREE)), window(1))


def test_the_same_circumstances_go_on(store: Store) -> None:
    store.add_window("mine", ONE, window(0))
    store.create("mine", replace(PROVENANCE, created_at="later", sartor_version="0.2.0"))
    assert store.find("mine").windows == 1
    assert store.find("mine").provenance == PROVENANCE


@pytest.mark.parametrize(
    ("other", "what"),
    [
        (replace(PROVENANCE, device="pi"), "device 'local', not 'pi'"),
        (replace(PROVENANCE, condition=Condition("litert", 2)), "condition 'litert/threads=1"),
        (replace(PROVENANCE, runtime_version="2.4.0"), "runtime version '2.3.0', not '2.4.0'"),
        (replace(PROVENANCE, runtime_sha256="cd"), "runtime binary"),
        (replace(PROVENANCE, writer_version="2"), "writer version"),
        (replace(PROVENANCE, facts=(("cores", "4"),)), "cores '2', not '4'"),
    ],
)
def test_other_circumstances_do_not_mix(store: Store, other: Provenance, what: str) -> None:
    with pytest.raises(StoreError, match=f"{what}.*choose another name, or remove that table"):
        store.create("mine", other)


def test_tables_do_not_see_each_other(store: Store) -> None:
    store.create("yours", PROVENANCE)
    store.add_window("mine", ONE, window(0))
    store.add_window("yours", ONE, window(0, 2000.0))
    store.add_failure("yours", TWO, "no")
    store.remove("mine")
    assert [summary.name for summary in store.tables()] == ["yours"]
    assert store.load("yours").latencies_ms == {ONE: 2.0}
    store.create("mine", PROVENANCE)
    assert store.done("mine") == set()


def test_unknown_tables_name_the_known_ones(store: Store) -> None:
    for use in (store.find, store.load, store.done, store.remove):
        with pytest.raises(UnknownNameError, match=r"no table 'nine'; did you mean 'mine'\?"):
            use("nine")
    with pytest.raises(UnknownNameError):
        store.add_window("nine", ONE, window(0))
    with pytest.raises(UnknownNameError), store.lease("nine"):
        pass


@pytest.mark.parametrize("name", ["", " ", "a\nb"])
def test_names_can_be_typed(store: Store, name: str) -> None:
    with pytest.raises(FormatError, match="is no name for a table"):
        store.create(name, PROVENANCE)


def test_a_table_is_not_replaced_by_another(store: Store) -> None:
    store.add_window("mine", ONE, window(0))
    with pytest.raises(StoreError, match="is there already; give the new one another name"):
        store.add(LatencyTable("mine", PROVENANCE, {}))
    assert store.find("mine").windows == 1


def test_one_collector_at_a_time(store: Store) -> None:
    with store.lease("mine"):
        with pytest.raises(StoreBusyError, match="is being filled by process"), store.lease("mine"):
            pass
        with pytest.raises(StoreBusyError):
            store.remove("mine")
        store.add_window("mine", ONE, window(0))
    with store.lease("mine"):
        pass
    store.remove("mine")
