"""What is left of a structure's shape on coarser grids."""

from __future__ import annotations

import numpy as np
import pytest

from ufseg.images.class_table import ClassTable
from ufseg.images.geometry import Geometry
from ufseg.images.image import LabelMap
from ufseg.plans.detail import FACTORS, coarser, measure_detail

CLASSES = ClassTable.of({"ball": 1, "wire": 4, "absent": 9})


def _label(shape: tuple[int, int, int] = (40, 40, 40)) -> LabelMap:
    array = np.zeros(shape, np.uint8)
    k, j, i = np.indices(shape)
    array[(k - 20) ** 2 + (j - 20) ** 2 + (i - 20) ** 2 <= 12**2] = 1
    array[5:35, 3, 3] = 4
    grid = Geometry(size=shape[::-1], spacing=(1, 1, 1), origin=(0, 0, 0), direction=(1, 0, 0, 0, 1, 0, 0, 0, 1))
    return LabelMap(array, grid)


def test_a_ball_survives_and_a_wire_does_not() -> None:
    found = measure_detail(_label(), CLASSES, (1.0, 1.0, 1.0))
    assert set(found) == {"ball", "wire"}
    assert len(found["ball"]) == len(FACTORS)
    assert found["ball"][1] > 0.95
    assert found["wire"][1] < 0.5
    assert min(found["ball"]) > 0.9


def test_thick_slices_are_not_made_thicker_before_the_pixels_are_as_coarse() -> None:
    assert coarser((5.0, 1.0, 1.0), 3.0) == (5.0, 3.0, 3.0)
    assert coarser((2.0, 1.0, 1.0), 3.0) == (3.0, 3.0, 3.0)
    # A plate in one thick slice keeps its shape: along the slices nothing is averaged.
    array = np.zeros((6, 60, 60), np.uint8)
    array[3, 10:50, 10:50] = 1
    grid = Geometry(size=(60, 60, 6), spacing=(1, 1, 9), origin=(0, 0, 0), direction=(1, 0, 0, 0, 1, 0, 0, 0, 1))
    label = LabelMap(array, grid)
    assert measure_detail(label, CLASSES, (9.0, 1.0, 1.0))["ball"][-1] > 0.9
    assert measure_detail(label, CLASSES, (1.0, 1.0, 1.0))["ball"][-1] < 0.5


def test_of_large_structures_the_middle_slices_are_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = measure_detail(_label(), CLASSES, (1.0, 1.0, 1.0))
    monkeypatch.setattr("ufseg.plans.detail.MOST_VOXELS", 4000)
    part = measure_detail(_label(), CLASSES, (1.0, 1.0, 1.0))
    assert set(part) == set(whole)
    assert part["wire"] == whole["wire"]
    assert part["ball"][0] > 0.9
