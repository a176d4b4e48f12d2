"""The demo's picture: anatomy with reference, before and after, the training curves, and every test case."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")

import numpy as np
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from numpy.typing import NDArray

from ufseg.images.geometry import Geometry
from ufseg.images.orientation import to_canonical

COLORS = ("#ffd21f", "#37c8ff", "#ff6f91", "#7dff6a", "#c39bff")
# Axis across the slice → (row axis, column axis, title); arrays are [k, j, i] turned to LPS, so that k runs to the
# head and j to the back.
VIEWS = {0: "axial", 1: "coronal", 2: "sagittal"}


@dataclass(frozen=True)
class Example:
    """One test case to draw: arrays ``[k, j, i]`` on one grid, and its mean Dice."""

    name: str
    image: NDArray[Any]
    geometry: Geometry
    reference: NDArray[Any]
    before: NDArray[Any]
    after: NDArray[Any]
    dice_before: float
    dice_after: float


def draw(
    path: Path,
    title: str,
    examples: Sequence[Example],
    class_names: Sequence[str],
    class_values: Sequence[int],
    modality: str,
    curves: dict[str, list[dict[str, float]]],
    before: Sequence[float],
    after: Sequence[float],
    footer: str,
) -> None:
    """Write the picture as PNG.

    Args:
        path: where.
        title: one line above everything.
        examples: the cases to draw, one row each.
        class_names: names in the order of `class_values`.
        class_values: values in the label maps.
        modality: of CT, the window is set to the labelled tissue.
        curves: training histories by name, each a list of ``{"seconds", "loss"}``.
        before: mean Dice of every test case with the first model.
        after: the same with the retrained model, same order.
        footer: one line below everything.
    """
    rows = len(examples)
    figure = plt.figure(figsize=(12.5, 2.7 * rows + 1.2), facecolor="white")
    top, bottom = 1 - 0.75 / figure.get_figheight(), 0.55 / figure.get_figheight()
    pictures = figure.add_gridspec(rows, 3, left=0.01, right=0.69, bottom=bottom, top=top, wspace=0.03, hspace=0.12)
    plots = figure.add_gridspec(2, 1, left=0.77, right=0.985, bottom=bottom + 0.03, top=top, hspace=0.42)
    for row, example in enumerate(examples):
        _draw_example(
            [figure.add_subplot(pictures[row, column]) for column in range(3)], example, class_values, modality
        )
    _draw_curves(figure.add_subplot(plots[0]), curves)
    _draw_pairs(figure.add_subplot(plots[1]), before, after)
    handles = [Line2D([], [], color=COLORS[i % len(COLORS)], lw=2, label=n) for i, n in enumerate(class_names)]
    line = 1 - 0.33 / figure.get_figheight()
    figure.legend(handles=handles, loc="center right", ncols=4, frameon=False, bbox_to_anchor=(0.99, line), fontsize=9)
    figure.text(0.01, line, title, fontsize=13, va="center")
    figure.text(0.01, 0.012, footer, fontsize=8, color="#444444")
    figure.savefig(path, dpi=110)
    plt.close(figure)


def _draw_example(axes: Sequence[Axes], example: Example, values: Sequence[int], modality: str) -> None:
    image, geometry = to_canonical(example.image, example.geometry)
    maps = [to_canonical(m, example.geometry)[0] for m in (example.reference, example.before, example.after)]
    shown = [_shown_by_slice(maps[0], a) for a in range(3)]
    axis = int(np.argmax([s.max() for s in shown]))
    index = int(np.argmax(shown[axis]))
    spacing = [s for a, s in enumerate(reversed(geometry.spacing)) if a != axis]
    window = _window(image, maps[0], modality)
    titles = (
        f"{example.name}, {VIEWS[axis]}: reference",
        f"before: mean Dice {example.dice_before:.3f}",
        f"after: mean Dice {example.dice_after:.3f}",
    )
    for ax, label, heading in zip(axes, maps, titles, strict=True):
        ax.imshow(
            np.take(image, index, axis),
            cmap="gray",
            vmin=window[0],
            vmax=window[1],
            aspect=spacing[0] / spacing[1],
            # Rows run to the head except in axial slices, where they run to the back as radiologists expect.
            origin="upper" if axis == 0 else "lower",
            interpolation="bilinear",
        )
        for number, value in enumerate(values):
            mask = np.take(label, index, axis) == value
            if mask.any():
                ax.contour(mask, levels=[0.5], colors=COLORS[number % len(COLORS)], linewidths=1.6)
        ax.set_title(heading, fontsize=9)
        ax.set_axis_off()


def _shown_by_slice(label: NDArray[Any], axis: int) -> NDArray[np.float64]:
    """How much of the labels each slice across `axis` shows; each class weighs alike, so that small ones are seen."""
    shown = np.zeros(label.shape[axis])
    for value in set(np.unique(label).tolist()) - {0}:
        in_slice = (label == value).sum(axis=tuple(a for a in range(3) if a != axis))
        shown += in_slice / np.count_nonzero(label == value)
    return shown


def _window(image: NDArray[Any], label: NDArray[Any], modality: str) -> tuple[float, float]:
    """Intensities drawn black and white."""
    if modality != "CT" or not label.any():
        low, high = np.percentile(image, (1, 99.5))
        return float(low), float(high)
    # From air to bone, soft tissue would be one grey.
    low, high = np.percentile(image[label > 0], (0.5, 99.5))
    return float(2 * low - high), float(2 * high - low)


def _draw_curves(ax: Axes, curves: dict[str, list[dict[str, float]]]) -> None:
    for name, history in curves.items():
        ax.plot([h["seconds"] for h in history], [h["loss"] for h in history], label=name, lw=1.4)
    ax.set_xlabel("seconds of training", fontsize=8)
    ax.set_ylabel("Unified Focal loss", fontsize=8)
    ax.set_title("Training", fontsize=9)
    ax.tick_params(labelsize=8)
    ax.legend(fontsize=8, frameon=False)
    ax.spines[["top", "right"]].set_visible(False)


def _draw_pairs(ax: Axes, before: Sequence[float], after: Sequence[float]) -> None:
    for b, a in zip(before, after, strict=True):
        ax.plot((0, 1), (b, a), color="#2a9d5c" if a >= b else "#c0392b", lw=1, alpha=0.6, marker="o", ms=3)
    ax.plot((0, 1), (np.mean(before), np.mean(after)), color="black", lw=2.5, marker="o", ms=6, label="mean")
    ax.set_xticks((0, 1), (f"before\n{np.mean(before):.3f}", f"after\n{np.mean(after):.3f}"), fontsize=8)
    ax.set_xlim(-0.25, 1.25)
    ax.set_ylabel("mean Dice of a test case", fontsize=8)
    ax.set_title(f"{len(before)} test cases that took no part", fontsize=9)
    ax.tick_params(labelsize=8)
    ax.legend(fontsize=8, frameon=False, loc="lower right")
    ax.spines[["top", "right"]].set_visible(False)
