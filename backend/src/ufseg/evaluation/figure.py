"""Box plots of an evaluation."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ufseg.errors import InputError
from ufseg.evaluation.metrics import METRICS, Metric
from ufseg.evaluation.report import Report

if TYPE_CHECKING:
    from matplotlib.axes import Axes

FIGURE_ENDINGS = (".png", ".svg", ".pdf")
_COLUMNS = 3
_COLOURS = ("#0072b2", "#d55e00")  # of Okabe and Ito's palette: told apart by the colour-blind as well


def check_figure_path(path: Path) -> None:
    """Raise InputError if the ending is of no format that `write_figure` writes."""
    if path.suffix.lower() not in FIGURE_ENDINGS:
        raise InputError(
            f"A figure cannot be written as {path.name}: its ending may be {', '.join(FIGURE_ENDINGS)}. Change it."
        )


def write_figure(path: Path, report: Report) -> None:
    """A panel a metric, in it a box a class and prediction: median, quartiles, whiskers to 1.5 interquartile ranges
    (Tukey), every case a point, the mean a diamond.

    Raises:
        InputError: unknown ending.
        OSError: the file cannot be written.
    """
    check_figure_path(path)
    # Not pyplot: no window, no global state.
    from matplotlib.figure import Figure
    from matplotlib.patches import Patch

    names = list(dict.fromkeys(score.class_name for score in report.scores))
    lines = -(-len(METRICS) // _COLUMNS)
    width = max(3.2, 0.5 + 0.55 * len(names) * len(report.predictions))
    figure = Figure(figsize=(_COLUMNS * width, lines * 2.7), layout="constrained")
    for axes, metric in zip(figure.subplots(lines, _COLUMNS).flat, METRICS, strict=True):
        _panel(axes, metric, report, names)
    if len(report.predictions) > 1:
        handles = [Patch(color=c, alpha=0.5) for c in _COLOURS]
        figure.legend(handles, [_plain(p) for p in report.predictions], loc="outside upper center", ncols=2)
    figure.savefig(path, dpi=150)


def _panel(axes: Axes, metric: Metric, report: Report, names: list[str]) -> None:
    count = len(report.predictions)
    for which, predictions in enumerate(report.predictions):
        values: dict[str, list[float]] = {name: [] for name in names}
        for score in report.scores:
            if score.predictions == predictions and score.metric == metric.name and score.value is not None:
                values[score.class_name].append(score.value)
        places = [number + (which - (count - 1) / 2) * 0.8 / count for number in range(len(names))]
        boxes = axes.boxplot(
            list(values.values()),
            positions=places,
            widths=0.6 / count,
            showfliers=False,
            showmeans=True,
            patch_artist=True,
            manage_ticks=False,
            medianprops={"color": "black"},
            meanprops={"marker": "D", "markersize": 4, "markerfacecolor": "white", "markeredgecolor": "black"},
        )
        for box in boxes["boxes"]:
            box.set(facecolor=_COLOURS[which], alpha=0.5)
        for place, points in zip(places, values.values(), strict=True):
            spread = [place + 0.18 / count * (((7 * i) % 11) / 5 - 1) for i in range(len(points))]
            axes.plot(spread, points, ".", color=_COLOURS[which], markersize=3, zorder=3)
    if metric.better == "nearer 0":
        axes.axhline(0, color="grey", linewidth=0.8, zorder=0)
    axes.set_xticks(range(len(names)), [_plain(n) for n in names], rotation=30 if len(names) > 3 else 0)
    axes.set_xlim(-0.6, len(names) - 0.4)
    axes.set_title(metric.label, fontsize=10)
    axes.tick_params(labelsize=8)


def _plain(text: str) -> str:
    """A name that matplotlib must not read as a formula."""
    return text.replace("$", r"\$")
