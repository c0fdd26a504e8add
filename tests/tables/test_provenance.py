from __future__ import annotations

import json
from dataclasses import replace

import pytest
from hypothesis import given

from sartor.tables import Condition, Provenance
from sartor.tables.errors import FormatError

from .children import PROVENANCE
from .strategies import conditions, provenances


def test_the_text_of_a_condition_is_the_documented_one() -> None:
    assert str(Condition("litert")) == "litert/threads=1,batch=1/float32/-"
    assert Condition.parse("onnxruntime/threads=4,batch=8/float32/level=extended") == Condition(
        "onnxruntime", 4, 8, options="level=extended"
    )


@given(conditions)
def test_text_round_trips(condition: Condition) -> None:
    assert Condition.parse(str(condition)) == condition


@pytest.mark.parametrize(
    "text",
    [
        "",
        "litert",
        "litert/threads=0,batch=1/float32/-",
        "litert/threads=1,batch=1/float64/-",
        "litert/threads=1,batch=1/float32/",
        "LiteRT/threads=1,batch=1/float32/-",
        "litert/threads=1,batch=1/float32/a/b",
        "litert/threads=1,batch=1,cores=/float32/-",
        "litert/threads=1,batch=1,cores=big/float32/-",
        "litert/threads=1,cores=4-7,batch=1/float32/-",
    ],
)
def test_any_other_text_is_refused(text: str) -> None:
    with pytest.raises(FormatError, match="is not RUNTIME/threads"):
        Condition.parse(text)


def test_cores_are_part_of_the_text_and_old_texts_have_none() -> None:
    pinned = Condition("litert", threads=4, cores="4-7")
    assert str(pinned) == "litert/threads=4,batch=1,cores=4-7/float32/-"
    assert pinned.pinned == (4, 5, 6, 7)
    assert Condition.parse("litert/threads=4,batch=1/float32/-").pinned == ()
    assert replace(PROVENANCE, condition=pinned).identity != PROVENANCE.identity


@pytest.mark.parametrize("cores", ["4,5,6,7", "7-4", "0-1,1", "01", "0-99999"])
def test_a_set_of_cores_has_one_text(cores: str) -> None:
    with pytest.raises(FormatError, match="cores"):
        Condition("litert", cores=cores)
    with pytest.raises(FormatError, match="cores"):
        Condition.parse(f"litert/threads=1,batch=1,cores={cores}/float32/-")


def test_threads_do_not_share_cores() -> None:
    with pytest.raises(FormatError, match=r"5 threads would share the cores 4-7; .* 4 at most"):
        Condition("litert", threads=5, cores="4-7")
    with pytest.raises(FormatError, match="2 threads would share the core 3"):
        Condition("litert", threads=2, cores="3")


def test_a_gpu_is_part_of_the_identity_where_it_does_the_work() -> None:
    def identity(options: str, driver: str) -> dict[str, str]:
        condition = Condition("torch", options=options)
        facts = (("gpu", "NVIDIA L4"), ("gpu_driver", driver))
        return replace(PROVENANCE, condition=condition, facts=facts).identity

    assert identity("device=cuda", "550.54.15") != identity("device=cuda", "570.86.10")
    assert identity("", "550.54.15") == identity("", "570.86.10")


def test_options_that_would_not_read_back_are_refused() -> None:
    for options in ("-", "a/b", "a b", "Ä"):
        with pytest.raises(FormatError):
            Condition("litert", options=options)


@given(provenances)
def test_provenance_round_trips_through_json(provenance: Provenance) -> None:
    assert Provenance.from_dict(json.loads(json.dumps(provenance.to_dict()))) == provenance


@given(provenances)
def test_damaged_provenance_is_refused(provenance: Provenance) -> None:
    values = provenance.to_dict()
    for name in values:
        without = {other: value for other, value in values.items() if other != name}
        for damaged in (without, values | {name: 3}, values | {name: None}):
            with pytest.raises(FormatError):
                Provenance.from_dict(damaged)
    odd: list[object] = [
        None,
        [],
        "text",
        values | {"odd": "one"},
        values | {"facts": {"cores": 2}},
    ]
    for nothing in odd:
        with pytest.raises(FormatError):
            Provenance.from_dict(nothing)


@given(provenances)
def test_time_is_no_part_of_the_identity(provenance: Provenance) -> None:
    later = replace(provenance, created_at="later", sartor_version="next")
    assert later.identity == provenance.identity
    threads = provenance.condition.threads + 1
    other = replace(provenance, condition=replace(provenance.condition, threads=threads))
    assert other.identity != provenance.identity


def test_the_machine_is_part_of_the_identity_and_its_software_is_not() -> None:
    def identity(**facts: str) -> dict[str, str]:
        return replace(PROVENANCE, facts=tuple(sorted(facts.items()))).identity

    assert identity(cpu_model="A", kernel="6.1") == identity(cpu_model="A", kernel="6.2")
    assert identity(cpu_model="A") != identity(cpu_model="B")
    assert identity(governor="performance") != identity(governor="powersave")
    assert identity()["cores"] == "unknown"
