"""From the scene to arrays and back: volumes as images, label maps as segmentations.

Everything here runs on the main thread, because MRML may only be touched there.

Parent transforms: a volume is sent on its own voxel grid, without its parent transform, and the segmentation made
from the answer is put under the same transform. So the voxels are right for every linear transform, and moving a
volume does not make it another case. Non-linear transforms are refused, since hardening them changes the voxels.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import slicer
import slicer.util
import vtk
from vtk.util.numpy_support import get_vtk_array_type, numpy_to_vtk, vtk_to_numpy

from .classes import SegmentClass, check_values
from .errors import SceneError
from .geometry import Geometry, to_numpy, to_vtk
from .translation import tr as _

# Image axes that miss a right angle by more than this cannot be written as spacing and direction.
_ANGLE_TOLERANCE_DEGREES = 0.1


def volume_geometry(volume) -> Geometry:
    """Grid of a volume node, without its parent transform.

    Raises:
        SceneError: no voxels, or axes that are not perpendicular.
    """
    image = volume.GetImageData()
    if image is None or min(image.GetDimensions()) < 1:
        raise _no_voxels(volume)
    matrix = vtk.vtkMatrix4x4()
    volume.GetIJKToRASMatrix(matrix)
    geometry = Geometry.from_ijk_to_ras(to_numpy(matrix), image.GetDimensions())
    start = image.GetExtent()[::2]
    if any(start):  # cut out by a filter; the matrix is that of voxel 0
        geometry = geometry.part(start, tuple(a + n for a, n in zip(start, geometry.size, strict=True)))
    angle = geometry.largest_angle_error()
    if angle > _ANGLE_TOLERANCE_DEGREES:
        raise SceneError(
            _(
                "The axes of {volume} are {angle:.2f}° off the right angle (gantry tilt or shear), and segmenting "
                "needs a rectangular grid. Resample it first (Resample Scalar/Vector/DWI Volume)."
            ).format(volume=volume.GetName(), angle=angle)
        )
    return geometry


def _no_voxels(volume) -> SceneError:
    return SceneError(
        _("{volume} holds no voxels. Load its file again, or choose another volume.").format(volume=volume.GetName())
    )


def volume_image(volume) -> tuple[np.ndarray, Geometry]:
    """Voxels and grid of a volume node, ready to be sent.

    A proxy volume of a sequence gives the time point that is shown now.

    Returns:
        The volume's own memory, not a copy, as ``[k, j, i]``, or ``[k, j, i, component]`` for colour volumes; and
        its grid without the parent transform.

    Raises:
        SceneError: not a scalar or vector volume, a label map, no voxels, or a non-linear parent transform.
    """
    if not volume.IsA("vtkMRMLScalarVolumeNode"):
        raise SceneError(
            _(
                "{node} is a {kind}, not a volume with one intensity per voxel. "
                "Choose a scalar volume; of a time series, choose the volume that shows one time point."
            ).format(node=volume.GetName(), kind=volume.GetNodeTagName())
        )
    if volume.IsA("vtkMRMLLabelMapVolumeNode"):
        raise SceneError(
            _("{volume} is a label map. Choose the image that it was drawn on.").format(volume=volume.GetName())
        )
    for refused, sentence in (
        (
            "vtkMRMLDiffusionWeightedVolumeNode",
            _("{volume} is a diffusion series. Extract one scalar volume from it and choose that."),
        ),
        (
            "vtkMRMLDiffusionTensorVolumeNode",
            _("{volume} is a tensor volume. Extract one scalar volume from it and choose that."),
        ),
    ):
        if volume.IsA(refused):
            raise SceneError(sentence.format(volume=volume.GetName()))
    geometry = volume_geometry(volume)
    check_transform(volume)
    image = volume.GetImageData()
    scalars = image.GetPointData().GetScalars()
    if scalars is None:
        raise _no_voxels(volume)
    components = image.GetNumberOfScalarComponents()
    shape = geometry.array_shape if components == 1 else (*geometry.array_shape, components)
    return vtk_to_numpy(scalars).reshape(shape), geometry


def check_transform(node) -> None:
    """Raise SceneError if a parent transform of `node` bends space."""
    transform = node.GetParentTransformNode()
    if transform is not None and not transform.IsTransformToWorldLinear():
        raise SceneError(
            _(
                "{node} is under the non-linear transform {transform}. Harden it (in the Data module, right-click the "
                "transform column), which resamples the image, and try again."
            ).format(node=node.GetName(), transform=transform.GetName())
        )


def label_to_segmentation(
    label: np.ndarray, classes: Sequence[SegmentClass], volume, name: str | None = None, *, checked: bool = False
):
    """A new segmentation of `volume` with one segment for each class, also for those without voxels.

    Args:
        label: class values, uint8 ``[k, j, i]`` on the grid of `volume`; copied.
        classes: the task's classes; each segment gets its name, colour, value and terminology.
        volume: the volume that was segmented; becomes the reference volume. Parent transform and, if the volume is
            in the subject hierarchy, its study are taken from it.
        name: the node's name, "<volume> segmentation" if None; made unique.
        checked: `check_values` has been called already, in another thread.

    Returns:
        The new vtkMRMLSegmentationNode; nodes that exist already are never changed.

    Raises:
        SceneError: the label map has another shape, or values that no class has.
    """
    geometry = check_shape(label, volume)
    if not checked:
        check_values(label, classes)
    node = empty_segmentation(volume, name or _("{volume} segmentation").format(volume=volume.GetName()))
    add_layer(node, label, classes, geometry)
    return node


def check_shape(label: np.ndarray, volume) -> Geometry:
    """Grid of `volume`, on which the label map lies.

    Raises:
        SceneError: the label map has another shape.
    """
    geometry = volume_geometry(volume)
    if label.shape != geometry.array_shape:
        raise SceneError(
            _(
                "The label map has the shape {shape} but {volume} has {own} (k, j, i). "
                "The volume was changed in between; segment it again."
            ).format(shape=label.shape, volume=volume.GetName(), own=geometry.array_shape)
        )
    return geometry


def empty_segmentation(volume, name: str, *, hidden: bool = False):
    """A new segmentation node without segments on the grid of `volume` and under its transform.

    Args:
        volume: the volume.
        name: of the node, made unique.
        hidden: in no list of nodes, and not saved with the scene; else it is put into the volume's study.
    """
    scene = volume.GetScene()
    node = slicer.vtkMRMLSegmentationNode()
    node.SetName(scene.GenerateUniqueName(name))
    node.SetHideFromEditors(hidden)
    node.SetSaveWithScene(not hidden)
    scene.AddNode(node)
    node.CreateDefaultDisplayNodes()
    node.SetReferenceImageGeometryParameterFromVolumeNode(volume)
    node.SetAndObserveTransformNodeID(volume.GetTransformNodeID())
    representation = slicer.vtkSegmentationConverter.GetBinaryLabelmapRepresentationName()
    node.GetSegmentation().SetSourceRepresentationName(representation)
    if not hidden:
        place_beside(node, volume)
    return node


def add_layer(node, label: np.ndarray, classes: Sequence[SegmentClass], geometry: Geometry) -> None:
    """Add a segment for each class to a segmentation; all of them share one label map ("layer").

    So there is no copy for each class, and none can overlap another.

    Args:
        node: vtkMRMLSegmentationNode.
        label: class values, uint8 ``[k, j, i]``; copied.
        classes: the segments' values, names and colours.
        geometry: the grid of `label`.
    """
    layer = oriented_image(label, geometry)
    representation = slicer.vtkSegmentationConverter.GetBinaryLabelmapRepresentationName()
    for entry in classes:
        segment = slicer.vtkSegment()
        segment.SetName(entry.name)
        segment.SetColor(*(c / 255 for c in entry.color))
        segment.SetLabelValue(entry.value)
        if entry.terminology:
            segment.SetTag(segment.GetTerminologyEntryTagName(), entry.terminology)
        segment.AddRepresentation(representation, layer)
        node.GetSegmentation().AddSegment(segment)


def labelmap_array(labelmap, volume) -> np.ndarray:
    """Voxels of a label map volume, uint8 ``[k, j, i]``, for `label_to_segmentation`.

    Args:
        labelmap: a volume node with whole values from 0 to 255, of whatever voxel type.
        volume: the image it belongs to.

    Raises:
        SceneError: it lies on another grid than `volume`, or holds other values.
    """
    difference = volume_geometry(labelmap).difference(volume_geometry(volume))
    if difference is not None:
        raise SceneError(
            _(
                "{labelmap} and {volume} lie on different grids: {difference}. Choose the image on which the labels "
                "were drawn."
            ).format(labelmap=labelmap.GetName(), volume=volume.GetName(), difference=difference)
        )
    array = slicer.util.arrayFromVolume(labelmap)
    label = array.astype(np.uint8)
    wrong = array != label
    if wrong.any():
        raise SceneError(
            _(
                "{labelmap} holds {count} values, such as {value:g}, that are no whole numbers from 0 to 255, so it is "
                "not a label map of classes."
            ).format(labelmap=labelmap.GetName(), count=int(wrong.sum()), value=array[wrong][0])
        )
    return label


def oriented_image(label: np.ndarray, geometry: Geometry) -> vtk.vtkImageData:
    """vtkOrientedImageData with a copy of `label` (``[k, j, i]``) on the grid `geometry`."""
    image = slicer.vtkOrientedImageData()
    image.SetExtent(0, geometry.size[0] - 1, 0, geometry.size[1] - 1, 0, geometry.size[2] - 1)
    scalars = numpy_to_vtk(
        np.ascontiguousarray(label).reshape(-1), deep=True, array_type=get_vtk_array_type(label.dtype)
    )
    scalars.SetName("ImageScalars")
    image.GetPointData().SetScalars(scalars)
    image.SetImageToWorldMatrix(to_vtk(geometry.ijk_to_ras))
    return image


def place_beside(node, volume) -> None:
    """Put `node` under the subject hierarchy's parent of `volume` (its study), if the volume has an item there."""
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(volume.GetScene())
    item = hierarchy.GetItemByDataNode(volume) if hierarchy is not None else 0
    if not item:
        return
    parent = hierarchy.GetItemParent(item)
    own = hierarchy.GetItemByDataNode(node)
    if own:
        hierarchy.SetItemParent(own, parent)
    else:
        hierarchy.CreateItem(parent, node)
