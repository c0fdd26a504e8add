"""What commands say of a choice: its budgets, and whatever else was limited."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .standing import standings_text

if TYPE_CHECKING:
    from ..choice import Choice, Fit


def budget_facts(choice: Choice) -> dict[str, str]:
    """Tell of each device its budget, and what was predicted; for several, by their tables."""
    facts: dict[str, str] = {}
    for fit in choice.fits:
        whose = f" by {fit.target.table}" if choice.also else ""
        facts |= {
            f"budget{whose}": f"{fit.target.budget_ms:.2f} ms",
            f"predicted latency{whose}": prediction_text(fit),
        }
        if fit.rows:
            facts[f"predicted{whose} by"] = standings_text(fit.rows)
    return facts


def prediction_text(fit: Fit) -> str:
    """Write a prediction, such as ``19.72 ms, interval 19.09–20.35 (90 %)``."""
    latency, confidence = fit.latency, fit.target.confidence
    interval = f"{latency.low_ms:.2f}–{latency.high_ms:.2f}" if latency.calibrated else "unknown"
    promised = "" if confidence is None else f" ({100 * confidence:g} %)"
    return f"{latency.latency_ms:.2f} ms, interval {interval}{promised}"


def limit_facts(choice: Choice) -> dict[str, str]:
    """Tell of every limit but those on latency what the network costs."""
    kept = (limit for limit in choice.limits if not limit.what.startswith("latency"))
    return {limit.what: limit.text for limit in kept}


def size_text(choice: Choice) -> str:
    """Write how large a network is."""
    memory = choice.memory_bytes
    activations = "" if memory is None else f", {memory / 1e6:.2f} MB of activations at once"
    return (
        f"{choice.multiply_adds / 1e6:.0f} M multiply-adds, {choice.parameters / 1e6:.1f} M "
        f"parameters{activations}"
    )
