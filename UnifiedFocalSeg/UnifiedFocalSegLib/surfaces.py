"""Surfaces of segments for 3D views, computed while the views stay usable."""

from __future__ import annotations

from typing import Any

import slicer
import vtk

from .case_nodes import check_present
from .operation import Control, Operation, Script
from .translation import tr as _

# As Slicer's own conversion does by default, so that its surfaces and these look the same.
# https://github.com/Slicer/Slicer/blob/main/Libs/vtkSegmentationCore/vtkBinaryLabelmapToClosedSurfaceConversionRule.cxx
_SMOOTHING = 0.5


def show_in_3d(node: Any, visible: bool = True) -> None:
    """Show what surfaces a segmentation has in 3D views, or hide them there."""
    display = node.GetDisplayNode()
    if display is not None:
        display.SetVisibility3D(visible)


class Surfaces:
    """The part of the logic that shows segmentations in 3D; a mixin of `FocalSegLogic`."""

    wanted_in_3d: dict[str, bool]

    def show_3d(self, segmentation: Any, visible: bool = True, *, wait: bool = False) -> Operation:
        """Show a segmentation in 3D views, or hide it there; result: the segmentation.

        Slicer computes surfaces on the GUI's thread, which stands still meanwhile: seconds for a large CT with many
        organs. Here another thread computes them. Later Slicer itself keeps them up to date.

        Args:
            segmentation: segmentation node.
            visible: whether to show or hide it.
            wait: block until done.
        """
        title = _("Show {segmentation} in 3D").format(segmentation=segmentation.GetName())
        self.wanted_in_3d[segmentation.GetID()] = visible

        def script() -> Script:
            if visible:
                yield from self._make_surfaces(segmentation, title)
            show_in_3d(segmentation, self.wanted_in_3d[segmentation.GetID()])  # it may have been hidden meanwhile
            return segmentation

        return self._run("show", title, script(), wait)

    def _make_surfaces(self, segmentation: Any, title: str) -> Script:
        """Give every segment a surface, unless there are some already, which Slicer keeps up to date."""
        data = segmentation.GetSegmentation()
        name = slicer.vtkSegmentationConverter.GetClosedSurfaceRepresentationName()
        binary = slicer.vtkSegmentationConverter.GetBinaryLabelmapRepresentationName()
        while not data.ContainsRepresentation(name) and data.GetSourceRepresentationName() == binary:
            drawn, copies, wanted = _stamp(data), {}, []
            for segment in _segments(data):
                layer = segment.GetRepresentation(binary)
                if layer not in copies:  # which may be painted on meanwhile; several segments may share it
                    copies[layer] = slicer.vtkOrientedImageData()
                    copies[layer].DeepCopy(layer)
                wanted.append((copies[layer], segment.GetLabelValue()))

            def compute(control: Control, wanted: list = wanted) -> list[vtk.vtkPolyData]:
                control.report(stage=_("Computing surfaces"))
                found = []
                for layer, value in wanted:
                    control.check()
                    found.append(closed_surface(layer, value))
                return found

            surfaces = yield self._step(compute)
            check_present([segmentation], title)
            if _stamp(data) == drawn:
                for segment, surface in zip(_segments(data), surfaces, strict=True):
                    segment.AddRepresentation(name, surface)
                return
        if not data.ContainsRepresentation(name):
            segmentation.CreateClosedSurfaceRepresentation()  # of something else than a label map


def closed_surface(layer: Any, value: int) -> vtk.vtkPolyData:
    """Surface of the voxels with a value, smoothed, in world coordinates; in any thread.

    Args:
        layer: vtkOrientedImageData of whole numbers, read only.
        value: of the segment.

    Returns:
        Triangles with normals that point outwards; empty if no voxel has the value.
    """
    extent = layer.GetExtent()
    image = vtk.vtkImageData()  # in voxels; the way into the world may be oblique and left-handed
    image.SetExtent(extent)
    image.GetPointData().SetScalars(layer.GetPointData().GetScalars())
    around = vtk.vtkImageConstantPad()  # or a segment at the border would be open there
    around.SetInputData(image)
    around.SetOutputWholeExtent([e + (-1, 1)[n % 2] for n, e in enumerate(extent)])
    edges = vtk.vtkDiscreteFlyingEdges3D()
    edges.SetInputConnection(around.GetOutputPort())
    edges.SetValue(0, value)
    edges.ComputeGradientsOff()
    edges.ComputeNormalsOff()
    edges.ComputeScalarsOff()
    smooth = vtk.vtkWindowedSincPolyDataFilter()
    smooth.SetInputConnection(edges.GetOutputPort())
    smooth.SetNumberOfIterations(int(20 + 40 * _SMOOTHING))
    smooth.SetPassBand(10 ** (-4 * _SMOOTHING))
    smooth.BoundarySmoothingOff()
    smooth.FeatureEdgeSmoothingOff()
    smooth.NonManifoldSmoothingOn()
    smooth.NormalizeCoordinatesOn()
    matrix = vtk.vtkMatrix4x4()
    layer.GetImageToWorldMatrix(matrix)
    to_world = vtk.vtkTransform()
    to_world.SetMatrix(matrix)
    placed = vtk.vtkTransformPolyDataFilter()
    placed.SetInputConnection(smooth.GetOutputPort())
    placed.SetTransform(to_world)
    last = placed
    if matrix.Determinant() < 0:  # a mirror turns the triangles inside out
        last = vtk.vtkReverseSense()
        last.SetInputConnection(placed.GetOutputPort())
        last.ReverseCellsOn()
    normals = vtk.vtkPolyDataNormals()
    normals.SetInputConnection(last.GetOutputPort())
    normals.ConsistencyOff()
    normals.SplittingOff()
    normals.Update()
    surface = vtk.vtkPolyData()
    surface.ShallowCopy(normals.GetOutput())
    return surface


def _segments(data: Any) -> list[Any]:
    return [data.GetNthSegment(index) for index in range(data.GetNumberOfSegments())]


def _stamp(data: Any) -> list[tuple[str, int]]:
    """What tells whether segments come, go or change."""
    binary = slicer.vtkSegmentationConverter.GetBinaryLabelmapRepresentationName()
    found = []
    for index in range(data.GetNumberOfSegments()):
        layer = data.GetNthSegment(index).GetRepresentation(binary)
        found.append((data.GetNthSegmentID(index), 0 if layer is None else layer.GetMTime()))
    return found
