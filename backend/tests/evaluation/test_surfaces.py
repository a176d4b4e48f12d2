"""Distances between surfaces."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst
from monai.metrics import compute_surface_dice
from scipy.spatial import KDTree

from ufseg.evaluation.surfaces import surface_distances

SPACINGS = st.tuples(*[st.sampled_from([0.3, 0.7, 1.0, 2.5])] * 2)
MASKS = npst.arrays(bool, (5, 6)).filter(np.any)


def box(shape: tuple[int, ...], start: Sequence[int], stop: Sequence[int]) -> np.ndarray:
    mask = np.zeros(shape, dtype=bool)
    mask[tuple(slice(a, b) for a, b in zip(start, stop, strict=True))] = True
    return mask


def ball(shape: tuple[int, ...], radius: float, spacing: Sequence[float]) -> np.ndarray:
    axes = np.ogrid[tuple(slice(0, n) for n in shape)]
    return sum(((x - (n - 1) / 2) * s) ** 2 for x, n, s in zip(axes, shape, spacing, strict=True)) <= radius**2


def outline_by_hand(mask: np.ndarray, spacing: Sequence[float]) -> tuple[np.ndarray, np.ndarray]:
    """Corners of pixels on the outline in mm, and the length there: a loop over corners with rules of its own."""
    padded = np.pad(mask, 1).astype(int)
    down, right = spacing
    points, lengths = [], []
    for j, i in itertools.product(range(mask.shape[0] + 1), range(mask.shape[1] + 1)):
        four = padded[j : j + 2, i : i + 2]
        inside = four.sum()
        if inside in (1, 3):
            length = math.hypot(down, right) / 2
        elif inside == 2:
            if four[0].sum() in (0, 2):
                length = right
            elif four[:, 0].sum() in (0, 2):
                length = down
            else:
                length = math.hypot(down, right)
        else:
            continue
        points.append((j * down, i * right))
        lengths.append(length)
    return np.array(points), np.array(lengths)


def brute_force(a: np.ndarray, b: np.ndarray, spacing: Sequence[float], tolerance: float) -> tuple[float, float]:
    """HD95 and surface Dice from all pairs of corners."""
    pa, la = outline_by_hand(a, spacing)
    pb, lb = outline_by_hand(b, spacing)
    pairs = np.sqrt(((pa[:, None] - pb[None]) ** 2).sum(-1))
    worst = 0.0
    for distances, lengths in ((pairs.min(1), la), (pairs.min(0), lb)):
        reached = [d for d in distances if lengths[distances <= d + 1e-9].sum() >= 0.95 * lengths.sum() - 1e-6]
        worst = max(worst, min(reached))
    near = la[pairs.min(1) <= tolerance].sum() + lb[pairs.min(0) <= tolerance].sum()
    return worst, near / (la.sum() + lb.sum())


@pytest.mark.parametrize(("axis", "steps"), [(0, 1), (0, 2), (1, 3), (2, 4)])
def test_a_shifted_box_is_as_far_as_it_was_shifted(axis: int, steps: int) -> None:
    spacing = (3.0, 1.0, 0.5)
    start, stop = np.array([4, 8, 8]), np.array([16, 24, 40])
    shift = steps * np.eye(3, dtype=int)[axis]
    shape = (24, 32, 48)
    distances = surface_distances(box(shape, start, stop), box(shape, start + shift, stop + shift), spacing)
    moved = steps * spacing[axis]
    assert distances.hausdorff(100) == pytest.approx(moved, abs=1e-12)
    assert distances.hausdorff(95) == pytest.approx(moved, abs=1e-12)
    assert distances.surface_dice(moved) == 1.0
    assert distances.surface_dice(0.99 * moved) < 1.0


@pytest.mark.parametrize(("down", "right"), [(1.0, 1.0), (3.0, 0.4)])
def test_surface_dice_of_a_longer_rectangle(down: float, right: float) -> None:
    rows, columns, longer = 7, 9, 4
    a = box((12, 20), (2, 2), (2 + rows, 2 + columns))
    b = box((12, 20), (2, 2), (2 + rows, 2 + columns + longer))
    corners = 2 * math.hypot(down, right)  # four halves of a pixel's diagonal
    side, top_a, top_b = (rows - 1) * down, (columns - 1) * right, (columns + longer - 1) * right
    total = (corners + 2 * side + 2 * top_a) + (corners + 2 * side + 2 * top_b)
    shared = (corners + side + 2 * top_a) + (corners / 2 + side + 2 * columns * right)
    distances = surface_distances(a, b, (down, right))
    assert distances.surface_dice(0.0) == pytest.approx(shared / total, rel=1e-6)
    assert distances.surface_dice(longer * right) == 1.0


@pytest.mark.parametrize("spacing", [(1.0, 1.0, 1.0), (2.0, 0.8, 0.8)])
def test_concentric_balls_lie_apart_by_the_difference_of_their_radii(spacing: tuple[float, ...]) -> None:
    shape = tuple(int(46 / s) for s in spacing)
    distances = surface_distances(ball(shape, 20, spacing), ball(shape, 14, spacing), spacing)
    step = max(spacing)
    assert distances.hausdorff(95) == pytest.approx(6, abs=step)
    assert distances.surface_dice(6 + step) == 1.0
    assert distances.surface_dice(6 - 1.5 * step) == 0.0
    # The steps of a grid make a surface larger than it is, by up to about a tenth.
    assert 4 * math.pi * 20**2 < distances.prediction_areas.sum() < 1.15 * 4 * math.pi * 20**2


def test_a_far_speck_counts_for_its_area_only() -> None:
    reference = box((40, 40), (2, 2), (30, 30))
    prediction = reference.copy()
    prediction[10, 37] = True
    distances = surface_distances(prediction, reference, (1, 1))
    assert distances.hausdorff(100) == 8.0
    assert distances.hausdorff(95) == 0.0
    sides = 4 * 27 + 2 * math.sqrt(2)
    assert distances.surface_dice(1.0) == pytest.approx(1 - 2 * math.sqrt(2) / (2 * sides + 2 * math.sqrt(2)))


def test_where_slices_are_thick_their_sides_weigh_more() -> None:
    # A plate of two slices of 10 mm, 10 × 10 mm wide: its sides are 800 mm² and its top and bottom 200 mm².
    plate = box((6, 14, 14), (2, 2, 2), (4, 12, 12))
    wider = box((6, 14, 14), (2, 0, 2), (4, 12, 12))
    areas = surface_distances(plate, plate, (10.0, 1.0, 1.0)).prediction_areas
    assert areas.sum() == pytest.approx(1000, rel=0.1)
    assert surface_distances(wider, plate, (10.0, 1.0, 1.0)).hausdorff(95) == 2.0


@given(MASKS, MASKS, SPACINGS, st.sampled_from([0.0, 0.71, 1.4, 2.6]))
@settings(max_examples=80, deadline=None)
def test_agrees_with_all_pairs_by_hand(a: np.ndarray, b: np.ndarray, spacing: tuple[float, float], t: float) -> None:
    distances = surface_distances(a, b, spacing)
    hd95, dice = brute_force(a, b, spacing, t + 1e-4)
    assert distances.hausdorff(95) == pytest.approx(hd95, abs=1e-9)
    assert distances.surface_dice(t) == pytest.approx(dice, abs=1e-6)


@pytest.mark.parametrize("seed", range(4))
def test_agrees_with_monai_in_three_dimensions(seed: int) -> None:
    rng = np.random.default_rng(seed)
    spacing = tuple(rng.choice([0.5, 0.9, 1.3, 3.1], 3))
    smooth = [ball((9, 10, 11), r, spacing) ^ (rng.random((9, 10, 11)) < 0.03) for r in (3.6, 4.1)]
    one_hot = [torch.from_numpy(np.stack([~m, m])[None]).float() for m in smooth]
    for tolerance in (0.21, 0.77, 1.51):
        theirs = compute_surface_dice(*one_hot, [tolerance], spacing=spacing, use_subvoxels=True)
        ours = surface_distances(smooth[0], smooth[1], spacing).surface_dice(tolerance)
        assert ours == pytest.approx(float(theirs), abs=1e-5)


def test_two_single_voxels_far_apart() -> None:
    a, b = box((4, 60, 5), (1, 3, 2), (2, 4, 3)), box((4, 60, 5), (1, 53, 2), (2, 54, 3))
    assert surface_distances(a, b, (3.0, 0.7, 0.9)).hausdorff(95) == pytest.approx(50 * 0.7)


@pytest.mark.parametrize("spacing", [(1.0, 1.0, 1.0), (3.0, 0.7, 0.9)])
@pytest.mark.parametrize("size", [2.5, 7.0])
def test_far_surfaces_are_measured_as_exactly(spacing: tuple[float, ...], size: float) -> None:
    # A small and a large structure around it, farther apart than the search for near surfaces reaches.
    shape = tuple(int(62 / s) for s in spacing)
    masks = ball(shape, size, spacing), ball(shape, 29, spacing)
    corners = []
    for mask in masks:
        padded = np.pad(mask, 1).astype(int)
        around = itertools.product((slice(0, -1), slice(1, None)), repeat=3)
        inside = sum(padded[part] for part in around)
        corners.append(np.argwhere((inside > 0) & (inside < 8)) * spacing)
    expected = max(KDTree(corners[1]).query(corners[0])[0].max(), KDTree(corners[0]).query(corners[1])[0].max())
    assert surface_distances(*masks, spacing).hausdorff(100) == pytest.approx(expected, abs=1e-3)


@given(MASKS, MASKS, SPACINGS, st.tuples(st.integers(0, 4), st.integers(0, 4)), st.sampled_from([0.25, 2.0, 8.0]))
@settings(max_examples=50, deadline=None)
def test_symmetry_and_invariance(
    a: np.ndarray, b: np.ndarray, spacing: tuple[float, float], shift: tuple[int, int], scale: float
) -> None:
    there = surface_distances(a, b, spacing)

    def assert_same(other_a: np.ndarray, other_b: np.ndarray, other: Sequence[float], factor: float = 1.0) -> None:
        moved = surface_distances(other_a, other_b, other)
        assert moved.hausdorff(95) == pytest.approx(factor * there.hausdorff(95))
        if factor == 1:
            assert moved.surface_dice(0.9) == pytest.approx(there.surface_dice(0.9))

    assert_same(b, a, spacing)
    padding = [(s, 5 - s) for s in shift]
    assert_same(np.pad(a, padding), np.pad(b, padding), spacing)
    assert_same(a[::-1], b[::-1], spacing)
    assert_same(a.T, b.T, spacing[::-1])
    assert_same(a, b, [scale * s for s in spacing], scale)
    same = surface_distances(a, a, spacing)
    assert (same.hausdorff(100), same.surface_dice(0)) == (0.0, 1.0)


def test_refuses_empty_masks_and_other_shapes() -> None:
    mask = np.ones((3, 3), dtype=bool)
    with pytest.raises(ValueError, match="empty"):
        surface_distances(mask, ~mask, (1, 1))
    with pytest.raises(ValueError, match="shapes"):
        surface_distances(mask, mask[:2], (1, 1))
    with pytest.raises(ValueError, match="shapes"):
        surface_distances(mask, mask, (1, 1, 1))
