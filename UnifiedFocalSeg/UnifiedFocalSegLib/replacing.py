"""Putting a new result into a segmentation that exists, without losing what was in it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import slicer

from .case_nodes import BASE, CASE, IMAGE_ROLE, MODEL_VERSION, PREDICTION, REVISION, TASK
from .classes import SegmentClass
from .errors import SceneError
from .scene import add_layer, check_shape, place_beside
from .translation import tr as _

_PROVENANCE = (TASK, CASE, MODEL_VERSION, REVISION, PREDICTION, BASE)


def check_output(output) -> None:
    """Raise SceneError unless a result can be put into the node."""
    if not output.IsA("vtkMRMLSegmentationNode"):
        raise SceneError(
            _("{node} is a {kind}, not a segmentation. Choose a segmentation, or none to have a new one made.").format(
                node=output.GetName(), kind=output.GetNodeTagName()
            )
        )


def keep_copy(segmentation):
    """A copy of a segmentation, hidden in the views, to which the user can go back.

    It is listed like any other segmentation and saved with the scene.

    Returns:
        The new vtkMRMLSegmentationNode, ``"<name> before"``, made unique; None if there was nothing to keep.
    """
    data = segmentation.GetSegmentation()
    if data.GetNumberOfSegments() == 0:
        return None
    scene = segmentation.GetScene()
    name = _("{segmentation} before").format(segmentation=segmentation.GetName())
    copy = scene.AddNewNodeByClass("vtkMRMLSegmentationNode", scene.GenerateUniqueName(name))
    copy.GetSegmentation().DeepCopy(data)
    for name in _PROVENANCE:
        copy.SetAttribute(name, segmentation.GetAttribute(name))
    for role in (IMAGE_ROLE, type(segmentation).GetReferenceImageGeometryReferenceRole()):
        for index in range(segmentation.GetNumberOfNodeReferences(role)):
            copy.SetNthNodeReferenceID(role, index, segmentation.GetNthNodeReferenceID(role, index))
    copy.SetAndObserveTransformNodeID(segmentation.GetTransformNodeID())
    copy.CreateDefaultDisplayNodes()
    copy.GetDisplayNode().SetVisibility(False)
    place_beside(copy, segmentation)
    return copy


def replace_content(output, label: np.ndarray, classes: Sequence[SegmentClass], volume) -> None:
    """Put a label map into a segmentation in place of all that it holds; see `keep_copy`.

    Args:
        output: vtkMRMLSegmentationNode; its name, display and place in the hierarchy stay.
        label: class values, uint8 ``[k, j, i]`` on the grid of `volume`, looked at with `check_values` already.
        classes: those of the task.
        volume: becomes the reference volume, and gives the parent transform.

    Raises:
        SceneError: the label map has another shape; nothing was changed then.
    """
    geometry = check_shape(label, volume)
    data = output.GetSegmentation()
    for index in range(data.GetNumberOfSegments()):
        # Removed with its label map, each segment would be erased from all those that share it, voxel by voxel.
        data.GetNthSegment(index).RemoveAllRepresentations()
    data.RemoveAllSegments()
    data.SetSourceRepresentationName(slicer.vtkSegmentationConverter.GetBinaryLabelmapRepresentationName())
    output.SetReferenceImageGeometryParameterFromVolumeNode(volume)
    output.SetAndObserveTransformNodeID(volume.GetTransformNodeID())
    add_layer(output, label, classes, geometry)
    for name in _PROVENANCE:
        output.RemoveAttribute(name)
    output.RemoveNodeReferenceIDs(IMAGE_ROLE)
    output.CreateDefaultDisplayNodes()
    output.GetDisplayNode().SetVisibility(True)
