"""From a segmentation to the label map of a task: classes by name, voxels exactly where they were painted.

Slicer's own export numbers segments by their order and resamples what does not fit. Here every layer of the
segmentation is copied voxel by voxel, which is only possible where its grid continues the volume's; anything else is
refused with the numbers instead of being resampled unseen. It also counts overlapping and outlying voxels on the way.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import slicer
import vtk
from vtk.util.numpy_support import vtk_to_numpy

from .classes import SegmentClass
from .errors import SceneError
from .geometry import GRID_TOLERANCE, Geometry, to_numpy
from .scene import check_transform, volume_geometry
from .translation import tr as _

_NO_TRANSFORM_TOLERANCE = 1e-6


@dataclass(frozen=True)
class _Layer:
    """Voxels of one layer: ``[k, j, i]``, where they begin on the volume's grid (k, j, i), and value → class value."""

    array: np.ndarray
    start: tuple[int, int, int]
    values: dict[int, int]


@dataclass(frozen=True)
class Snapshot:
    """The voxels of a segmentation as they were, independent of the scene: `label` may be called on any thread.

    Args:
        geometry: grid of the volume, without its parent transform.
        names: of segmentation and volume, for the sentences.
        layers: copies of the segmentation's layers.
    """

    geometry: Geometry
    names: tuple[str, str]
    layers: tuple[_Layer, ...]

    def label(self) -> np.ndarray:
        """Class values on the grid, uint8 ``[k, j, i]``.

        Raises:
            SceneError: segments overlap or reach outside the volume.
        """
        segmentation, volume = self.names
        result = np.zeros(self.geometry.array_shape, dtype=np.uint8)
        overlapping = outside = 0
        for layer in self.layers:
            lookup = np.zeros(int(layer.array.max(initial=0)) + 1, dtype=np.uint8)
            for inside, value in layer.values.items():
                if inside < len(lookup):
                    lookup[inside] = value
            painted = lookup[layer.array]
            target, part = _common_box(layer, result.shape)
            outside += int(np.count_nonzero(painted)) - int(np.count_nonzero(painted[part]))
            box = result[target]
            new = painted[part]
            overlapping += int(np.count_nonzero((box != 0) & (new != 0)))
            np.copyto(box, new, where=new != 0)
        if overlapping:
            raise SceneError(
                _(
                    "Segments of {segmentation} overlap in {count} voxels, and a voxel can have only one class. "
                    "Remove the overlap (Segment Editor, Logical operators: Subtract), then save again."
                ).format(segmentation=segmentation, count=overlapping)
            )
        if outside:
            raise SceneError(
                _(
                    "{count} voxels of {segmentation} lie outside {volume} and would be lost. Choose the volume that "
                    "was segmented, or erase what lies outside it."
                ).format(count=outside, segmentation=segmentation, volume=volume)
            )
        return result


def take_snapshot(segmentation, volume, classes: Sequence[SegmentClass], *, others: str = "refused") -> Snapshot:
    """Copy the voxels of a segmentation, on the main thread; the rest of the work is `Snapshot.label`'s.

    Args:
        segmentation, volume, classes: see `segmentation_to_label`.
        others: what becomes of segments whose name is no class: ``"refused"`` or ``"ignored"``.

    Raises:
        SceneError: see `segmentation_to_label`, but for overlapping segments and those that reach outside.
    """
    geometry = volume_geometry(volume)
    check_transform(volume)
    check_transform(segmentation)
    values = _class_values(segmentation, classes, ignore_others=others == "ignored")
    source = _in_volume_space(_as_labelmaps(segmentation), segmentation, volume)
    layers = _layers(source, values, geometry, segmentation, volume)
    return Snapshot(geometry, (segmentation.GetName(), volume.GetName()), tuple(layers))


def segmentation_to_label(segmentation, volume, classes: Sequence[SegmentClass]) -> tuple[np.ndarray, Geometry]:
    """Label map of a segmentation on the grid of a volume, with the class values of the task.

    Hidden segments are included; empty ones and classes without a segment leave no voxels. The order of the segments
    and their label values in the scene do not matter: a segment belongs to the class of its name.

    Args:
        segmentation: vtkMRMLSegmentationNode; it is not changed.
        volume: the volume whose grid the label map gets, without its parent transform (see `scene`).
        classes: the task's classes.

    Returns:
        uint8 ``[k, j, i]`` and the grid.

    Raises:
        SceneError: names that are no class of the task or that occur twice, overlapping segments, a grid that is not
            the volume's, segments that reach outside the volume, or a non-linear transform.
    """
    snapshot = take_snapshot(segmentation, volume, classes)
    return snapshot.label(), snapshot.geometry


def _class_values(segmentation, classes: Sequence[SegmentClass], *, ignore_others: bool = False) -> dict[str, int]:
    """Class value of each segment by segment id."""
    by_name = {c.name: c.value for c in classes}
    data = segmentation.GetSegmentation()
    ids = [data.GetNthSegmentID(index) for index in range(data.GetNumberOfSegments())]
    names = [data.GetSegment(i).GetName().strip() for i in ids]
    if ignore_others:
        return {i: by_name[n] for i, n in zip(ids, names, strict=True) if n in by_name}
    unknown = [n for n in dict.fromkeys(names) if n not in by_name]
    if unknown:
        if len(unknown) == 1:
            sentence = _(
                "{segmentation} has a segment named {names}, but the task's classes are {classes}. Rename or remove "
                "it, or add the class to the task."
            )
        else:
            sentence = _(
                "{segmentation} has segments named {names}, but the task's classes are {classes}. Rename or remove "
                "them, or add the class to the task."
            )
        raise SceneError(
            sentence.format(segmentation=segmentation.GetName(), names=_listed(unknown), classes=_listed(list(by_name)))
        )
    double = [n for n in dict.fromkeys(names) if names.count(n) > 1]
    if double:
        raise SceneError(
            _(
                "{segmentation} has several segments named {names}. Merge them (Segment Editor, Logical operators: "
                "Add) or remove all but one."
            ).format(segmentation=segmentation.GetName(), names=_listed(double))
        )
    return {segment: by_name[name] for segment, name in zip(ids, names, strict=True)}


def _as_labelmaps(node) -> vtk.vtkObject:
    """The node's vtkSegmentation, or a copy converted to label maps if it is made of surfaces."""
    data = node.GetSegmentation()
    binary = slicer.vtkSegmentationConverter.GetBinaryLabelmapRepresentationName()
    if data.GetNumberOfSegments() == 0 or data.GetSourceRepresentationName() == binary:
        return data
    copy = slicer.vtkSegmentation()
    copy.DeepCopy(data)
    if not copy.CreateRepresentation(binary):
        raise SceneError(
            _(
                "{segmentation} is made of surfaces that could not be turned into voxels. In the Segmentations module, "
                "create its binary labelmap representation first."
            ).format(segmentation=node.GetName())
        )
    return copy


def _in_volume_space(data, segmentation, volume) -> vtk.vtkObject:
    """`data`, or a copy moved so that its coordinates are the volume's, if their parent transforms differ."""
    between = vtk.vtkMatrix4x4()
    slicer.vtkMRMLTransformNode.GetMatrixTransformBetweenNodes(
        segmentation.GetParentTransformNode(), volume.GetParentTransformNode(), between
    )
    if np.allclose(to_numpy(between), np.eye(4), rtol=0, atol=_NO_TRANSFORM_TOLERANCE):
        return data
    moved = slicer.vtkSegmentation()
    moved.DeepCopy(data)
    transform = vtk.vtkTransform()
    transform.SetMatrix(between)
    moved.ApplyLinearTransform(transform)
    return moved


def _layers(data, values: dict[str, int], geometry: Geometry, segmentation, volume) -> list[_Layer]:
    """The layers that hold voxels, each checked to lie on the volume's grid."""
    binary = slicer.vtkSegmentationConverter.GetBinaryLabelmapRepresentationName()
    shared: dict[int, tuple[vtk.vtkImageData, dict[int, int]]] = {}
    for segment_id, value in values.items():
        segment = data.GetSegment(segment_id)
        image = segment.GetRepresentation(binary)
        if image is None or image.GetNumberOfPoints() == 0 or image.GetPointData().GetScalars() is None:
            continue  # an empty segment
        _image, labels = shared.setdefault(id(image), (image, {}))
        labels[int(segment.GetLabelValue())] = value
    layers = []
    for image, labels in shared.values():
        x0, x1, y0, y1, z0, z1 = image.GetExtent()
        array = vtk_to_numpy(image.GetPointData().GetScalars()).reshape(z1 - z0 + 1, y1 - y0 + 1, x1 - x0 + 1).copy()
        if not array.any():
            continue
        matrix = vtk.vtkMatrix4x4()
        image.GetImageToWorldMatrix(matrix)
        shift = _whole_shift(to_numpy(matrix), (x0, y0, z0), array.shape, geometry, segmentation, volume)
        layers.append(_Layer(array, (shift[2], shift[1], shift[0]), labels))
    return layers


def _whole_shift(
    to_ras: np.ndarray,
    first: tuple[int, int, int],
    shape: tuple[int, ...],
    geometry: Geometry,
    segmentation,
    volume,
) -> tuple[int, ...]:
    """Where the layer's first voxel lies on the volume's grid (i, j, k), if it lies on it at all."""
    to_grid = np.linalg.inv(geometry.ijk_to_ras) @ to_ras
    corner = to_grid @ np.array([*first, 1.0])
    start = np.rint(corner[:3]).astype(int)
    expected = np.eye(4)
    expected[:3, 3] = start - np.asarray(first)
    size = tuple(reversed(shape))
    ends = np.array([[x, y, z, 1.0] for x in (0, size[0] - 1) for y in (0, size[1] - 1) for z in (0, size[2] - 1)]).T
    ends[:3] += np.asarray(first)[:, None]
    error = float(np.abs(((to_grid - expected) @ ends)[:3]).max())
    if error > GRID_TOLERANCE:
        own = Geometry.from_ijk_to_ras(to_ras, size)
        raise SceneError(
            _(
                "{segmentation} does not lie on the voxels of {volume}: it is off by up to {error:.3g} voxels (spacing "
                "{own} mm against {wanted} mm), so its labels would have to be guessed. Choose the volume it was "
                "painted on; if either was moved, give both the same transform; else use Resample in the Segmentations "
                "module."
            ).format(
                segmentation=segmentation.GetName(),
                volume=volume.GetName(),
                error=error,
                own=_rounded(own.spacing),
                wanted=_rounded(geometry.spacing),
            )
        )
    return tuple(int(s) for s in start)


def _common_box(layer: _Layer, shape: tuple[int, ...]) -> tuple[tuple[slice, ...], tuple[slice, ...]]:
    """The part of the volume that the layer covers, in the volume's and in the layer's indices (k, j, i)."""
    target, part = [], []
    for start, length, limit in zip(layer.start, layer.array.shape, shape, strict=True):
        low, high = max(start, 0), min(start + length, limit)
        high = max(low, high)
        target.append(slice(low, high))
        part.append(slice(low - start, high - start))
    return tuple(target), tuple(part)


def _listed(names: list[str]) -> str:
    return ", ".join(f"“{n}”" for n in names)


def _rounded(values: tuple[float, ...]) -> str:
    return " × ".join(f"{v:.4g}" for v in values)
