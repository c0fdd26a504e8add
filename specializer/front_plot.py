"""The picture of a front: what every budget of latency buys."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.figure import Figure

if TYPE_CHECKING:
    from .frontier import Point


def front_png(points: Sequence[Point], title: str) -> bytes:
    """Draw a front as a PNG file: accuracy over predicted latency, with its intervals."""
    figure = Figure(figsize=(7, 4.6), layout="constrained")
    axes = figure.subplots()
    latencies = np.array(
        [[one.latency.low_ms, one.latency.latency_ms, one.latency.high_ms] for one in points]
    )
    low_ms, middle_ms, high_ms = latencies.T
    accuracies = [100 * one.accuracy for one in points]
    axes.errorbar(
        middle_ms,
        accuracies,
        xerr=[middle_ms - low_ms, high_ms - middle_ms],
        fmt="o-",
        capsize=2,
        ms=4,
    )
    axes.set(xlabel="predicted latency, ms", ylabel="predicted top-1, %")
    axes.set_title(title, fontsize=10)
    axes.grid(visible=True, alpha=0.3)
    content = io.BytesIO()
    figure.savefig(content, format="png", dpi=120)
    return content.getvalue()
