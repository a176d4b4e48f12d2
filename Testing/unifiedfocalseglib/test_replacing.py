"""A new result in a segmentation that exists: nothing is lost, and nothing takes long."""

from __future__ import annotations

import time

import numpy as np
import pytest
import slicer

from nodes import add_volume, painted, segment_names
from stalls import LONGEST_SECONDS
from UnifiedFocalSegLib.classes import check_values, read_classes
from UnifiedFocalSegLib.errors import SceneError
from UnifiedFocalSegLib.replacing import keep_copy, replace_content
from UnifiedFocalSegLib.scene import label_to_segmentation

CLASSES = read_classes([{"value": value, "name": f"class {value}"} for value in range(1, 9)])
SHAPE = (128, 256, 256)


def label_map(seed: int) -> np.ndarray:
    label = np.zeros(SHAPE, np.uint8)
    label[40:60, 60:120, 60:120] = np.random.default_rng(seed).integers(0, 9, (20, 60, 60))
    return label


def test_eight_classes_of_a_large_volume_are_replaced_at_once(scene):
    volume = add_volume(scene, np.zeros(SHAPE, np.uint8), name="large")
    before, after = label_map(0), label_map(1)
    node = label_to_segmentation(before, CLASSES, volume, checked=True)
    removed = []
    node.GetSegmentation().AddObserver(
        slicer.vtkSegmentation.SegmentRemoved, lambda *_: removed.append(None)
    )  # by that Slicer's tables and its data tree know
    begun = time.thread_time()
    kept = keep_copy(node)
    replace_content(node, after, CLASSES, volume)
    assert time.thread_time() - begun < LONGEST_SECONDS
    assert len(removed) == len(CLASSES)
    assert segment_names(node) == segment_names(kept) == [c.name for c in CLASSES]
    for entry in CLASSES[::3]:
        np.testing.assert_array_equal(painted(kept, volume, entry.name), before == entry.value)
        np.testing.assert_array_equal(painted(node, volume, entry.name), after == entry.value)


def test_a_label_map_of_another_shape_changes_nothing(scene):
    volume = add_volume(scene, np.zeros((4, 5, 6), np.uint8))
    node = label_to_segmentation(np.full((4, 5, 6), 3, np.uint8), CLASSES, volume)
    with pytest.raises(SceneError, match=r"has the shape \(6, 5, 4\)"):
        replace_content(node, np.zeros((6, 5, 4), np.uint8), CLASSES, volume)
    assert painted(node, volume, "class 3").all()


def test_values_without_a_class_are_named():
    label = np.zeros((4, 5, 6), np.uint8)
    label[0, 0, 0], label[3, 0, 0] = 8, 200
    with pytest.raises(SceneError, match=r"holds the values \[200\]"):
        check_values(label, CLASSES)
    with pytest.raises(SceneError, match="must be uint8, not int16"):
        check_values(label.astype(np.int16), CLASSES)
    label[3, 0, 0] = 0
    check_values(label, CLASSES)
