"""The annotated region of a correction."""

from __future__ import annotations

import numpy as np
import pytest
import slicer

from geometries import SYNTHETIC, grid
from nodes import add_volume
from UnifiedFocalSegLib.errors import SceneError
from UnifiedFocalSegLib.geometry import to_vtk
from UnifiedFocalSegLib.regions import add_roi, plane_names, roi_region, slices_region

BOX = ((2, 3, 1), (9, 8, 6))


@pytest.mark.parametrize("name", [n for n in SYNTHETIC if n != "single slice"])
def test_a_region_of_interest_holds_the_voxels_it_was_made_for(scene, name):
    geometry = SYNTHETIC[name]
    volume = add_volume(scene, np.zeros(geometry.array_shape, np.int16), geometry)
    roi = add_roi(volume, BOX)
    assert roi_region(roi, volume) == {"start": list(BOX[0]), "stop": list(BOX[1])}
    assert roi_region(add_roi(volume), volume) == {"start": [0, 0, 0], "stop": list(geometry.size)}


def test_volume_and_region_moved_together_and_apart(scene):
    geometry = SYNTHETIC["oblique"]
    volume = add_volume(scene, np.zeros(geometry.array_shape, np.int16), geometry)
    moved = scene.AddNewNodeByClass("vtkMRMLLinearTransformNode", "moved")
    matrix = np.eye(4)
    matrix[:3, :3] = [[0, -1, 0], [1, 0, 0], [0, 0, 1]]
    matrix[:3, 3] = (100, -20, 3)
    slicer.util.updateTransformMatrixFromArray(moved, matrix)
    volume.SetAndObserveTransformNodeID(moved.GetID())
    roi = add_roi(volume, BOX)
    assert roi_region(roi, volume) == {"start": list(BOX[0]), "stop": list(BOX[1])}
    volume.SetAndObserveTransformNodeID(None)
    with pytest.raises(SceneError, match=r"holds no voxel of volume|turned against the axes"):
        roi_region(roi, volume)


def test_a_turned_region_is_refused_with_the_numbers(scene):
    volume = add_volume(scene, np.zeros((20, 20, 20), np.int16))
    roi = scene.AddNewNodeByClass("vtkMRMLMarkupsROINode", "by hand")
    roi.SetSize(10, 10, 10)
    turn = np.eye(4)
    turn[:2, :2] = [[0.8, -0.6], [0.6, 0.8]]
    turn[:3, 3] = 10
    roi.SetAndObserveObjectToNodeMatrix(to_vtk(turn))
    with pytest.raises(SceneError, match=r"by hand is turned against the axes of volume.*up to \d+\.\d voxels"):
        roi_region(roi, volume)


def test_a_region_that_reaches_beyond_the_volume_is_cut(scene):
    volume = add_volume(scene, np.zeros((10, 10, 10), np.int16))
    roi = scene.AddNewNodeByClass("vtkMRMLMarkupsROINode", "large")
    roi.SetSize(100, 100, 4)
    roi.SetCenter(0, 0, 0)
    assert roi_region(roi, volume) == {"start": [0, 0, 0], "stop": [10, 10, 3]}


def test_slices():
    geometry = grid(np.eye(3), size=(14, 11, 9))
    assert slices_region(geometry, 2, 3, 5) == {"start": [0, 0, 3], "stop": [14, 11, 6]}
    assert slices_region(geometry, 0, 5, 5) == {"start": [5, 0, 0], "stop": [6, 11, 9]}
    with pytest.raises(SceneError, match="slices 0 to 8"):
        slices_region(geometry, 2, 3, 9)


def test_planes_are_named_after_the_patient():
    assert plane_names(grid(np.eye(3))) == ("sagittal", "coronal", "axial")
    assert plane_names(SYNTHETIC["axes permuted (sagittal)"]) == ("coronal", "axial", "sagittal")
    assert sorted(plane_names(SYNTHETIC["oblique, anisotropic, left-handed"])) == ["axial", "coronal", "sagittal"]
