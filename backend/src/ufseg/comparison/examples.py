"""Example slices: the cases on which the losses differ most, and what each loss's model makes of them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ufseg.comparison.figures import COLOURS
from ufseg.errors import LabelError
from ufseg.images.case_files import CaseFiles
from ufseg.images.class_table import ClassTable
from ufseg.images.orientation import to_canonical
from ufseg.images.reading import read_whole_case
from ufseg.inference.predictor import Predictor
from ufseg.plans.plan import HuWindow, Plan

if TYPE_CHECKING:
    from matplotlib.axes import Axes

EXAMPLES = 4
COLUMNS = 5
PIXELS_PER_INCH = 130
NARROWEST, WIDEST = 2.5, 4.5
"""Inches of a panel."""
EXAMPLE_RULE = (
    "Chosen by rule, not by eye: the cases on which the losses' DSC (mean over classes, averaged over seeds) differ "
    "most between the best and the worst loss, and of each the slice that holds most of the reference, every class "
    "weighing the same. White: reference; coloured: the model of the first seed that was trained. DSC of the whole "
    "case over seeds."
)


def choose_examples(dice: Mapping[str, Mapping[str, float | None]], count: int = EXAMPLES) -> list[str]:
    """The cases with the largest difference between the best and the worst loss, the largest first.

    Args:
        dice: label of the loss → case → DSC; None where nothing was counted.
        count: of cases.
    """
    cases = next(iter(dice.values()), {})
    spreads: dict[str, float] = {}
    for case in cases:
        counted = [v for of_loss in dice.values() if (v := of_loss[case]) is not None]
        if counted:
            spreads[case] = max(counted) - min(counted)
    return sorted(spreads, key=lambda case: (-spreads[case], case))[:count]


class Example:
    """A case, and the slice of it that is shown; keeps of each prediction that slice only.

    Args:
        case: labelled.
        classes: of its label map.

    Attributes:
        predictions: label of the loss → ``[j, i]`` label values.

    Raises:
        UfsegError: the case cannot be read.
    """

    def __init__(self, case: CaseFiles, classes: ClassTable) -> None:
        self.case = case
        self.classes = classes
        self.predictions: dict[str, NDArray[Any]] = {}
        self._image, reference = read_whole_case(case, classes)
        if reference is None:
            raise LabelError(f"The case {case.id} has no label map. Label it first.")
        self._reference, self._grid = to_canonical(reference.array, self._image.geometry)
        self._plan: Plan | None = None
        self._number: int | None = fullest(self._reference) if self._reference.any() else None

    def add(self, label: str, predictor: Predictor) -> None:
        """Segment the case with a model; of a case without reference the first model decides about the slice."""
        predicted = predictor.predict(self._image)
        turned, _ = to_canonical(predicted.array, self._image.geometry)
        if self._number is None:
            self._number = fullest(turned)
        self._plan = predictor.description.plan
        self.predictions[label] = self._cut(turned).copy()

    @property
    def reference(self) -> NDArray[Any]:
        """``[j, i]`` label values."""
        return self._cut(self._reference)

    @property
    def aspect(self) -> float:
        """Height of a pixel over its width."""
        return self._grid.spacing[1] / self._grid.spacing[0]

    @property
    def picture(self) -> NDArray[np.float64]:
        """``[j, i]`` grey or ``[j, i, 3]``, 0 to 1: CT in the plan's window, colours as they are, else from the 0.5th
        to the 99.5th percentile of the slice; of several channels the first."""
        channels = self._cut(to_canonical(self._image.array, self._image.geometry)[0])
        if len(channels) == 3 and self._image.array.dtype == np.uint8:
            return np.moveaxis(channels, 0, -1) / 255.0
        values = channels[0].astype(np.float64)
        window = None if self._plan is None else self._plan.normalisation[0]
        low, high = (window.low, window.high) if isinstance(window, HuWindow) else np.percentile(values, (0.5, 99.5))
        return np.asarray(np.clip((values - low) / max(high - low, 1e-9), 0, 1))

    def _cut(self, array: NDArray[Any]) -> NDArray[Any]:
        return array if self._reference.ndim == 2 else array[..., self._number or 0, :, :]


def fullest(labels: NDArray[Any]) -> int:
    """The slice ``k`` of ``[k, j, i]`` label values that holds most of them, every class weighing the same; the middle
    one if there are none, 0 for ``[j, i]``."""
    if labels.ndim == 2:
        return 0
    share = np.zeros(labels.shape[0])
    for value in np.unique(labels[labels > 0]):
        counts = np.count_nonzero(labels == value, axis=(1, 2))
        share += counts / counts.sum()
    return int(np.argmax(share)) if share.any() else labels.shape[0] // 2


def draw(path: Path, example: Example, title: str, dice: Mapping[str, float | None]) -> None:
    """The image alone, then a panel a loss with its contours over the reference's.

    Args:
        path: .png, .svg or .pdf.
        example: what to draw, with predictions.
        title: of the figure.
        dice: label of the loss → DSC of the case, in the order of the panels.

    Raises:
        OSError: the file cannot be written.
    """
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D

    labels, classes = list(dice), example.classes
    columns = min(COLUMNS, len(labels) + 1)
    rows = -(-(len(labels) + 1) // columns)
    height, width = example.reference.shape
    # Large pictures get more room and thinner lines, so that thin structures stay visible.
    wide = min(max(width / PIXELS_PER_INCH, NARROWEST), WIDEST)
    tall = wide * min(max(height * example.aspect / width, 0.4), 2.0)
    line = min(max(72 * wide / width, 0.5), 1.5)
    figure = Figure(figsize=(wide * columns, rows * (tall + 0.35) + 0.5), layout="constrained")
    panels = list(figure.subplots(rows, columns, squeeze=False).flat)
    for axes in panels:
        axes.set_axis_off()
    _show(panels[0], example)
    panels[0].set_title("image", fontsize=7)
    for axes, label in zip(panels[1:], labels, strict=False):
        _show(axes, example)
        for entry, colour in zip(classes.entries, _colours(len(classes.entries)), strict=True):
            # Edged in black, to be seen on bright tissue.
            _contour(axes, example.reference == entry.value, "black", 1.7 * line)
            _contour(axes, example.reference == entry.value, "white", line)
            _contour(axes, example.predictions[label] == entry.value, colour, 0.75 * line)
        score = dice.get(label)
        shown = "not counted" if score is None else f"DSC {score:.3f}"
        axes.set_title(f"{label}\n{shown}".replace("$", r"\$"), fontsize=7)
    handles = [Line2D([], [], color="#dddddd", linewidth=2, label="reference")]
    for entry, colour in zip(classes.entries, _colours(len(classes.entries)), strict=True):
        handles.append(Line2D([], [], color=colour, label=entry.name.replace("$", r"\$")))
    figure.suptitle(title.replace("$", r"\$"), fontsize=9)
    figure.legend(handles=handles, loc="outside lower center", ncols=len(handles), fontsize=7, facecolor="#777777")
    figure.savefig(path, dpi=150)


def _show(axes: Axes, example: Example) -> None:
    axes.imshow(example.picture, cmap="gray", vmin=0, vmax=1, aspect=example.aspect, interpolation="nearest")


def _contour(axes: Axes, mask: NDArray[np.bool_], colour: str, width: float) -> None:
    if mask.any():
        # Padded, so that what the image cuts off is closed at its edge.
        padded = np.pad(mask, 1).astype(np.float64)
        rows, columns = np.arange(-1, mask.shape[0] + 1), np.arange(-1, mask.shape[1] + 1)
        axes.contour(columns, rows, padded, levels=[0.5], colors=[colour], linewidths=width)
        axes.set_xlim(-0.5, mask.shape[1] - 0.5)
        axes.set_ylim(mask.shape[0] - 0.5, -0.5)


def _colours(count: int) -> list[str]:
    bright = (COLOURS[4], COLOURS[5], COLOURS[3], COLOURS[2], COLOURS[1], COLOURS[0])
    return [bright[n % len(bright)] for n in range(count)]
