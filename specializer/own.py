"""A supernet of the user's own: what ``--supernet MODULE:ATTRIBUTE`` names.

The module is the user's code. It is imported because the user names it on the command line, and
for no other reason: nothing that stands in a checkpoint or in any other file leads to an import.
docs/supernets.md has an example.
"""

from __future__ import annotations

import importlib
import re
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeGuard

from ..tables.errors import CheckpointError
from .space import ABSENT, SubNetwork
from .supernets.families import FAMILIES
from .supernets.supernet import SupernetSpec

_NAME = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*")
_MEMBERS = (
    *("family", "settings", "classes", "resolutions", "batch_norm_eps", "space"),
    *("resolution", "stem_graph", "block_graph", "head_graph", "graph"),
    *("state_shapes", "weights"),
)


@dataclass(frozen=True, slots=True)
class OwnSupernet:
    """A supernet whose code is the user's.

    Attributes:
        spec: everything about it but its weights.
        weights: file of its tensors, written by ``torch.save`` or safetensors; no code in it is
            run. What belongs to the supernet, such as its accuracy predictor, lies beside it.
        labels: names of the classes; their numbers where none are named.
    """

    spec: SupernetSpec
    weights: Path
    labels: tuple[str, ...] = ()


def names_own(name: str) -> bool:
    """Whether a name is of the form ``MODULE:ATTRIBUTE``."""
    return _NAME.fullmatch(name) is not None


def find_own(name: str) -> OwnSupernet:
    """Import a supernet of the user's own; modules of the folder at hand are found, too.

    Args:
        name: ``MODULE:ATTRIBUTE``.

    Raises:
        CheckpointError: there is no such module or attribute, its code fails, or it breaks the
            rules of supernets.
    """
    module, _, attribute = name.partition(":")
    if (here := str(Path.cwd())) not in sys.path:
        sys.path.insert(0, here)  # as with python -m
    with _explained(f"importing {module}"):
        found = getattr(importlib.import_module(module), attribute)
    if not isinstance(found, OwnSupernet):
        raise CheckpointError(
            f"{name} is a {type(found).__name__}; want an OwnSupernet (see docs/supernets.md)"
        )
    if not _is_spec(found.spec):
        lacking = [member for member in _MEMBERS if not hasattr(found.spec, member)]
        raise CheckpointError(
            f"the spec of {name} lacks {', '.join(lacking)}; add what SupernetSpec asks for"
        )
    if found.labels and len(found.labels) != found.spec.classes:
        raise CheckpointError(
            f"{name} has {len(found.labels)} labels for {found.spec.classes} classes; name each"
        )
    with _explained(f"asking {name} for its graphs"):
        _check_family(name, found.spec)
        check_graphs(found.spec)
    return found


def check_graphs(spec: SupernetSpec) -> None:
    """Hold a spec to its promise that stem, blocks and head are what a network is made of.

    Raises:
        CheckpointError: they are not, in its smallest or its largest network.
    """
    for subnetwork in (spec.space.smallest, spec.space.largest):
        context, *choices = subnetwork
        parts = [
            spec.stem_graph(context),
            *(
                spec.block_graph(context, slot, choice)
                for slot, choice in enumerate(choices)
                if choice != ABSENT
            ),
            spec.head_graph(context),
        ]
        whole = spec.graph(subnetwork)
        held = Counter(operator for part in parts for operator in part.operators)
        if held != Counter(whole.operators):
            raise CheckpointError(
                f"stem, blocks and head of {_text(spec, subnetwork)} do not hold the operators of "
                "its graph; mend stem_graph, block_graph, head_graph or graph"
            )
        if whole.shapes[whole.output] != (spec.classes,):
            raise CheckpointError(
                f"{_text(spec, subnetwork)} ends in {whole.shapes[whole.output]}, not in "
                f"{spec.classes} classes; end its graph with a dense operator of as many outputs"
            )


def _check_family(name: str, spec: SupernetSpec) -> None:
    """Let a spec be of a family that files may name only where it is what they would name."""
    if spec.family not in FAMILIES:
        return
    described = FAMILIES[spec.family].describe(spec.settings, spec.classes, spec.resolutions)
    if described != spec:
        raise CheckpointError(
            f"{name} calls its family {spec.family}, which is another one of Sartor's own; give it "
            "a name of its own"
        )


def _is_spec(value: object) -> TypeGuard[SupernetSpec]:
    return all(hasattr(value, member) for member in _MEMBERS)


def _text(spec: SupernetSpec, subnetwork: SubNetwork) -> str:
    return f"{spec.space.name} {spec.space.text(subnetwork)}"


@contextmanager
def _explained(what: str) -> Iterator[None]:
    """Say of what fails in the user's code what was being done."""
    try:
        yield
    except CheckpointError:
        raise
    except Exception as error:
        reason = str(error).partition("\n")[0]
        raise CheckpointError(
            f"{what} failed ({type(error).__name__}: {reason}); mend that module"
        ) from error
