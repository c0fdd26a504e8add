"""The picture of a training run: how loss and accuracies went, phase by phase."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

_SMOOTHED = 25
"""Steps that each point of the curves is the mean of, at most."""

Line = Mapping[str, Any]


def training_png(log: Path, curve: Path) -> bytes:
    """Draw a run's log and the accuracies of its extremes on the way, as a PNG file.

    Args:
        log: one line for each step (``log.jsonl``).
        curve: one line for each look at held-out images (``curve.jsonl``).
    """
    steps, looks = _lines(log), _lines(curve)
    starts = _starts(steps)
    figure = Figure(figsize=(10, 4.2), layout="constrained")
    losses, accuracies = figure.subplots(1, 2)
    for index, (phase, start) in enumerate(starts.items()):
        values = np.array([line["loss"] for line in steps if line["phase"] == phase])
        smooth, window = _smooth(values)
        places = start + window + np.arange(len(smooth))
        losses.plot(places, smooth, color=f"C{index}", label=f"{phase} ({len(values)} steps)")
    losses.set(xlabel="step", ylabel=f"loss, mean of {_SMOOTHED} steps", title="Training")
    losses.legend(fontsize=8)
    lengths = {line["phase"]: line["steps"] for line in steps}
    looks = [look for look in looks if look["phase"] in starts]
    places = np.array(
        [starts[look["phase"]] + (look["step"] or lengths[look["phase"]]) for look in looks]
    )
    for kind, marker in (("largest", "o-"), ("smallest", "s-")):
        values = np.array([100 * look[kind] for look in looks])
        accuracies.plot(places, values, marker, ms=4, label=f"{kind} that the phase trains")
    for start in list(starts.values())[1:]:
        for axes in (losses, accuracies):
            axes.axvline(start, color="0.7", linestyle=":")
    accuracies.set(xlabel="step", ylabel="top-1, %", title="Held-out images, averaged weights")
    if len(places):
        accuracies.legend(loc="lower right", fontsize=8)
    for axes in (losses, accuracies):
        axes.grid(visible=True, alpha=0.3)
    content = io.BytesIO()
    figure.savefig(content, format="png", dpi=120)
    return content.getvalue()


def _lines(path: Path) -> Sequence[Line]:
    if not path.exists():
        return []
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


def _starts(steps: Sequence[Line]) -> dict[str, int]:
    """Tell at which step of the whole run each phase begins."""
    starts: dict[str, int] = {}
    for index, line in enumerate(steps):
        starts.setdefault(line["phase"], index)
    return starts


def _smooth(values: NDArray[np.float64]) -> tuple[NDArray[np.float64], int]:
    """Average over a moving window; return the means, and how many steps come before the first."""
    window = min(_SMOOTHED, len(values))
    return np.convolve(values, np.full(window, 1 / window), "valid"), window
