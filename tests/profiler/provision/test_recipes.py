from __future__ import annotations

import itertools

import pytest

from sartor.profiler import RUNTIMES
from sartor.profiler.provision.interpreters import Interpreter, best_interpreter
from sartor.profiler.provision.recipes import (
    ARCHITECTURES,
    PYTHONS,
    RECIPES,
    can_prepare,
    recipes_of,
)
from sartor.profiler.provision.wheels import platform_tags
from sartor.tables.errors import RuntimeMissingError, UnknownNameError


def interpreter(
    minor: int = 11,
    machine: str = "aarch64",
    glibc: tuple[int, int] | None = (2, 36),
    bits: int = 64,
    missing: tuple[str, ...] = (),
    implementation: str = "CPython",
) -> Interpreter:
    path = f"/usr/bin/python3.{minor}"
    return Interpreter(path, (3, minor, 2), implementation, bits, machine, glibc, missing)


@pytest.mark.parametrize("machine", ARCHITECTURES)
@pytest.mark.parametrize("python", PYTHONS)
@pytest.mark.parametrize("runtime", ["litert", "onnxruntime"])
def test_there_is_a_recipe_for_every_python_of_debian(
    runtime: str, python: tuple[int, int], machine: str
) -> None:
    recipe = interpreter(python[1], machine).recipe(runtime)
    assert recipe is not None
    assert [name for name, _ in recipe.pins][1:] == ["numpy"]


@pytest.mark.parametrize(
    ("minor", "machine", "glibc", "version"),
    [
        (11, "aarch64", (2, 36), "2.14.0"),
        (9, "aarch64", (2, 31), "2.13.0"),  # Debian 11, on boards that nobody has updated
        (9, "x86_64", (2, 31), "2.14.0"),
        (11, "aarch64", (2, 31), None),
        (12, "x86_64", (2, 39), None),
    ],
)
def test_tflite_runtime_is_there_for_what_it_was_built_for(
    minor: int, machine: str, glibc: tuple[int, int], version: str | None
) -> None:
    recipe = interpreter(minor, machine, glibc).recipe("tflite-runtime")
    assert (dict(recipe.pins)["tflite-runtime"] if recipe else None) == version
    assert recipe is None or dict(recipe.pins)["numpy"].startswith("1.")


def test_an_old_system_gets_the_newest_that_it_runs() -> None:
    found = {
        minor: interpreter(12, glibc=(2, minor)).recipe("onnxruntime") for minor in (26, 27, 28)
    }
    assert found[26] is None
    assert found[27]
    assert found[28]
    assert found[27].pins < found[28].pins


def test_recipes_of_a_runtime_are_sorted_and_each_is_of_use() -> None:
    for runtime in RUNTIMES:
        if can_prepare(runtime):
            versions = [
                tuple(map(int, recipe.pins[0][1].split("."))) for recipe in recipes_of(runtime)
            ]
            assert versions == sorted(versions, reverse=True)
    places = itertools.product(PYTHONS, ARCHITECTURES, [(2, minor) for minor in range(17, 42)])
    used = [
        interpreter(python[1], machine, glibc).recipe(runtime)
        for python, machine, glibc in places
        for runtime in RUNTIMES
        if can_prepare(runtime)
    ]
    assert all(recipe in used for recipe in RECIPES)


@pytest.mark.parametrize(
    ("runtime", "there", "message"),
    [
        ("litert", {"glibc": None}, "pi4 has no glibc .* use a system with glibc"),
        ("litert", {"glibc": (2, 24)}, "needs glibc 2.27, and pi4 has 2.24; use a newer release"),
        ("litert", {"minor": 14}, "is Python 3.14.2; there are wheels of litert for Python 3.9 to"),
        ("litert", {"minor": 8}, "is Python 3.8.2; there are wheels .*apt-get install python3.13"),
        ("tflite-runtime", {"minor": 12}, "for Python 3.9 to 3.11; install one of these beside"),
        ("litert", {"bits": 32}, "32-bit aarch64; there are no wheels of litert for 32-bit ARM"),
        ("litert", {"bits": 32, "machine": "armv7l"}, "no wheels of litert for 32-bit ARM; or use"),
        ("tflite-runtime", {"bits": 32}, "numpy has no wheels for 32-bit ARM: sudo apt-get"),
        ("litert", {"machine": "riscv64"}, "for x86_64 and aarch64 only; profile a device of"),
        ("litert", {"missing": ("ctypes",)}, "lacks ctypes of its standard library; install"),
        ("litert", {"implementation": "PyPy"}, "is PyPy, and wheels are for CPython; install"),
    ],
)
def test_what_cannot_be_is_explained(runtime: str, there: dict[str, object], message: str) -> None:
    found = [interpreter(**there)]  # type: ignore[arg-type]
    with pytest.raises(RuntimeMissingError, match=message):
        best_interpreter("pi4", found, runtime)


def test_the_devices_own_python_is_taken_where_it_suits() -> None:
    found = [interpreter(13), interpreter(11)]
    assert best_interpreter("pi4", found, "litert") == found[0]
    assert best_interpreter("pi4", found, "tflite-runtime") == found[1]


def test_without_any_python_it_says_so() -> None:
    with pytest.raises(RuntimeMissingError, match=r"no Python 3 on pi4.*apt-get install python3"):
        best_interpreter("pi4", [], "litert")


def test_torch_is_put_there_by_its_user() -> None:
    assert not can_prepare("torch")
    with pytest.raises(RuntimeMissingError, match="puts no torch on devices; install the build"):
        best_interpreter("lab", [interpreter()], "torch")
    with pytest.raises(UnknownNameError):
        recipes_of("litetr")


def test_platforms_are_those_of_the_pep() -> None:
    tags = platform_tags(interpreter(glibc=(2, 19), machine="x86_64"))
    assert tags[:4] == (
        "manylinux_2_19_x86_64",
        "manylinux_2_18_x86_64",
        "manylinux_2_17_x86_64",
        "manylinux2014_x86_64",
    )
    assert tags[-2:] == ("manylinux_2_5_x86_64", "manylinux1_x86_64")
