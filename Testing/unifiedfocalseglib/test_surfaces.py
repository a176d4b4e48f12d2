"""Surfaces are those of Slicer's own conversion, and computing them keeps nobody waiting."""

from __future__ import annotations

import time
from dataclasses import replace

import numpy as np
import pytest
import slicer
import vtk
from vtk.util.numpy_support import vtk_to_numpy

from geometries import SYNTHETIC
from nodes import add_volume
from stalls import LONGEST_SECONDS
from UnifiedFocalSegLib.classes import read_classes
from UnifiedFocalSegLib.errors import OperationCancelled
from UnifiedFocalSegLib.logic import FocalSegLogic
from UnifiedFocalSegLib.scene import label_to_segmentation
from UnifiedFocalSegLib.surfaces import closed_surface

CLASSES = read_classes([{"value": value, "name": name} for value, name in ((1, "ball"), (3, "corner"), (4, "none"))])
SURFACE = "Closed surface"
FEWEST_ROUNDS = 15


@pytest.fixture
def logic(scene):
    """The logic without a backend, which surfaces do not need."""
    logic = FocalSegLogic()
    yield logic
    logic.close()


def balls(shape: tuple[int, int, int]) -> np.ndarray:
    k, j, i = np.indices(shape)
    middle = [n / 2 for n in shape]
    distance = sum(((a - m) / (0.3 * n)) ** 2 for a, m, n in zip((k, j, i), middle, shape, strict=True))
    label = (distance < 1).astype(np.uint8)
    label[:4, :5, :6] = 3  # cut by the border
    return label


def points(surface: vtk.vtkPolyData) -> np.ndarray:
    return vtk_to_numpy(surface.GetPoints().GetData())


def volume_of(surface: vtk.vtkPolyData) -> float:
    """Signed: negative if the triangles' outside is within."""
    triangles = vtk_to_numpy(surface.GetPolys().GetConnectivityArray()).reshape(-1, 3)
    a, b, c = (points(surface)[triangles[:, n]].astype(float) for n in range(3))
    return float(np.einsum("ij,ij->i", a, np.cross(b, c)).sum() / 6)


@pytest.mark.parametrize("kind", sorted(SYNTHETIC.keys() - {"single slice"}))
def test_they_are_slicers_own(logic, scene, kind):
    shape = (24, 30, 36)
    geometry = replace(SYNTHETIC[kind], size=shape[::-1])
    volume = add_volume(scene, np.zeros(shape, np.uint8), geometry)
    node, other = (label_to_segmentation(balls(shape), CLASSES, volume) for _ in range(2))
    assert logic.show_3d(node, wait=True).result is node
    other.CreateClosedSurfaceRepresentation()
    for index in range(2):
        mine, slicers = (n.GetSegmentation().GetNthSegment(index).GetRepresentation(SURFACE) for n in (node, other))
        assert mine.GetNumberOfPoints() == slicers.GetNumberOfPoints()
        np.testing.assert_allclose(points(mine), points(slicers), atol=1e-3)
        assert volume_of(mine) > 0, "the outside is outside, also on left-handed grids, where Slicer's is within"
        assert volume_of(mine) == pytest.approx(abs(volume_of(slicers)), rel=1e-3)
    assert node.GetSegmentation().GetNthSegment(2).GetRepresentation(SURFACE).GetNumberOfPoints() == 0
    assert node.GetDisplayNode().GetVisibility3D()


def test_the_gui_goes_on_meanwhile(logic, scene):
    shape = (96, 192, 192)
    volume = add_volume(scene, np.zeros(shape, np.uint8))
    node = label_to_segmentation(balls(shape), CLASSES, volume)
    operation = logic.show_3d(node)
    rounds, worst = 0, 0.0
    while operation.state == "running":
        begun = time.thread_time()
        logic.process_events()
        worst = max(worst, time.thread_time() - begun)
        rounds += 1
        time.sleep(0.002)
    assert operation.state == "succeeded", operation.error
    assert rounds > FEWEST_ROUNDS, "a conversion that holds Python's lock lets a handful through"
    assert worst < LONGEST_SECONDS


def test_what_is_painted_meanwhile_is_in_them(logic, scene):
    shape = (24, 30, 36)
    volume = add_volume(scene, np.zeros(shape, np.uint8))
    node = label_to_segmentation(balls(shape), CLASSES, volume)
    data = node.GetSegmentation()
    operation = logic.show_3d(node)
    layer = data.GetNthSegment(2).GetRepresentation("Binary labelmap")
    vtk_to_numpy(layer.GetPointData().GetScalars())[:] = 4
    layer.Modified()
    logic.wait(operation)
    assert data.GetNthSegment(0).GetRepresentation(SURFACE).GetNumberOfPoints() == 0
    assert data.GetNthSegment(2).GetRepresentation(SURFACE).GetNumberOfPoints() > 0


def test_hidden_before_they_were_there(logic, scene):
    volume = add_volume(scene, np.zeros((24, 30, 36), np.uint8))
    node = label_to_segmentation(balls((24, 30, 36)), CLASSES, volume)
    operation = logic.show_3d(node)
    logic.show_3d(node, False, wait=True)
    logic.wait(operation)
    assert not node.GetDisplayNode().GetVisibility3D()


def test_the_scene_closes_meanwhile(logic, scene):
    volume = add_volume(scene, np.zeros((24, 30, 36), np.uint8))
    node = label_to_segmentation(balls((24, 30, 36)), CLASSES, volume)
    operation = logic.show_3d(node)
    logic.scene_closing()
    scene.Clear(0)
    with pytest.raises(OperationCancelled):
        logic.wait(operation)


def test_nothing_is_made_of_nothing():
    layer = slicer.vtkOrientedImageData()
    layer.SetExtent(0, 3, 0, 3, 0, 3)
    layer.AllocateScalars(vtk.VTK_UNSIGNED_CHAR, 1)
    layer.GetPointData().GetScalars().Fill(0)
    assert closed_surface(layer, 1).GetNumberOfPoints() == 0
