"""Dice per class."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from ufseg.errors import GeometryError, LabelError
from ufseg.evaluation.dice import dice_per_class
from ufseg.images.class_table import ClassTable
from ufseg.images.geometry import Geometry
from ufseg.images.image import LabelMap

CLASSES = ClassTable.of({"organ": 1, "lesion": 4})


def label_map(array: np.ndarray, spacing: tuple[float, ...] = (1.0, 1.0, 1.0)) -> LabelMap:
    n = array.ndim
    size = tuple(reversed(array.shape))
    direction = tuple(np.eye(n).reshape(-1))
    return LabelMap(
        array.astype(np.uint8),
        Geometry(size=size, spacing=spacing[:n], origin=(0.0,) * n, direction=direction),
    )


def test_counts_voxels() -> None:
    reference = np.zeros((2, 3, 4))
    reference[0] = 1
    prediction = reference.copy()
    prediction[0, 0] = 0  # 4 of 12 missed
    prediction[1, 2, 0] = 4  # 1 invented
    scores = dice_per_class(label_map(prediction), label_map(reference), CLASSES)
    assert scores["organ"] == pytest.approx(2 * 8 / (8 + 12))
    assert scores["lesion"] == 0.0


def test_a_class_absent_from_both_is_not_counted() -> None:
    array = np.ones((2, 2, 2))
    assert math.isnan(dice_per_class(label_map(array), label_map(array), CLASSES)["lesion"])


@given(npst.arrays(np.uint8, (2, 3, 4), elements=st.sampled_from([0, 1, 4])))
def test_symmetric_and_perfect_for_equal_maps(array: np.ndarray) -> None:
    other = np.roll(array, 1, axis=2)
    there = dice_per_class(label_map(array), label_map(other), CLASSES)
    back = dice_per_class(label_map(other), label_map(array), CLASSES)
    same = dice_per_class(label_map(array), label_map(array), CLASSES)
    for name in CLASSES.names:
        assert there[name] == back[name] or math.isnan(there[name])
        assert math.isnan(same[name]) or same[name] == 1.0


def test_refuses_another_grid_and_unknown_values() -> None:
    array = np.ones((2, 2, 2))
    with pytest.raises(GeometryError, match="spacing"):
        dice_per_class(label_map(array, (2.0, 1.0, 1.0)), label_map(array), CLASSES)
    with pytest.raises(LabelError, match="3"):
        dice_per_class(label_map(array * 3), label_map(array), CLASSES)
