"""``sartor devices check``: which devices can be reached, how they are, and what they lack."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Annotated

import typer

from .options import InventoryOption, JsonOption
from .output import note, print_json, print_table

if TYPE_CHECKING:
    from ...devices import Device
    from ...devices.stoppable import Stop
    from ...profiler import Checkup, Outcome


def check(
    names: Annotated[
        list[str] | None,
        typer.Argument(metavar="[NAME]...", help="Devices.", show_default="all of them"),
    ] = None,
    *,
    timeout: Annotated[
        float, typer.Option("--timeout", min=1, help="Seconds that each has to answer.")
    ] = 60,
    inventory: InventoryOption = None,
    as_json: JsonOption = False,
) -> None:
    """Ask devices, all at once, how they are, and say what mends what is missing.

    Exits with 1 when nothing can be measured on one of them.
    """
    from ...devices import find_device, read_inventory
    from ...profiler import at_once

    wanted = dict.fromkeys(names or read_inventory(inventory).names)
    devices = [find_device(name, inventory=inventory) for name in wanted]
    outcomes = at_once(
        {device.name: partial(_check, device) for device in devices}, timeout_s=timeout
    )
    for outcome in outcomes.values():
        outcome.raise_if_unexpected()
    if as_json:
        print_json([_document(outcome) for outcome in outcomes.values()])
    else:
        print_table(
            "Devices",
            ("name", "verdict", "what it is", "answers in", "runtimes"),
            map(_row, outcomes.values()),
        )
        for outcome in outcomes.values():
            for sentence in _sentences(outcome):
                note(f"{outcome.device}: {sentence}")
    if not all(
        outcome.result is not None and outcome.result.ready for outcome in outcomes.values()
    ):
        raise typer.Exit(1)


def _check(device: Device, _: Stop) -> Checkup:
    from ...profiler import check as see

    return see(device)


def _sentences(outcome: Outcome[Checkup]) -> tuple[str, ...]:
    found = outcome.result
    return (outcome.why,) if found is None else (*found.health.warnings, *found.advice)


def _row(outcome: Outcome[Checkup]) -> tuple[str, ...]:
    if (found := outcome.result) is None:
        return (outcome.device, "not reached", "", "", "")
    about = f"{found.facts.cpu_model}, {found.facts.cores} cores, {found.facts.system}"
    runtimes = ", ".join(version for _, version in found.runtimes)
    verdict = found.health.verdict if found.ready else "no runtime"
    return (outcome.device, verdict, about, f"{1000 * found.answer_s:.0f} ms", runtimes)


def _document(outcome: Outcome[Checkup]) -> dict[str, object]:
    document: dict[str, object] = {"name": outcome.device, "reached": outcome.result is not None}
    if (found := outcome.result) is None:
        return document | {"error": type(outcome.error).__name__, "why": outcome.why}
    return document | {
        "ready": found.ready,
        "answer_s": found.answer_s,
        "facts": dict(found.facts.pairs),
        "health": found.health.verdict,
        "warnings": found.health.warnings,
        "runtimes": dict(found.runtimes),
        "advice": found.advice,
    }
