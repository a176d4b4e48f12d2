"""Volumes, overlap and differences of label maps."""

from __future__ import annotations

import numpy as np
import pytest

from UnifiedFocalSegLib.classes import read_classes
from UnifiedFocalSegLib.comparison import changed_box, gained_and_lost, measure
from UnifiedFocalSegLib.labels import KnownLabels

CLASSES = read_classes([{"name": "a", "value": 3}, {"name": "b", "value": 7}, {"name": "absent", "value": 5}])


def labels(seed: int) -> np.ndarray:
    return np.array([0, 3, 7], np.uint8)[np.random.default_rng(seed).integers(0, 3, (9, 10, 11))]


def test_measures_are_those_counted_one_by_one():
    now, before = labels(1), labels(2)
    for entry, found in zip(CLASSES, measure(now, before, CLASSES, 2.5), strict=True):
        one, two = now == entry.value, before == entry.value
        assert found.voxels == one.sum()
        assert found.millilitres == pytest.approx(one.sum() * 2.5 / 1000)
        assert (found.added, found.removed) == ((one & ~two).sum(), (two & ~one).sum())
        if entry.name == "absent":
            assert found.dice is None
        else:
            assert found.dice == pytest.approx(2 * (one & two).sum() / (one.sum() + two.sum()))


def test_more_voxels_than_are_counted_at_once():
    now = np.full((70, 80, 90), 3, np.uint8)
    now[-1] = 7
    a, _absent, b = measure(now, now, CLASSES, 1.0)
    assert (a.voxels, b.voxels) == (69 * 80 * 90, 80 * 90)
    assert (a.dice, b.dice, a.added, b.removed) == (1.0, 1.0, 0, 0)


def test_nothing_to_compare_with():
    found = measure(labels(1), None, CLASSES, 1.0)[0]
    assert (found.dice, found.added, found.removed) == (None, None, None)


def test_changed_box_holds_all_changes_and_nothing_else():
    before = labels(3)
    now = before.copy()
    assert changed_box(now, before) is None
    now[2, 3, 4] = 3 if now[2, 3, 4] != 3 else 0
    now[5, 1, 9] = 7 if now[5, 1, 9] != 7 else 0
    assert changed_box(now, before) == ((4, 1, 2), (10, 4, 6))


def test_a_voxel_that_changes_its_class_is_gained_by_one_and_lost_by_the_other():
    before, now = np.zeros((1, 1, 3), np.uint8), np.zeros((1, 1, 3), np.uint8)
    before[0, 0], now[0, 0] = (3, 3, 0), (7, 3, 7)
    gained, lost = gained_and_lost(now, before)
    assert gained.ravel().tolist() == [7, 0, 7]
    assert lost.ravel().tolist() == [3, 0, 0]


def test_known_labels_are_the_newest():
    known = KnownLabels()
    for number in range(40):
        known.remember(f"{number}", np.full((2, 3, 4), number, np.uint8))
    assert known.get("0") is None
    assert known.get(None) is None
    np.testing.assert_array_equal(known.get("39"), np.full((2, 3, 4), 39))
