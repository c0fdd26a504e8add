"""The picture of an accuracy predictor: held-out predictions, and what more evaluations buy."""

from __future__ import annotations

import io
from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure

from .accuracy.fit import Fit
from .accuracy.predictor import StoredPredictor
from .accuracy.quality import Quality
from .evaluation_table import Evaluations
from .space import SearchSpace


def evaluation_png(
    space: SearchSpace,
    evaluations: Evaluations,
    fit: Fit[StoredPredictor],
    curve: Sequence[Quality],
) -> bytes:
    """Draw predicted against measured accuracies, and the learning curve, as a PNG file."""
    figure = Figure(figsize=(10, 4.2), layout="constrained")
    scatter, learning = figure.subplots(1, 2)
    measured, free = evaluations.top1, evaluations.rounds == 0
    places = space.genes(evaluations.population)[:, 0]
    for index, label in enumerate(space.context_axes[0].labels):
        here = places == index
        for chosen, marker, called in ((here & free, ".", label), (here & ~free, "+", None)):
            points = 100 * measured[chosen], 100 * fit.held_out[chosen]
            scatter.plot(*points, marker, color=f"C{index}", label=called)
    ends = 100 * np.array([measured.min(), measured.max()])
    scatter.plot(ends, ends, color="0.6", linewidth=1, zorder=0)
    scatter.set(
        xlabel="measured top-1, %",
        ylabel="predicted top-1, % (held out)",
        title=f"τ = {fit.kendall_tau:.3f}, error {100 * fit.mean_absolute_error:.2f} points",
    )
    if not free.all():
        scatter.plot([], [], "+", color="0.4", label="favourites")
    scatter.legend(fontsize=8)
    sizes = [point.networks for point in curve]
    learning.plot(sizes, [point.kendall_tau for point in curve], "o-", label="Kendall's τ")
    learning.set(xlabel="evaluated sub-networks", ylabel="Kendall's τ (held out)", ylim=(None, 1))
    errors = learning.twinx()
    errors.plot(sizes, [100 * point.mean_absolute_error for point in curve], "s--", color="C3")
    errors.set_ylabel("mean absolute error, points", color="C3")
    learning.set_title("How many evaluations are needed")
    for axes in (scatter, learning):
        axes.grid(visible=True, alpha=0.3)
    figure.suptitle(f"{space.name}: {fit.networks} evaluated sub-networks", fontsize=11)
    content = io.BytesIO()
    figure.savefig(content, format="png", dpi=120)
    return content.getvalue()
