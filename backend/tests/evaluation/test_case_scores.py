"""Every metric of a case, and the rule for empty masks."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from ufseg.errors import GeometryError, LabelError
from ufseg.evaluation.case_scores import score_case
from ufseg.evaluation.dice import dice_per_class
from ufseg.evaluation.metrics import METRICS
from ufseg.images.class_table import ClassTable
from ufseg.images.geometry import Geometry
from ufseg.images.image import LabelMap
from ufseg.images.reading import read_label_map

CLASSES = ClassTable.of({"organ": 1, "lesion": 4})
MAPS = npst.arrays(np.uint8, (3, 4, 5), elements=st.sampled_from([0, 0, 1, 4]))


def label_map(array: np.ndarray, spacing: tuple[float, ...] = (0.5, 1.0, 3.0)) -> LabelMap:
    """`spacing` is along i, j, k."""
    n = array.ndim
    return LabelMap(
        array.astype(np.uint8),
        Geometry(
            size=tuple(reversed(array.shape)),
            spacing=spacing[:n],
            origin=(0.0,) * n,
            direction=tuple(np.eye(n).reshape(-1)),
        ),
    )


def values(prediction: LabelMap, reference: LabelMap, name: str = "organ") -> dict[str, float | None]:
    return score_case(prediction, reference, CLASSES)[name].values


def test_by_hand() -> None:
    reference, prediction = np.zeros((2, 3, 4)), np.zeros((2, 3, 4))
    reference[0] = 1
    prediction[0, 1:] = 1  # 4 of 12 missed
    prediction[1, 0, 0] = 1  # 1 invented
    scores = values(label_map(prediction), label_map(reference))
    assert scores["dice"] == pytest.approx(2 * 8 / (9 + 12))
    assert scores["iou"] == pytest.approx(8 / 13)
    assert scores["precision"] == pytest.approx(8 / 9)
    assert scores["recall"] == pytest.approx(8 / 12)
    assert scores["volume_difference"] == pytest.approx(-3 * 0.5 * 1.0 * 3.0 / 1000)
    assert scores["relative_volume_difference"] == pytest.approx(-0.25)
    assert scores["absolute_relative_volume_difference"] == pytest.approx(0.25)


def test_distances_are_in_millimetres_along_the_right_axes() -> None:
    reference = np.zeros((12, 16, 20))
    reference[2:8, 4:12, 4:12] = 1
    for axis, millimetres in enumerate((3.0, 1.0, 0.5)):
        moved = label_map(np.roll(reference, 1, axis=axis))
        scores = score_case(moved, label_map(reference), CLASSES, {"organ": 0.9 * millimetres})["organ"].values
        assert scores["hd95"] == pytest.approx(millimetres)
        assert scores["surface_dice"] is not None
        assert scores["surface_dice"] < 1
        scores = score_case(moved, label_map(reference), CLASSES, {"organ": millimetres})["organ"].values
        assert scores["surface_dice"] == 1.0


def test_absent_from_both_is_not_counted() -> None:
    array = label_map(np.ones((2, 2, 2)))
    scores = score_case(array, array, CLASSES)["lesion"]
    assert scores.empty == "both"
    assert set(scores.values.values()) == {None}
    assert set(scores.values) == {metric.name for metric in METRICS}


@pytest.mark.parametrize("empty", ["prediction", "reference"])
def test_absent_from_one_gets_the_worst_value(empty: str) -> None:
    held, lacking = np.zeros((2, 3, 4)), np.zeros((2, 3, 4))
    held[0, 0, :2] = 1
    prediction, reference = (lacking, held) if empty == "prediction" else (held, lacking)
    scores = score_case(label_map(prediction), label_map(reference), CLASSES)["organ"]
    assert scores.empty == empty
    for name in ("dice", "iou", "precision", "recall", "surface_dice"):
        assert scores.values[name] == 0.0
    assert scores.values["hd95"] == pytest.approx(math.hypot(4 * 0.5, 3 * 1.0, 2 * 3.0))
    sign = -1 if empty == "prediction" else 1
    assert scores.values["volume_difference"] == pytest.approx(sign * 2 * 1.5 / 1000)
    assert scores.values["relative_volume_difference"] == (-1.0 if empty == "prediction" else None)
    assert scores.values["absolute_relative_volume_difference"] == (1.0 if empty == "prediction" else None)


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_a_volume_of_one_slice_is_measured_as_a_picture(axis: int) -> None:
    reference = np.zeros((12, 16))
    reference[2:9, 3:12] = 1
    prediction = np.roll(reference, 1, axis=0)
    prediction[4, 4] = 0
    flat = values(label_map(prediction, (0.5, 2.0)), label_map(reference, (0.5, 2.0)))
    thick = tuple(np.insert([0.5, 2.0], 2 - axis, 7.0))
    volume = values(
        label_map(np.expand_dims(prediction, axis), thick), label_map(np.expand_dims(reference, axis), thick)
    )
    for name in ("dice", "iou", "precision", "recall", "hd95", "surface_dice"):
        assert volume[name] == flat[name]
    assert flat["hd95"] == 2.0


def test_a_structure_within_one_slice_of_many_still_has_a_top() -> None:
    reference = np.zeros((5, 8, 8))
    reference[2, 2:6, 2:6] = 1
    moved = values(label_map(np.roll(reference, 1, axis=0)), label_map(reference))
    assert moved["hd95"] == 3.0
    assert values(label_map(reference), label_map(reference))["surface_dice"] == 1.0


@given(MAPS, MAPS)
@settings(max_examples=40, deadline=None)
def test_symmetry_translation_and_relabelling(a: np.ndarray, b: np.ndarray) -> None:
    there = score_case(label_map(a), label_map(b), CLASSES)
    back = score_case(label_map(b), label_map(a), CLASSES)
    wider = [(1, 1), (0, 3), (2, 0)]
    moved = score_case(label_map(np.pad(a, wider)), label_map(np.pad(b, wider)), CLASSES)
    renumbered = np.array([0, 200, 0, 0, 7], dtype=np.uint8)
    other = ClassTable.of({"lesion": 7, "organ": 200})
    renamed = score_case(label_map(renumbered[a]), label_map(renumbered[b]), other)
    dice = dice_per_class(label_map(a), label_map(b), CLASSES)
    for name in CLASSES.names:
        scores = there[name].values
        assert renamed[name] == there[name]
        assert scores["dice"] == (None if math.isnan(dice[name]) else dice[name])
        for symmetric in ("dice", "iou", "hd95", "surface_dice"):
            assert back[name].values[symmetric] == pytest.approx(scores[symmetric])
        assert back[name].values["precision"] == scores["recall"]
        if there[name].empty is None:
            assert moved[name].values == pytest.approx(scores)
        for metric in METRICS:
            value = scores[metric.name]
            assert value is None or metric.low <= value <= metric.high


def test_refuses_another_grid_and_unknown_values() -> None:
    array = np.ones((2, 2, 2))
    with pytest.raises(GeometryError, match="spacing"):
        score_case(label_map(array, (2.0, 1.0, 1.0)), label_map(array), CLASSES)
    with pytest.raises(LabelError, match="3"):
        score_case(label_map(array * 3), label_map(array), CLASSES)


def test_a_real_case(shared_data: Path) -> None:
    folder = shared_data / "hippocampus_mri" / "labels"
    if not folder.is_dir():
        pytest.skip(f"no {folder}")
    classes = ClassTable.of({"anterior": 1, "posterior": 2})
    reference = read_label_map(sorted(folder.iterdir())[0], classes)
    shifted = LabelMap(np.roll(reference.array, 1, axis=1), reference.geometry)
    assert not reference.array[:, -1].any()
    for name, scores in score_case(shifted, reference, classes).items():
        # A whole structure one voxel aside.
        assert scores.values["hd95"] == pytest.approx(reference.geometry.spacing[1])
        assert scores.values["surface_dice"] == 1.0
        assert scores.values["volume_difference"] == 0.0
        assert scores.values["dice"] == dice_per_class(shifted, reference, classes)[name]
        assert 0.7 < (scores.values["dice"] or 0) < 0.95
    for scores in score_case(shifted, reference, classes, {"anterior": 0.5, "posterior": 0.5}).values():
        assert 0.3 < (scores.values["surface_dice"] or 0) < 0.9
