"""Recipes in TOML files: those that ship, and the user's own."""

from __future__ import annotations

import dataclasses
import json
import sys
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from ...tables.errors import CheckpointError, FormatError, UnknownNameError
from ..documents import from_document
from .recipe import Finish, Phase, Recipe

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

SHIPPED = Path(__file__).with_name("recipes")
SUFFIX = ".toml"


def shipped_recipes() -> tuple[str, ...]:
    """List the recipes that ship with Sartor by name, sorted."""
    return tuple(sorted(path.stem for path in SHIPPED.glob(f"*{SUFFIX}")))


def load_recipe(name_or_path: str) -> Recipe:
    """Read a recipe that ships, by name, or one of the user's, by the path of its file.

    Raises:
        UnknownNameError: it is neither.
        FormatError: the file is no recipe; says what is wrong with it.
    """
    if name_or_path in shipped_recipes():
        path = SHIPPED / f"{name_or_path}{SUFFIX}"
    elif not (path := Path(name_or_path)).is_file():
        raise UnknownNameError(
            "recipe", name_or_path, shipped_recipes(), f"or name a {SUFFIX} file"
        )
    try:
        return recipe_from_text(path.read_text("utf-8"))
    except (FormatError, UnicodeDecodeError) as error:
        raise FormatError(f"{path} is no recipe: {error}") from error
    except OSError as error:
        raise CheckpointError(f"cannot read {path}: {error.strerror}; name another file") from error


def recipe_from_text(text: str) -> Recipe:
    """Read a recipe from TOML; what it leaves out is as ``Recipe`` and ``Phase`` have it.

    Raises:
        FormatError: it is no TOML, or no recipe.
    """
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise FormatError(str(error)) from error
    phases, finish = document.get("phases", []), document.get("finish", {})
    if not isinstance(phases, list) or not all(isinstance(phase, dict) for phase in phases):
        raise FormatError("phases must be tables: write each as [[phases]]")
    if not isinstance(finish, dict):
        raise FormatError("finish must be a table: write it as [finish]")
    whole = _completed(Recipe, document, "a recipe")
    whole["phases"] = [_completed(Phase, phase, "a phase") for phase in phases]
    whole["finish"] = _completed(Finish, finish, "finish")
    return from_document(Recipe, whole)


def recipe_text(recipe: Recipe) -> str:
    """Write a recipe as TOML that ``recipe_from_text`` reads; JSON's scalars are TOML's."""
    document = dataclasses.asdict(recipe)
    phases, finish = document.pop("phases"), document.pop("finish")
    lines = [_line(*item) for item in document.items()]
    for phase in phases:
        lines += ["", "[[phases]]", *(_line(*item) for item in phase.items())]
    lines += ["", "[finish]", *(_line(*item) for item in finish.items())]
    return "\n".join(lines) + "\n"


def _line(name: str, value: object) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return f"{name} = {text}".replace("\x7f", "\\u007f")  # the one character where TOML differs


def _completed(kind: type[Any], given: dict[str, object], what: str) -> dict[str, object]:
    """Add the fields that are left out; FormatError names one that is not known."""
    known = [field.name for field in dataclasses.fields(kind)]
    for name in given:
        if name not in known:
            near = get_close_matches(name, known, n=1)
            hint = f"did you mean {near[0]!r}? " if near else ""
            raise FormatError(f"{what} has no {name!r}; {hint}known: {', '.join(known)}")
    return _defaults(kind) | given


def _defaults(kind: type[Any]) -> dict[str, object]:
    """Return the fields that have a default, as JSON would have them."""
    return {
        field.name: list(field.default) if isinstance(field.default, tuple) else field.default
        for field in dataclasses.fields(kind)
        if field.default is not dataclasses.MISSING
    }
