"""``sartor devices clean``: leaving nothing on a device."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Annotated

import typer

from .options import InventoryOption, JsonOption
from .output import note, print_json

if TYPE_CHECKING:
    from ...devices import Device
    from ...devices.stoppable import Stop
    from ...profiler import Cleaned, Outcome


def clean(
    names: Annotated[list[str], typer.Argument(metavar="NAME...", help="Devices.")],
    *,
    patience: Annotated[
        float,
        typer.Option("--patience", min=0, help="Seconds to wait for others that time on a device."),
    ] = 120,
    inventory: InventoryOption = None,
    as_json: JsonOption = False,
) -> None:
    """Delete all that Sartor put on devices: agents, runtimes, models and locks.

    Tables stay, and so do the inventory's entries. A device is prepared anew when it is needed.
    """
    from ...devices import find_device
    from ...profiler import at_once

    devices = {name: find_device(name, inventory=inventory) for name in dict.fromkeys(names)}

    def told(outcome: Outcome[Cleaned]) -> None:
        note(f"{outcome.device}: {_sentence(outcome)}")

    outcomes = at_once(
        {name: partial(_clean, device, patience) for name, device in devices.items()}, told
    )
    for outcome in outcomes.values():
        outcome.raise_if_unexpected()
    if as_json:
        print_json([_document(outcome) for outcome in outcomes.values()])
    if any(outcome.failed for outcome in outcomes.values()):
        raise typer.Exit(1)


def _clean(device: Device, patience_s: float, _: Stop) -> Cleaned:
    from ...profiler import clean as delete

    return delete(device, patience_s, lambda sentence: note(f"{device.name}: {sentence}"))


def _sentence(outcome: Outcome[Cleaned]) -> str:
    if (found := outcome.result) is None:
        return outcome.why
    kept = f"; not ours, and still in {found.root}: {', '.join(found.kept)}" if found.kept else ""
    return f"nothing of Sartor's is left ({found.freed_mb:.1f} MB were deleted){kept}"


def _document(outcome: Outcome[Cleaned]) -> dict[str, object]:
    if (found := outcome.result) is None:
        why = {"error": type(outcome.error).__name__, "why": outcome.why}
        return {"name": outcome.device, "cleaned": False, **why}
    return {
        "name": outcome.device,
        "cleaned": True,
        "root": str(found.root),
        "freed_mb": found.freed_mb,
        "kept": found.kept,
    }
