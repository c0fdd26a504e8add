"""The picture of a report: accuracy against latency, and promise against measurement."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

from matplotlib.figure import Figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from .report import Report


def report_png(report: Report) -> bytes:
    """Draw a report as a PNG file."""
    figure = Figure(figsize=(10, 4.2), layout="constrained")
    search, proof = figure.subplots(1, 2)
    _draw_search(search, report)
    _draw_proof(proof, report)
    figure.suptitle(f"{report.choice.supernet} for {report.choice.device}", fontsize=11)
    content = io.BytesIO()
    figure.savefig(content, format="png", dpi=120)
    return content.getvalue()


def _draw_search(axes: Axes, report: Report) -> None:
    choice = report.choice
    latencies, accuracies = zip(*choice.front, strict=True)
    axes.plot(latencies, [100 * a for a in accuracies], "o-", color="0.6", label="best per budget")
    axes.plot(choice.latency_ms, 100 * choice.accuracy, "*", color="C0", ms=16, label="chosen")
    axes.axvline(choice.budget_ms, color="C3", linestyle="--", label="budget")
    axes.set(
        xlabel=f"predicted latency, ms ({choice.condition.partition('/')[0]})",
        ylabel="predicted top-1, %",
        title="Search",
    )
    axes.legend(loc="lower right", fontsize=8)
    axes.grid(visible=True, alpha=0.3)


def _draw_proof(axes: Axes, report: Report) -> None:
    choice = report.choice
    bars = [("predicted", choice.latency_ms, choice.low_ms, choice.high_ms, "0.7")]
    bars += [
        (
            f"{proof.runtime}\nmeasured",
            proof.latency_ms,
            proof.low_ms,
            proof.high_ms,
            "C2" if proof.holds else "C3",
        )
        for proof in report.proofs
    ]
    for name, latency_ms, low_ms, high_ms, colour in bars:
        below, above = max(0.0, latency_ms - low_ms), max(0.0, high_ms - latency_ms)
        axes.bar(name, latency_ms, color=colour, yerr=[[below], [above]], capsize=4)
        axes.annotate(
            f"{latency_ms:.2f} ms", (name, 0), (0, 4), textcoords="offset points", ha="center"
        )
    axes.axhline(choice.budget_ms, color="C3", linestyle="--", label="budget")
    axes.set(ylabel="latency, ms", title="Proof" if report.holds else "Proof: does not hold")
    axes.legend(loc="upper right", fontsize=8)
