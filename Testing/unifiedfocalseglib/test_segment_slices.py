"""Offsets of slices that contain a segment."""

from __future__ import annotations

import numpy as np
import pytest
import slicer

from geometries import SYNTHETIC, grid
from nodes import add_segmentation, add_volume, paint
from UnifiedFocalSegLib.logic import FocalSegLogic
from UnifiedFocalSegLib.segment_slices import neighbour, occupied_offsets


def mask_of(shape, *voxels) -> np.ndarray:
    mask = np.zeros(shape, dtype=bool)
    for voxel in voxels:
        mask[voxel] = True
    return mask


@pytest.mark.parametrize("name", SYNTHETIC)
def test_offsets_are_the_centres_of_the_layers_on_every_grid(name):
    geometry = SYNTHETIC[name]
    shape = geometry.array_shape
    mask = mask_of(shape, (0, 1, 2), (shape[0] - 1, 3, 4))
    matrix = geometry.ijk_to_ras
    for axis in range(3):
        normal = matrix[:3, axis]
        offsets, step = occupied_offsets(mask, matrix, normal)
        wanted = sorted(dict.fromkeys(np.argwhere(mask)[:, 2 - axis].tolist()))
        unit = normal / np.linalg.norm(normal)
        points = np.zeros((len(wanted), 4))
        points[:, axis], points[:, 3] = wanted, 1
        np.testing.assert_allclose(offsets, np.sort(points @ matrix[:3].T @ unit), atol=1e-6)
        assert step == pytest.approx(geometry.spacing[axis])


def test_a_view_across_the_axes_stops_at_every_step_that_holds_a_voxel_centre():
    geometry = grid(np.eye(3), (1.0, 1.0, 2.0), size=(20, 20, 10))
    mask = mask_of(geometry.array_shape, (2, 5, 5), (8, 15, 15))
    normal = np.array([1.0, 1.0, 1.0])
    offsets, step = occupied_offsets(mask, geometry.ijk_to_ras, normal)
    centres = np.array([[5, 5, 2, 1], [15, 15, 8, 1]]) @ geometry.ijk_to_ras[:3].T @ (normal / np.sqrt(3))
    assert len(offsets) == 2
    assert (np.abs(np.sort(offsets) - np.sort(centres)) <= step / 2 + 1e-9).all()


def test_next_and_previous():
    offsets = np.array([-4.0, -2.0, 0.0, 6.0])
    assert neighbour(offsets, 2.0, 0.0, 1) == 6.0
    assert neighbour(offsets, 2.0, 0.9, 1) == 6.0
    assert neighbour(offsets, 2.0, 0.9, -1) == -2.0  # the slice at 0 is the one that is shown
    assert neighbour(offsets, 2.0, 6.0, 1) is None
    assert neighbour(offsets, 2.0, 3.0, -1) == 0.0
    assert neighbour(np.array([]), 2.0, 0.0, 1) is None


def test_slices_of_a_segment_under_a_transform(scene):
    geometry = SYNTHETIC["oblique, anisotropic, left-handed"]
    volume = add_volume(scene, np.zeros(geometry.array_shape, np.int16), geometry)
    node = add_segmentation(scene, volume)
    mask = mask_of(geometry.array_shape, (3, 4, 5))
    paint(node, volume, "tumour", mask)
    paint(node, volume, "other", ~mask)
    moved = scene.AddNewNodeByClass("vtkMRMLLinearTransformNode", "moved")
    matrix = np.eye(4)
    matrix[:3, 3] = (7.0, -3.0, 11.0)
    slicer.util.updateTransformMatrixFromArray(moved, matrix)
    for each in (volume, node):
        each.SetAndObserveTransformNodeID(moved.GetID())
    view = scene.AddNewNodeByClass("vtkMRMLSliceNode", "Red")
    view.SetOrientation("Axial")
    normal = [view.GetSliceToRAS().GetElement(row, 2) for row in range(3)]
    offsets, step = FocalSegLogic().slices_with(node, volume, "tumour", normal, wait=True).result
    where = matrix @ geometry.ijk_to_ras @ np.array([5, 4, 3, 1.0])
    assert len(offsets) == 1
    assert abs(offsets[0] - where[2]) <= step / 2 + 1e-6
    view.SetSliceOffset(offsets[0])
    assert view.GetSliceOffset() == pytest.approx(offsets[0])
