"""The picture of a latency table: predicted networks against measured ones, and its operators."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.figure import Figure

from ..tables.kinds import multiply_adds

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from ..tables.table import LatencyTable


def table_png(table: LatencyTable) -> bytes:
    """Draw a table as a PNG file."""
    figure = Figure(figsize=(11, 4.6), layout="constrained")
    networks, operators = figure.subplots(1, 2)
    _draw_networks(networks, table)
    _draw_operators(operators, table)
    figure.suptitle(f"{table.name}: {table.provenance.condition}", fontsize=11)
    content = io.BytesIO()
    figure.savefig(content, format="png", dpi=120)
    return content.getvalue()


def _draw_networks(axes: Axes, table: LatencyTable) -> None:
    """Draw the networks that calibrate the table, with their intervals."""
    known = [whole for whole in table.networks if table.covers(whole.network.operators)]
    if not known:
        axes.text(0.5, 0.5, "no whole networks", ha="center", va="center")
        axes.set_axis_off()
        return
    measured = np.array([whole.measurement.median_ms for whole in known])
    predictions = [table.predict(whole.network.operators) for whole in known]
    sums = np.array([table.sum_ms(whole.network.operators) for whole in known])
    predicted = np.array([one.latency_ms for one in predictions])
    reach = np.array(
        [[one.latency_ms - one.low_ms, one.high_ms - one.latency_ms] for one in predictions]
    )
    axes.errorbar(measured, predicted, reach.T, fmt="o", capsize=3, label="predicted")
    axes.plot(measured, sums, "x", color="0.5", label="plain sum")
    ends = [measured.min(), measured.max()]
    axes.plot(ends, ends, color="0.7", linewidth=1)
    axes.set(
        xscale="log",
        yscale="log",
        xlabel="measured latency, ms",
        ylabel="predicted latency, ms",
        title=f"Networks: {table.calibration.formula}, ± {table.calibration.margin:.1%}",
    )
    axes.legend(loc="upper left", fontsize=8)
    axes.grid(visible=True, alpha=0.3)


def _draw_operators(axes: Axes, table: LatencyTable) -> None:
    """Draw every operator's latency over its multiply-adds, by kind."""
    for kind in sorted({operator.kind for operator in table.rows}):
        rows = [(op, ms) for op, ms in table.latencies_ms.items() if op.kind == kind and ms > 0]
        sizes = [max(1, multiply_adds(operator)) for operator, _ in rows]
        axes.plot(sizes, [ms for _, ms in rows], ".", ms=4, label=kind)
    axes.set(
        xscale="log",
        yscale="log",
        xlabel="multiply-adds (1 where there are none)",
        ylabel="latency, ms",
        title=f"{len(table.rows)} operators",
    )
    axes.legend(loc="upper left", fontsize=7)
    axes.grid(visible=True, alpha=0.3)
