"""Dice similarity coefficient per class."""

from __future__ import annotations

import math

from ufseg.images.class_table import ClassTable
from ufseg.images.image import LabelMap


def dice_per_class(prediction: LabelMap, reference: LabelMap, classes: ClassTable) -> dict[str, float]:
    """2·|P ∩ R| / (|P| + |R|) of every class.

    The rule for empty masks: a class that neither map holds is **not counted** (nan), for there is nothing to find;
    a class that only one of them holds scores 0.

    Args:
        prediction: label map with the table's values.
        reference: label map with the table's values on the same grid.
        classes: the classes to score.

    Returns:
        Class name → Dice in 0..1, or nan where the class is not counted.

    Raises:
        GeometryError: the grids differ.
        LabelError: a map holds a value that no class has.
    """
    prediction.geometry.require_same(
        reference.geometry, "The prediction", "the reference", "Compare label maps of the same image."
    )
    classes.check_values(prediction.values(), "The prediction")
    classes.check_values(reference.values(), "The reference")
    scores = {}
    for entry in classes.entries:
        predicted = prediction.array == entry.value
        wanted = reference.array == entry.value
        total = int(predicted.sum()) + int(wanted.sum())
        scores[entry.name] = 2.0 * int((predicted & wanted).sum()) / total if total else math.nan
    return scores
