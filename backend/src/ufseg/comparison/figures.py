"""Box plots of a comparison, and the paper's figure 3."""

from __future__ import annotations

import math
from inspect import signature
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ufseg.comparison.results import PAPER_METRICS, Results
from ufseg.evaluation.markdown import MEAN_ROW
from ufseg.evaluation.metrics import DICE

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# Of Okabe and Ito's palette: told apart by the colour-blind as well.
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")
MOST_CLASSES = 6
"""With more classes than this, only their mean is drawn."""
BOX_CAPTION = (
    "Box plots over the test cases, each case's scores averaged over seeds: median, quartiles, whiskers to 1.5 "
    "interquartile ranges, points are cases, diamonds means; the reference loss is coloured, a line marks its median."
)


def drawn_classes(results: Results) -> list[str | None]:
    """The classes that figures show, None for their mean."""
    names = results.class_names
    return names if len(names) <= MOST_CLASSES + 1 else [None]


def write_box_plots(path: Path, results: Results, values: dict[tuple[str, str | None, str], list[float]]) -> None:
    """A row of panels a class, a panel a metric of the paper, a box a loss.

    Args:
        path: .png, .svg or .pdf.
        results: the comparison.
        values: (label, class or None for the mean, metric) → scores of the cases.

    Raises:
        OSError: the file cannot be written.
    """
    # Not pyplot: no window, no global state.
    from matplotlib.figure import Figure

    names = drawn_classes(results)
    labels = results.labels
    height = max(1.6, 0.6 + 0.24 * len(labels))
    longest = max(len(label) for label in labels)
    figure = Figure(
        figsize=(0.08 * longest + 2.6 * len(PAPER_METRICS), 0.3 + height * len(names)), layout="constrained"
    )
    grid = figure.subplots(len(names), len(PAPER_METRICS), squeeze=False, sharey=True)
    for row, name in zip(grid, names, strict=True):
        for axes, metric in zip(row, PAPER_METRICS, strict=True):
            samples = [values[label, name, metric.name] for label in labels]
            _boxes(axes, samples, labels, labels.index(results.reference))
            axes.set_title(f"{metric.label}, {_plain(name or MEAN_ROW)}", fontsize=9)
            lowest = min((v for sample in samples for v in sample), default=0.0)
            axes.set_xlim(math.floor(10 * lowest) / 10 - 0.02, 1.02)
    figure.savefig(path, dpi=150)


def write_sweep(path: Path, results: Results) -> None:
    """Mean DSC over γ with its 95 % confidence interval, a line a class, and a dot a seed; raises OSError."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(5.6, 3.8), layout="constrained")
    axes = figure.subplots()
    gammas = {t.entrant.label: t.entrant.options["gamma"] for t in results.trainings}
    labels = sorted(results.labels, key=lambda label: gammas[label])
    for number, name in enumerate(drawn_classes(results)):
        rows = [results.row(label, name, DICE) for label in labels]
        known = [(gammas[r.label], r.over_cases) for r in rows]
        colour = COLOURS[number % len(COLOURS)]
        x = [gamma for gamma, _ in known]
        # nan leaves a gap.
        means, lows, highs = ([_or_nan(getattr(m, end)) for _, m in known] for end in ("mean", "low", "high"))
        axes.plot(x, means, "o-", color=colour, label=_plain(name or MEAN_ROW), markersize=4)
        axes.fill_between(x, lows, highs, color=colour, alpha=0.15)
    for training in results.trainings:
        seeds = [d for d in training.seed_dice if d is not None]
        gamma = training.entrant.options["gamma"]
        axes.plot([gamma] * len(seeds), seeds, ".", color="black", markersize=3, zorder=3)
    axes.set_xlabel("γ")
    axes.set_ylabel("DSC")
    axes.set_title(f"Asymmetric Unified Focal loss on {_plain(results.request.dataset)}", fontsize=10)
    figure.legend(fontsize=8, loc="outside lower center", ncols=len(drawn_classes(results)))
    axes.grid(alpha=0.3)
    figure.savefig(path, dpi=150)


def _boxes(axes: Axes, samples: list[list[float]], labels: list[str], reference: int) -> None:
    places = list(range(len(samples)))
    # matplotlib 3.10 renamed the argument.
    lying: dict[str, Any] = (
        {"orientation": "horizontal"} if "orientation" in signature(axes.boxplot).parameters else {"vert": False}
    )
    boxes = axes.boxplot(
        samples,
        **lying,
        positions=places,
        widths=0.6,
        showfliers=False,
        showmeans=True,
        patch_artist=True,
        manage_ticks=False,
        medianprops={"color": "black"},
        meanprops={"marker": "D", "markersize": 3, "markerfacecolor": "white", "markeredgecolor": "black"},
    )
    for number, box in enumerate(boxes["boxes"]):
        box.set(facecolor=COLOURS[1] if number == reference else "#bbbbbb", alpha=0.6)
    for place, points in zip(places, samples, strict=True):
        spread = [place + 0.18 * (((7 * i) % 11) / 5 - 1) for i in range(len(points))]
        axes.plot(points, spread, ".", color="black", markersize=2, zorder=3, alpha=0.6)
    axes.axvline(boxes["medians"][reference].get_xdata()[0], color=COLOURS[1], linewidth=0.8, zorder=0)
    axes.set_yticks(places, [_plain(label) for label in labels])
    axes.set_ylim(len(labels) - 0.4, -0.6)
    axes.tick_params(labelsize=7)


def _or_nan(value: float | None) -> float:
    return math.nan if value is None else value


def _plain(text: str) -> str:
    """A name that matplotlib must not read as a formula."""
    return text.replace("$", r"\$")
