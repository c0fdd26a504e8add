from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from sqlalchemy import event

from sartor.tables import (
    Condition,
    Framed,
    LatencyTable,
    Network,
    Operator,
    Provenance,
    Store,
    Subject,
    Window,
    queries,
)
from sartor.tables.errors import FormatError, StoreBusyError, StoreError, UnknownNameError
from sartor.tables.quotation import Quotation

from .children import PROVENANCE, operator, window
from .place import Place
from .strategies import tables

ONE, TWO, THREE = operator(1), operator(2), operator(3)
WHOLE = Network("whole", (ONE, TWO))


@pytest.fixture
def empty(place: Place) -> Iterator[Store]:
    with Store.open(place.address) as store:
        yield store


@pytest.fixture
def store(empty: Store) -> Store:
    empty.create("mine", PROVENANCE)
    return empty


@given(table=tables())
@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_table_comes_back_as_it_was(empty: Store, table: LatencyTable) -> None:
    empty.add(table)
    try:
        assert empty.load(table.name) == table
        (summary,) = empty.tables()
        assert summary == empty.find(table.name)
        assert summary.provenance == table.provenance
        estimates = table.transfer.operators if table.transfer else {}
        found = {*table.entries, *estimates}
        operators = [one for one in found if isinstance(one, Operator | Framed)]
        assert summary.operators == len(operators)
        assert summary.estimates == len(estimates)
        assert summary.networks == len(table.networks)
        assert summary.failures == len(table.failures)
        assert summary.windows == sum(map(len, table.windows.values()))
        assert summary.quotations == len(table.quotations)
        assert empty.quotations(table.name) == table.quotations
    finally:
        empty.remove(table.name)


def test_windows_are_kept_one_by_one(store: Store, place: Place) -> None:
    store.add_window("mine", ONE, window(0))
    store.add_window("mine", WHOLE, window(0, 2500.0))
    store.add_window("mine", ONE, window(1))
    with Store.open(place.address) as other:
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


def test_a_transaction_that_reads_sees_one_state(store: Store, place: Place) -> None:
    store.add_window("mine", ONE, window(0))
    with Store.open(place.address) as other, store._database.reading() as connection:
        table = queries.table_id(connection, "mine")
        before = queries.passes_done(connection, table)
        other.add_window("mine", TWO, window(0))
        assert queries.passes_done(connection, table) == before == {(str(ONE), 0)}
    assert len(store.done("mine")) == 2


def test_a_whole_table_takes_few_statements(empty: Store) -> None:
    """A server may be far away, and others wait while a table is added."""
    taken: list[str] = []
    windows: dict[Subject, list[Window]] = {
        operator(out): [window(0), window(1)] for out in range(1, 200)
    }
    table = LatencyTable.from_windows("many", PROVENANCE, windows, {THREE: "no"})
    event.listen(
        empty._database.engine, "before_cursor_execute", lambda *call: taken.append(call[2])
    )
    empty.add(table)
    assert len(taken) < 12
    assert empty.load("many") == table


def test_two_networks_of_one_name_are_not_added(empty: Store) -> None:
    quoted: dict[Subject, Quotation] = {
        WHOLE: Quotation(1.0),
        Network("whole", (ONE, THREE)): Quotation(2.0),
    }
    with pytest.raises(StoreError, match="other operators"):
        empty.add(LatencyTable.from_windows("two", PROVENANCE, {}, {}, quoted))
    assert empty.tables() == []


@pytest.mark.parametrize("reason", ["died: \0\0 \x1b[31mno\x1b\0\x1b0", "", "é ␀ 😀"])
def test_a_reason_may_hold_any_character(store: Store, reason: str) -> None:
    store.add_failure("mine", ONE, reason)
    assert store.load("mine").failures == {ONE: reason}


def test_half_a_character_is_no_text(store: Store) -> None:
    with pytest.raises(StoreError, match="cannot hold a value"):
        store.add_failure("mine", ONE, "\ud83d")
    assert store.find("mine").failures == 0


def test_counts_may_be_large_but_not_endless(store: Store) -> None:
    store.add_window("mine", ONE, window(2**62))
    assert store.done("mine") == {(str(ONE), 2**62)}
    with pytest.raises(StoreError, match="cannot hold a value"):
        store.add_window("mine", ONE, window(2**64))
