"""``sartor devices``: what can be profiled, what it is, and how it is."""

from __future__ import annotations

from .options import JsonOption
from .output import print_facts, print_json


def devices(*, as_json: JsonOption = False) -> None:
    """List the devices within reach, and how they are now."""
    from ...devices import DEVICES, find_device

    found = []
    for name in DEVICES:
        device = find_device(name)
        found.append((name, dict(device.facts().pairs), device.health()))
    if as_json:
        print_json(
            [
                {
                    "name": name,
                    "facts": facts,
                    "health": health.verdict,
                    "warnings": health.warnings,
                }
                for name, facts, health in found
            ]
        )
        return
    for name, facts, health in found:
        print_facts(name, facts | {"health": "; ".join((health.verdict, *health.warnings))})
