"""``sartor devices check`` and ``prepare``: how devices are, what they lack, and mending that."""

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
    from ...profiler.provision import Prepared


def check(
    names: Annotated[
        list[str] | None,
        typer.Argument(metavar="[NAME]...", help="Devices.", show_default="all of them"),
    ] = None,
    *,
    runtime: Annotated[
        list[str] | None,
        typer.Option(
            "--runtime", help="Runtime to ask about, as often as you like.", show_default="all"
        ),
    ] = None,
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
    from ...profiler import RUNTIMES, at_once, find_runtime

    asked = tuple(find_runtime(name).name for name in runtime or RUNTIMES)
    wanted = dict.fromkeys(names or read_inventory(inventory).names)
    devices = [find_device(name, inventory=inventory) for name in wanted]
    outcomes = at_once(
        {device.name: partial(_check, device, asked) for device in devices}, timeout_s=timeout
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


def prepare(
    names: Annotated[list[str], typer.Argument(metavar="NAME...", help="Devices.")],
    *,
    runtime: Annotated[
        list[str] | None,
        typer.Option(
            "--runtime", help="Runtime to put there, as often as you like.", show_default="litert"
        ),
    ] = None,
    binary: Annotated[
        str,
        typer.Option(
            "--binary",
            metavar="FILE|URL#sha256=…",
            help="Google's benchmark_model, for the runtime of that name.",
        ),
    ] = "",
    patience: Annotated[
        float,
        typer.Option("--patience", min=0, help="Seconds to wait for others that time on a device."),
    ] = 120,
    inventory: InventoryOption = None,
    as_json: JsonOption = False,
) -> None:
    """Put runtimes on devices, all at once, unless they are there and whole.

    This host fetches what it takes: the devices need no network.
    """
    from ...devices import find_device
    from ...profiler import at_once, find_runtime

    asked = tuple(find_runtime(name).name for name in dict.fromkeys(runtime or ["litert"]))
    devices = [find_device(name, inventory=inventory) for name in dict.fromkeys(names)]

    def told(outcome: Outcome[dict[str, Prepared]]) -> None:
        if outcome.failed:
            note(f"{outcome.device}: {outcome.why}")
        for name, prepared in (outcome.result or {}).items():
            brought = ", ".join(f"{part.name} {part.version}" for part in prepared.parts)
            note(f"{outcome.device}: ready for {name} with {brought}")

    outcomes = at_once(
        {device.name: partial(_prepare, device, asked, patience, binary) for device in devices},
        told,
    )
    for outcome in outcomes.values():
        outcome.raise_if_unexpected()
    if as_json:
        print_json([_prepared_document(outcome) for outcome in outcomes.values()])
    if any(outcome.failed for outcome in outcomes.values()):
        raise typer.Exit(1)


def _prepare(
    device: Device, runtimes: tuple[str, ...], patience_s: float, binary: str, stop: Stop
) -> dict[str, Prepared]:
    from ...devices.patient import patient
    from ...devices.stoppable import StoppableDevice
    from ...profiler.provision import prepare as put

    def tell(sentence: str) -> None:
        stop.check()
        note(f"{device.name}: {sentence}")

    seen = StoppableDevice(patient(device, tell=tell), stop)
    return {
        name: put(seen, name, patience_s=patience_s, tell=tell, binary=binary) for name in runtimes
    }


def _prepared_document(outcome: Outcome[dict[str, Prepared]]) -> dict[str, object]:
    if outcome.result is None:
        why = {"error": type(outcome.error).__name__, "why": outcome.why}
        return {"name": outcome.device, "prepared": False, **why}
    return {
        "name": outcome.device,
        "prepared": True,
        "runtimes": {
            name: {
                "python": str(prepared.python),
                "parts": [
                    {"name": part.name, "version": part.version, "sha256": part.sha256}
                    for part in prepared.parts
                ],
            }
            for name, prepared in outcome.result.items()
        },
    }


def _check(device: Device, runtimes: tuple[str, ...], _: Stop) -> Checkup:
    from ...profiler import check as see

    return see(device, runtimes)


def _sentences(outcome: Outcome[Checkup]) -> tuple[str, ...]:
    found = outcome.result
    return (outcome.why,) if found is None else found.advice


def _row(outcome: Outcome[Checkup]) -> tuple[str, ...]:
    if (found := outcome.result) is None:
        return (outcome.device, "not reached", "", "", "")
    about = f"{found.facts.cpu_model}, {found.facts.cores} cores, {found.facts.system}"
    runtimes = ", ".join(each.version for each in found.standings if each.ready)
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
        "runtimes": [
            {
                "runtime": each.runtime,
                "state": each.state,
                "ready": each.ready,
                "version": each.version,
                "why": each.why,
                "command": each.command,
            }
            for each in found.standings
        ],
        "advice": found.advice,
    }
