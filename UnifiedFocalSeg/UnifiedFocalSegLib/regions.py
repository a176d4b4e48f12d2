"""Which part of a case was corrected: what lies outside is unknown to the training, not background."""

from __future__ import annotations

from typing import Any

import numpy as np
import slicer
import vtk

from .errors import SceneError
from .geometry import Geometry, to_numpy, to_vtk
from .scene import volume_geometry
from .translation import tr as _

Region = dict[str, list[int]]

# A region of interest that is turned by more than this many voxels at its corners is no box of voxels.
_TURN_TOLERANCE = 1.0


def volume_to_world(volume: Any) -> np.ndarray:
    """``[4, 4]`` matrix from voxel indices to world RAS millimetres, the (linear) parent transform included."""
    above = vtk.vtkMatrix4x4()
    slicer.vtkMRMLTransformNode.GetMatrixTransformBetweenNodes(volume.GetParentTransformNode(), None, above)
    return to_numpy(above) @ volume_geometry(volume).ijk_to_ras


def plane_names(geometry: Geometry) -> tuple[str, str, str]:
    """What slices across i, j and k are called: the patient's plane that they are nearest to."""
    planes = (_("sagittal"), _("coronal"), _("axial"))
    names = ["", "", ""]
    cosines = np.abs(np.asarray(geometry.direction).reshape(3, 3))
    for _turn in range(3):
        patient, axis = np.unravel_index(np.argmax(cosines), cosines.shape)
        names[axis] = planes[patient]
        cosines[patient, :] = cosines[:, axis] = -1.0
    return names[0], names[1], names[2]


def slices_region(geometry: Geometry, axis: int, first: int, last: int) -> Region:
    """The region of some neighbouring slices.

    Args:
        geometry: grid of the volume.
        axis: 0, 1, 2 for slices across i, j, k.
        first, last: numbers of the slices, from 0 on, both included; in either order.

    Raises:
        SceneError: there are no such slices.
    """
    low, high = min(first, last), max(first, last)
    if low < 0 or high >= geometry.size[axis]:
        raise SceneError(
            _("Slices {low} to {high} do not exist: the volume has slices 0 to {last}. Choose among these.").format(
                low=low, high=high, last=geometry.size[axis] - 1
            )
        )
    start, stop = [0, 0, 0], list(geometry.size)
    start[axis], stop[axis] = low, high + 1
    return {"start": start, "stop": stop}


def roi_region(roi: Any, volume: Any) -> Region:
    """The voxels of a volume whose centres lie in a region of interest.

    Args:
        roi: vtkMRMLMarkupsROINode along the volume's axes, as `add_roi` makes it; under any linear transform.
        volume: the volume node.

    Raises:
        SceneError: the ROI is turned against the volume's axes, or lies outside.
    """
    half = np.array(roi.GetSize()) / 2
    corners = np.array([[x, y, z, 1.0] for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)])
    corners[:, :3] *= half
    to_ijk = np.linalg.inv(volume_to_world(volume)) @ to_numpy(roi.GetObjectToWorldMatrix())
    ijk = (corners @ to_ijk.T)[:, :3]
    low, high = ijk.min(axis=0), ijk.max(axis=0)
    # Each corner of a box along the axes is at an extreme of every axis.
    off = float(np.minimum(np.abs(ijk - low), np.abs(ijk - high)).max())
    if off > _TURN_TOLERANCE:
        raise SceneError(
            _(
                "The region of interest {region} is turned against the axes of {volume}: its corners are up to "
                "{off:.1f} voxels off a box of voxels. Make a new region with the button, or turn it back."
            ).format(region=roi.GetName(), volume=volume.GetName(), off=off)
        )
    size = volume_geometry(volume).size
    tolerance = 1e-6
    start = [max(0, int(np.ceil(v - tolerance))) for v in low]
    stop = [min(n, int(np.floor(v + tolerance)) + 1) for v, n in zip(high, size, strict=True)]
    if any(a >= b for a, b in zip(start, stop, strict=True)):
        raise SceneError(
            _("The region of interest {region} holds no voxel of {volume}. Move it onto the volume.").format(
                region=roi.GetName(), volume=volume.GetName()
            )
        )
    return {"start": start, "stop": stop}


def add_roi(volume: Any, box: tuple[tuple[int, ...], tuple[int, ...]] | None = None) -> Any:
    """A new region of interest along a volume's axes, under its transform.

    Args:
        volume: the volume node.
        box: first voxel and the one after the last (i, j, k) that it is to hold; the whole volume if None.
    """
    geometry = volume_geometry(volume)
    start, stop = (np.array(edge, dtype=float) for edge in (box or ((0, 0, 0), geometry.size)))
    scene = volume.GetScene()
    node = scene.AddNewNodeByClass("vtkMRMLMarkupsROINode", scene.GenerateUniqueName(_("Corrected region")))
    node.CreateDefaultDisplayNodes()
    place = geometry.ijk_to_ras
    pose = np.eye(4)
    pose[:3, :3] = place[:3, :3] / np.asarray(geometry.spacing)
    if np.linalg.det(pose[:3, :3]) < 0:  # a ROI's axes are right-handed; to the box it makes no difference
        pose[:3, 2] *= -1
    pose[:3, 3] = (place @ np.append((start + stop - 1) / 2, 1.0))[:3]
    node.SetAndObserveObjectToNodeMatrix(to_vtk(pose))
    node.SetSize(*((stop - start) * np.asarray(geometry.spacing)))
    node.SetAndObserveTransformNodeID(volume.GetTransformNodeID())
    return node
