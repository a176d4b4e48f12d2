"""Sizes of connected objects."""

from __future__ import annotations

import hypothesis.extra.numpy
import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from plan_cases import grid

from ufseg.images.class_table import ClassTable
from ufseg.images.image import LabelMap
from ufseg.plans.objects import ObjectSizes, dense_sizes, measure_objects, scattered_sizes

CLASSES = ClassTable.of({"organ": 1, "lesion": 200, "absent": 7})


def label_map(*boxes: tuple[int, tuple[slice, ...]], size: tuple[int, ...] = (12, 12, 12)) -> LabelMap:
    array = np.zeros(size, np.uint8)
    for value, box in boxes:
        array[box] = value
    return LabelMap(array, grid(size, (1.0,) * len(size)))


def test_objects_of_each_class_are_counted_apart() -> None:
    label = label_map(
        (1, np.s_[0:6, 0:6, 0:6]),
        (200, np.s_[8:9, 8:9, 8:9]),
        (200, np.s_[10:12, 8:10, 0:2]),
        (1, np.s_[11:, 11:, 11:]),
    )
    assert measure_objects(label, CLASSES) == {
        "lesion": ObjectSizes(count=2, smallest_voxels=1, median_voxels=4.5),
        "organ": ObjectSizes(count=2, smallest_voxels=1, median_voxels=108.5),
    }


def test_voxels_that_touch_at_a_corner_are_one_object_in_2d_too() -> None:
    label = label_map((1, np.s_[0:2, 0:2]), (1, np.s_[2:3, 2:3]), size=(5, 5))
    assert measure_objects(label, CLASSES)["organ"] == ObjectSizes(count=1, smallest_voxels=5, median_voxels=5)


def test_large_boxes_are_searched_in_part_and_cut_objects_do_not_count() -> None:
    label = label_map((1, np.s_[0:1, 0:1, 0:1]), (1, np.s_[2:12, 4:12, 4:12]), (200, np.s_[5:6, 0:2, 0:2]))
    found = measure_objects(label, CLASSES, most_work=4 + 6 * 144)
    assert found["lesion"] == ObjectSizes(count=1, smallest_voxels=4, median_voxels=4)
    assert found["organ"] == ObjectSizes(count=1, smallest_voxels=1, median_voxels=1, complete=False)
    assert "organ" not in measure_objects(label, CLASSES, most_work=4 + 143)


def test_nothing_labelled_has_no_objects() -> None:
    assert measure_objects(label_map(), CLASSES) == {}


@given(
    hypothesis.extra.numpy.arrays(bool, st.lists(st.integers(1, 9), min_size=2, max_size=3).map(tuple)),
)
def test_both_ways_of_searching_agree(mask: NDArray[np.bool_]) -> None:
    if mask.any():
        assert sorted(scattered_sizes(mask)) == sorted(dense_sizes(mask, cut=False))
