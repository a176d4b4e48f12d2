"""Nodes that tests put into the scene."""

from __future__ import annotations

import numpy as np
import slicer
import slicer.util

from UnifiedFocalSegLib.geometry import Geometry, to_vtk


def add_volume(scene, array: np.ndarray, geometry: Geometry | None = None, name: str = "volume"):
    """A scalar (or, for ``[k, j, i, c]``, vector) volume node on `geometry` (1 mm at the origin if None)."""
    kind = "vtkMRMLScalarVolumeNode" if array.ndim == 3 else "vtkMRMLVectorVolumeNode"
    node = scene.AddNewNodeByClass(kind, name)
    slicer.util.updateVolumeFromArray(node, array)
    if geometry is not None:
        node.SetIJKToRASMatrix(to_vtk(geometry.ijk_to_ras))
    return node


def paint(segmentation, volume, name: str, mask: np.ndarray) -> str:
    """Paint `mask` (``[k, j, i]`` on `volume`) as the segment `name`, made if it is missing, by Slicer's own call."""
    data = segmentation.GetSegmentation()
    segment = data.GetSegmentIdBySegmentName(name) or data.AddEmptySegment("", name)
    slicer.util.updateSegmentBinaryLabelmapFromArray(mask.astype(np.uint8), segmentation, segment, volume)
    return segment


def painted(segmentation, volume, name: str) -> np.ndarray:
    """Mask of the segment `name` on the grid of `volume`, by Slicer's own call."""
    segment = segmentation.GetSegmentation().GetSegmentIdBySegmentName(name)
    return slicer.util.arrayFromSegmentBinaryLabelmap(segmentation, segment, volume).astype(bool)


def add_segmentation(scene, volume, name: str = "by hand"):
    """An empty segmentation on the grid of `volume`."""
    node = scene.AddNewNodeByClass("vtkMRMLSegmentationNode", name)
    node.CreateDefaultDisplayNodes()
    node.SetReferenceImageGeometryParameterFromVolumeNode(volume)
    return node


def segment_names(segmentation) -> list[str]:
    """Names in the order of the segmentation."""
    data = segmentation.GetSegmentation()
    return [data.GetNthSegment(i).GetName() for i in range(data.GetNumberOfSegments())]
