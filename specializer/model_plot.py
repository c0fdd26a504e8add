"""The picture of a model's profile: which operators its latency goes to."""

from __future__ import annotations

import io
from collections.abc import Sequence

from matplotlib.figure import Figure
from matplotlib.patches import Patch

from ..profiler.model_profile import ModelProfile

LARGEST = 20
"""Pieces with a bar of their own; the others share one."""

_COLOURS = ("C0", "C1", "C2", "C3", "C4", "C5", "C6", "C8", "C9")
"""Of the kinds that take most; the others are grey."""

_LONGEST_LABEL = 70


def model_png(profile: ModelProfile) -> bytes:
    """Draw the shares of a model's operators as a PNG file, the largest on top."""
    bars = bars_of(profile)
    colours = dict(zip((kind.kind for kind in profile.kinds), _COLOURS, strict=False))
    figure = Figure(figsize=(10, 2 + 0.26 * max(4, len(bars))), layout="constrained")
    axes = figure.subplots()
    widths = [100 * share for _, _, share in bars]
    axes.barh(range(len(bars)), widths, color=[colours.get(kind, "0.6") for _, kind, _ in bars])
    axes.set_yticks(range(len(bars)), [_short(label) for label, _, _ in bars], fontsize=8)
    axes.invert_yaxis()
    for place, width in enumerate(widths):
        label = f"{width:.1f} %"
        axes.annotate(label, (width, place), (3, 0), textcoords="offset points", va="center")
    axes.margins(x=0.12)
    axes.set_xlabel("share of the sum of all operators, %")
    axes.grid(visible=True, axis="x", alpha=0.3)
    if colours:
        handles = [
            Patch(color=colours[kind.kind], label=f"{kind.kind}: {kind.share:.0%}")
            for kind in profile.kinds
            if kind.kind in colours
        ]
        figure.legend(handles=handles, loc="outside lower center", ncols=3, fontsize=8)
    figure.suptitle(_title(profile), fontsize=11)
    content = io.BytesIO()
    figure.savefig(content, format="png", dpi=120)
    return content.getvalue()


def bars_of(profile: ModelProfile) -> Sequence[tuple[str, str, float]]:
    """List what is drawn: label, kind and share (0..1) of each bar; they add up to 1."""
    ranked = profile.ranked
    bars = [
        (
            f"{one.piece.kind}  {one.piece.text}" + _repeated(one.piece.times),
            one.piece.kind,
            profile.share(one),
        )
        for one in ranked[:LARGEST]
    ]
    if others := ranked[LARGEST:]:
        bars.append((f"{len(others)} others", "", sum(map(profile.share, others))))
    return bars


def _repeated(times: int) -> str:
    return f"  × {times}" if times > 1 else ""


def _short(label: str) -> str:
    return label if len(label) <= _LONGEST_LABEL else f"{label[: _LONGEST_LABEL - 1]}…"


def _title(profile: ModelProfile) -> str:
    interval = profile.whole.interval_ms()
    margin = "" if interval is None else f" ± {interval[1] - profile.whole.median_ms:.3f}"
    whole = f"{profile.whole.median_ms:.3f}{margin} ms with {profile.runtime_version}"
    pieces = f"its operators by themselves: {profile.sum_over_whole:.2f} × as much"
    return f"{_short(profile.model)}: {whole}\n{pieces}"
