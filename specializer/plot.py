"""The picture of a report: accuracy against latency, and promise against measurement."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.figure import Figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from ..tables.calibration import Prediction
    from .choice import Choice
    from .report import Report
    from .verify import MeasuredLatency


def report_png(report: Report) -> bytes:
    """Draw a report as a PNG file."""
    figure = Figure(figsize=(10, 4.2), layout="constrained")
    search, proof = figure.subplots(1, 2)
    _draw_search(search, report.choice)
    _draw_proof(proof, report)
    figure.suptitle(report.title, fontsize=11)
    content = io.BytesIO()
    figure.savefig(content, format="png", dpi=120)
    return content.getvalue()


def _draw_search(axes: Axes, choice: Choice) -> None:
    """Draw what other budgets would have bought, and what this one did."""
    latencies_ms, accuracies = np.reshape(choice.search.front, (-1, 2)).T
    axes.plot(latencies_ms, 100 * accuracies, "o-", color="0.6", label="best per budget")
    chosen = choice.latency.latency_ms, 100 * choice.accuracy.predicted
    axes.plot(*chosen, "*", color="C0", ms=16, label="chosen")
    axes.axvline(choice.target.budget_ms, color="C3", linestyle="--", label="budget")
    axes.set(
        xlabel=f"predicted latency, ms ({choice.target.condition.partition('/')[0]})",
        ylabel="predicted top-1, %",
        title="Search",
    )
    axes.legend(loc="lower right", fontsize=8)
    axes.grid(visible=True, alpha=0.3)


def _draw_proof(axes: Axes, report: Report) -> None:
    """Draw the predicted latency beside the measured ones, with their intervals."""
    fits = report.fits or (report.choice.fits[0],)
    for fit in fits:
        of = f"\n{fit.target.table}" if len(fits) > 1 else ""
        _draw_bar(axes, f"predicted{of}", fit.latency, "0.7")
    for proof in report.proofs:
        _draw_bar(axes, f"{proof.runtime}\nmeasured", proof.measured, "C2" if proof.holds else "C3")
    for budget_ms in dict.fromkeys(fit.target.budget_ms for fit in fits):
        axes.axhline(budget_ms, color="C3", linestyle="--", label="budget")
    axes.margins(y=0.25)  # room for the legend
    axes.set(ylabel="latency, ms", title="Proof" if report.holds else "Proof: does not hold")
    axes.legend(loc="upper right", fontsize=8)


def _draw_bar(axes: Axes, name: str, latency: Prediction | MeasuredLatency, colour: str) -> None:
    middle_ms = latency.latency_ms
    reach_ms = [[middle_ms - latency.low_ms], [latency.high_ms - middle_ms]]
    axes.bar(name, middle_ms, color=colour, yerr=reach_ms, capsize=4)
    label = f"{middle_ms:.2f} ms"
    axes.annotate(label, (name, 0), (0, 4), textcoords="offset points", ha="center")
