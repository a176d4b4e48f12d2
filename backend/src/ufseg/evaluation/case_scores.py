"""Every metric of one case."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict
from scipy import ndimage

from ufseg.evaluation.metrics import (
    ABSOLUTE_RELATIVE_VOLUME_DIFFERENCE,
    DEFAULT_TOLERANCE,
    DICE,
    HD95,
    IOU,
    METRICS,
    PRECISION,
    RECALL,
    RELATIVE_VOLUME_DIFFERENCE,
    SURFACE_DICE,
    VOLUME_DIFFERENCE,
    Empty,
)
from ufseg.evaluation.surfaces import surface_distances
from ufseg.images.class_table import ClassTable
from ufseg.images.geometry import Geometry
from ufseg.images.image import LabelMap

Box = tuple[slice, ...]


class ClassScores(BaseModel):
    """Scores of one class in one case.

    Args:
        values: metric name → value; None where it is not counted.
        empty: which mask is empty, None if both hold voxels.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    values: dict[str, float | None]
    empty: Empty | None


CaseResults = Mapping[str, Mapping[str, ClassScores]]
"""Case id → class name → scores."""


def score_case(
    prediction: LabelMap,
    reference: LabelMap,
    classes: ClassTable,
    tolerances: Mapping[str, float] | None = None,
) -> dict[str, ClassScores]:
    """Compare two label maps by every metric of `metrics.METRICS`, with the rule for empty masks stated there.

    With P the predicted and R the reference voxels of a class: DSC 2·|P ∩ R| / (|P| + |R|), IoU |P ∩ R| / |P ∪ R|,
    precision |P ∩ R| / |P|, recall |P ∩ R| / |R|, HD95 and surface Dice as in `surfaces`, volume difference V(P) − V(R)
    in ml (2D: square centimetres) and divided by V(R). Spacing is the reference's.

    Args:
        prediction: label map with the table's values.
        reference: label map with the table's values on the same grid.
        classes: the classes to score.
        tolerances: class name → tolerance of its surface Dice in millimetres; `DEFAULT_TOLERANCE` for the others.

    Returns:
        Class name → scores.

    Raises:
        GeometryError: the grids differ.
        LabelError: a map holds a value that no class has.
    """
    prediction.geometry.require_same(
        reference.geometry, "The prediction", "the reference", "Compare label maps of the same image."
    )
    classes.check_values(prediction.values(), "The prediction")
    classes.check_values(reference.values(), "The reference")
    largest = max(classes.values)
    predicted_boxes = _boxes(prediction.array, largest)
    reference_boxes = _boxes(reference.array, largest)
    scores = {}
    for entry in classes.entries:
        box = _union(predicted_boxes[entry.value - 1], reference_boxes[entry.value - 1])
        tolerance = (tolerances or {}).get(entry.name, DEFAULT_TOLERANCE)
        if box is None:
            scores[entry.name] = ClassScores(values={metric.name: None for metric in METRICS}, empty="both")
        else:
            predicted: NDArray[np.bool_] = prediction.array[box] == entry.value
            wanted: NDArray[np.bool_] = reference.array[box] == entry.value
            scores[entry.name] = _score(predicted, wanted, reference.geometry, tolerance)
    return scores


def _score(
    predicted: NDArray[np.bool_], wanted: NDArray[np.bool_], geometry: Geometry, tolerance: float
) -> ClassScores:
    """Scores of two masks, cropped, of which at least one holds voxels."""
    p, r = int(np.count_nonzero(predicted)), int(np.count_nonzero(wanted))
    both = int(np.count_nonzero(predicted & wanted))
    empty: Empty | None = "prediction" if not p else "reference" if not r else None
    if empty is None:
        spacing = tuple(reversed(geometry.spacing))
        flat = _flat_axis(geometry)
        if flat is not None:
            # The image is a single slice: its thickness is no part of the outline.
            predicted, wanted = predicted.squeeze(flat), wanted.squeeze(flat)
            spacing = spacing[:flat] + spacing[flat + 1 :]
        distances = surface_distances(predicted, wanted, spacing)
        hd95, surface_dice = distances.hausdorff(95.0), distances.surface_dice(tolerance)
    else:
        hd95, surface_dice = diagonal(geometry), 0.0
    relative = (p - r) / r if r else None
    values = {
        DICE.name: 2.0 * both / (p + r),
        IOU.name: both / (p + r - both),
        PRECISION.name: both / p if p else 0.0,
        RECALL.name: both / r if r else 0.0,
        HD95.name: hd95,
        SURFACE_DICE.name: surface_dice,
        VOLUME_DIFFERENCE.name: (p - r) * geometry.voxel_ml,
        RELATIVE_VOLUME_DIFFERENCE.name: relative,
        ABSOLUTE_RELATIVE_VOLUME_DIFFERENCE.name: None if relative is None else abs(relative),
    }
    return ClassScores(values=values, empty=empty)


def diagonal(geometry: Geometry) -> float:
    """Length of the image's diagonal from outer corner to outer corner, in millimetres."""
    return float(np.linalg.norm(np.multiply(geometry.size, geometry.spacing)))


def _flat_axis(geometry: Geometry) -> int | None:
    """Array axis along which a volume has a single slice."""
    shape = geometry.array_shape
    return shape.index(1) if len(shape) == 3 and 1 in shape else None


def _boxes(array: NDArray[Any], largest: int) -> list[Box | None]:
    """Box around each value 1, 2, …, `largest`; None where it does not occur."""
    return list(ndimage.find_objects(array, largest))


def _union(first: Box | None, second: Box | None) -> Box | None:
    """The box around both."""
    if first is None or second is None:
        return first or second
    return tuple(slice(min(a.start, b.start), max(a.stop, b.stop)) for a, b in zip(first, second, strict=True))
