from __future__ import annotations

from dataclasses import fields
from pathlib import Path
from typing import get_type_hints

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sartor.specializer.supernets.mobilenet_v3 import (
    EXPANSIONS,
    KERNELS,
    MAX_DEPTH,
    MIN_DEPTH,
    MobileNetV3,
)
from sartor.specializer.train.recipe import (
    VIEWS,
    Finish,
    Phase,
    Recipe,
    batch_size,
    learning_rate,
)
from sartor.specializer.train.recipe_file import (
    load_recipe,
    recipe_from_text,
    recipe_text,
    shipped_recipes,
)
from sartor.tables.errors import FormatError, UnknownNameError

SHORTEST = """
name = "mine"
[[phases]]
name = "one"
epochs = 1
learning_rate = 1e-3
"""

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
shares = st.floats(0, 1)
positive = st.floats(1e-12, 1e12)
whole = st.integers(0, 10**6)


@st.composite
def phases(draw: st.DrawFn, name: str) -> Phase:
    extremes = draw(st.integers(0, 2))
    return Phase(
        name=name,
        epochs=draw(st.integers(1, 1000)),
        learning_rate=draw(positive),
        kernels=tuple(draw(st.sets(st.sampled_from(KERNELS), min_size=1))),
        min_depth=draw(st.integers(MIN_DEPTH, MAX_DEPTH)),
        expansions=tuple(draw(st.sets(st.sampled_from(EXPANSIONS), min_size=1))),
        random_per_step=draw(st.integers(int(extremes == 0), 5)),
        extremes_per_step=extremes,
        inplace_share=draw(shares),
        sort_channels=draw(st.booleans()),
        only=tuple(draw(st.lists(texts, max_size=2))),
        batch_size=draw(st.sampled_from([0, 2, 512])),
    )


@st.composite
def recipes(draw: st.DrawFn) -> Recipe:
    names = draw(st.lists(texts.filter(bool), min_size=1, max_size=3, unique=True))
    return Recipe(
        name=draw(texts),
        phases=tuple(draw(phases(name)) for name in names),
        width=draw(positive),
        resolutions=tuple(sorted(draw(st.sets(st.integers(32, 512), min_size=1, max_size=4)))),
        batch_size=draw(st.integers(2, 4096)),
        start=draw(texts),
        teacher=draw(texts),
        teacher_share=draw(shares),
        teacher_resolution=draw(st.integers(32, 512)),
        teacher_view=draw(st.sampled_from(VIEWS)),
        temperature=draw(positive),
        label_smoothing=draw(shares),
        mixup=draw(st.floats(0, 10)),
        least_area=draw(shares),
        weight_decay=draw(st.floats(0, 10)),
        warmup_steps=draw(whole),
        average_decay=draw(st.floats(0, 1, exclude_max=True)),
        held_out=draw(st.floats(0.01, 0.99)),
        region=draw(texts),
        finish=Finish(
            recalibration_images=draw(st.integers(1, 1000)),
            evaluated=draw(st.sampled_from([0, 20, 300])),
            evaluated_best=draw(whole),
            judged=draw(whole),
            synthetic_images=10 * draw(st.integers(0, 20)),
            synthesis_steps=draw(st.integers(1, 1000)),
        ),
        seed=draw(whole),
    )


@given(recipes())
def test_a_recipe_reads_back(recipe: Recipe) -> None:
    assert recipe_from_text(recipe_text(recipe)) == recipe


@pytest.mark.parametrize("name", shipped_recipes())
def test_a_shipped_recipe_loads_by_its_name(name: str) -> None:
    recipe = load_recipe(name)
    assert recipe.name == name
    assert recipe_from_text(recipe_text(recipe)) == recipe
    assert MobileNetV3(recipe.width, 10, recipe.resolutions).space.size > 0


def test_the_shipped_recipes_are_known() -> None:
    assert {"default", "imagenette", "single-stage", "smoke"} <= set(shipped_recipes())


def test_what_is_left_out_has_its_default(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(SHORTEST)
    assert load_recipe(str(path)) == Recipe("mine", (Phase("one", 1, 1e-3),))


def test_every_field_is_written() -> None:
    text = recipe_text(load_recipe("smoke"))
    for kind in (Recipe, Phase, Finish):
        for field in fields(kind):
            assert f"{field.name}" in text


def test_recipes_that_are_nowhere(tmp_path: Path) -> None:
    with pytest.raises(UnknownNameError, match=r"no recipe 'smok'; did you mean 'smoke'\?"):
        load_recipe("smok")
    with pytest.raises(UnknownNameError, match=r"or name a \.toml file"):
        load_recipe(str(tmp_path))


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (b"name = ", "Invalid value"),
        (b"\xff", "is no recipe: .*utf-8"),
        (b"", "recipe wants exactly name, phases"),
        (b'name = "x"', "at least one phase"),
        (SHORTEST.replace("epochs = 1", "").encode(), r"recipe\.phases\[0\] wants exactly name"),
        (b'name = "x"\nphases = 3', r"write each as \[\[phases\]\]"),
        (b'name = "x"\nphases = [3]', r"write each as \[\[phases\]\]"),
        (SHORTEST.encode() + b"[[finish]]", r"write it as \[finish\]"),
        (SHORTEST.encode() + b"epoch = 2", r"a phase has no 'epoch'; did you mean 'epochs'\?"),
        (
            SHORTEST.encode() + b"[finish]\njudge = 2",
            r"finish has no 'judge'; did you mean 'judged'\?",
        ),
        (b"widht = 0.5\n" + SHORTEST.encode(), r"a recipe has no 'widht'; did you mean 'width'\?"),
        (b'width = "wide"\n' + SHORTEST.encode(), r"recipe\.width cannot be 'wide'"),
        (b"width = nan\n" + SHORTEST.encode(), r"recipe\.width cannot be nan"),
        (b"temperature = inf\n" + SHORTEST.encode(), r"recipe\.temperature cannot be inf"),
        (b"batch_size = 2.5\n" + SHORTEST.encode(), r"recipe\.batch_size cannot be 2\.5"),
        (b"seed = true\n" + SHORTEST.encode(), r"recipe\.seed cannot be True"),
        (b"resolutions = 96\n" + SHORTEST.encode(), r"recipe\.resolutions cannot be 96"),
        (b'resolutions = ["96"]\n' + SHORTEST.encode(), r"recipe\.resolutions\[0\] cannot be '96'"),
        (SHORTEST.encode() + b"only = [3]", r"recipe\.phases\[0\]\.only\[0\] cannot be 3"),
        (SHORTEST.encode() + b"sort_channels = 1", r"phases\[0\]\.sort_channels cannot be 1"),
        (
            SHORTEST.encode() + b"kernels = [3, 4]",
            r"phase one: kernels must be some of \(3, 5, 7\)",
        ),
    ],
)
def test_no_recipe(content: bytes, complaint: str, tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_bytes(content)
    with pytest.raises(FormatError, match=f"mine.toml is no recipe: .*{complaint}|{complaint}"):
        load_recipe(str(path))


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"name": ""}, "a phase needs a name"),
        ({"epochs": 0}, "epochs must be at least 1"),
        ({"learning_rate": 0.0}, "learning_rate must be positive"),
        ({"learning_rate": float("nan")}, "learning_rate must be positive"),
        ({"kernels": ()}, "kernels must be some of"),
        ({"expansions": (5,)}, r"expansions must be some of \(3, 4, 6\), not \(5,\)"),
        ({"min_depth": 1}, "min_depth must be 2–4"),
        ({"min_depth": 5}, "min_depth must be 2–4"),
        ({"extremes_per_step": 3}, "extremes_per_step must be 0, 1 or 2"),
        ({"random_per_step": 0}, "at least one sub-network"),
        ({"random_per_step": -1, "extremes_per_step": 2}, "at least one sub-network"),
        ({"inplace_share": 1.5}, "inplace_share must be 0–1"),
        ({"batch_size": 1}, "batch_size must be at least 2"),
        ({"batch_size": -8}, "batch_size must be at least 2"),
    ],
)
def test_phases_that_make_no_sense(change: dict[str, object], complaint: str) -> None:
    asked = {"name": "p", "epochs": 1, "learning_rate": 0.1} | change
    with pytest.raises(FormatError, match=complaint):
        Phase(**asked)  # type: ignore[arg-type]  # wrong on purpose


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"phases": ()}, "at least one phase"),
        ({"phases": (Phase("p", 1, 1), Phase("p", 2, 1))}, "the same name"),
        ({"resolutions": ()}, "resolutions must ascend"),
        ({"resolutions": (64, 32)}, r"resolutions must ascend .*not \[64, 32\]"),
        ({"resolutions": (31,)}, "resolutions must ascend"),
        ({"batch_size": 1}, "batch_size must be at least 2"),
        ({"teacher_view": "left"}, "teacher_view must be one of centre, crop, not 'left'"),
        ({"teacher_resolution": 0}, "teacher_resolution must be 32"),
        ({"teacher_share": -0.1}, "teacher_share must be 0–1"),
        ({"label_smoothing": 2.0}, "label_smoothing must be 0–1"),
        ({"least_area": float("nan")}, "least_area must be 0–1"),
        ({"average_decay": 1.0}, "average_decay must be"),
        ({"held_out": 0.0}, "held_out must lie between"),
        ({"held_out": 1.0}, "held_out must lie between"),
        ({"temperature": 0.0}, "temperature must be positive"),
        ({"mixup": -1.0}, "mixup and weight_decay"),
        ({"weight_decay": -1.0}, "mixup and weight_decay"),
        ({"warmup_steps": -1}, "warmup_steps cannot be"),
        ({"width": 0.0}, "width must be positive"),
        ({"seed": -1}, "seed cannot be"),
    ],
)
def test_recipes_that_make_no_sense(change: dict[str, object], complaint: str) -> None:
    asked = {"name": "r", "phases": (Phase("p", 1, 1),)} | change
    with pytest.raises(FormatError, match=complaint):
        Recipe(**asked)  # type: ignore[arg-type]  # wrong on purpose


@pytest.mark.parametrize(
    "change",
    [
        {"recalibration_images": 0},
        {"evaluated": 19},
        {"evaluated": -20},
        {"evaluated_best": -1},
        {"synthetic_images": 15},
        {"synthetic_images": -10},
        {"judged": -1},
        {"synthesis_steps": 0},
    ],
)
def test_finishes_that_make_no_sense(change: dict[str, int]) -> None:
    (name,) = change
    with pytest.raises(FormatError, match=f"finish: {name}"):
        Finish(**change)


def test_every_field_has_a_type_that_a_file_is_checked_by() -> None:
    for kind in (Recipe, Phase, Finish):
        assert {field.name for field in fields(kind)} == get_type_hints(kind).keys()


def test_a_phase_may_have_its_own_batches() -> None:
    recipe = recipe_from_text(SHORTEST + "batch_size = 8\n")
    assert batch_size(recipe, recipe.phases[0]) == 8
    assert batch_size(recipe, Phase("other", 1, 1)) == recipe.batch_size == 64


def test_the_learning_rate_warms_up_and_ends_at_nothing() -> None:
    phase = Phase("any", 1, 0.5)
    recipe = Recipe("any", (phase,), warmup_steps=10)
    rates = [learning_rate(recipe, phase, step, 100) for step in range(101)]
    assert rates[0] == pytest.approx(0.05)
    assert rates[9] == rates[10] == 0.5 == max(rates)
    assert rates[55] == pytest.approx(0.25)
    assert rates[10:] == sorted(rates[10:], reverse=True)
    assert rates[100] == pytest.approx(0, abs=1e-12)
