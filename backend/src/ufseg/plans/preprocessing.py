"""Images and label maps as the network sees them: turned, resampled, normalised."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray

from ufseg.errors import PlanError
from ufseg.images.class_table import ClassTable
from ufseg.images.geometry import Geometry
from ufseg.images.image import Image, LabelMap
from ufseg.images.orientation import to_canonical
from ufseg.plans.plan import HuWindow, Normalisation, Plan


def preprocess_image(image: Image, plan: Plan, whole: Image | None = None) -> tuple[NDArray[np.float32], Geometry]:
    """Turn an image to the canonical axes (3D), normalise it, and resample it linearly to the plan's spacing.

    Args:
        image: as read.
        plan: dimension, spacing and one normalisation per channel.
        whole: the image that `image` was cut out of, if it was: a z-score takes its mean and deviation from the whole,
            as it will when the model is used.

    Returns:
        Array ``[channel, k, j, i]`` (3D plan) or ``[channel, j, i]`` (2D plan), C-contiguous, and its grid. The grid
        has as many axes as the image, so a single slice of a 3D file keeps ``size[2] == 1`` there. It covers the
        same box of space as the image: each axis has ``round(size · spacing / plan.spacing)`` voxels, whose exact
        spacing is the image's extent over that number. Hence resampling back is interpolation between the two
        array shapes with half-voxel offsets (``torch.nn.functional.interpolate(align_corners=False)``), followed by
        `ufseg.images.orientation.from_canonical` with `canonical_geometry`.

    Raises:
        PlanError: the image has other channels or axes than the plan.
    """
    if image.channels != len(plan.normalisation):
        raise PlanError(
            f"The image has {image.channels} channel{'s' if image.channels > 1 else ''}, but the plan was made for "
            f"{len(plan.normalisation)}. Give the channels of this task, in its order."
        )
    array, geometry = _turn(image.array, image.geometry, plan)
    grid = resampled_geometry(geometry, plan)
    sources = array if whole is None else whole.array
    channels = np.empty(array.shape, np.float32)
    for channel, how, source, result in zip(array, plan.normalisation, sources, channels, strict=True):
        _normalise(channel, how, source, result)
    resampled = resample_linear(channels, grid.array_shape)
    return np.ascontiguousarray(_drop_slice_axis(resampled, plan, geometry.ndim)), grid


def preprocess_label(label: LabelMap, plan: Plan, classes: ClassTable) -> NDArray[np.uint8]:
    """Network channel indices of a label map on exactly the grid that `preprocess_image` gives its image.

    Args:
        label: on the image's own grid, in values of `classes`.
        plan: the same as the image's.
        classes: gives each value its index; 0 stays background.

    Returns:
        ``[k, j, i]`` or ``[j, i]``, nearest neighbour.

    Raises:
        LabelError: a value that `classes` lacks.
        PlanError: the label map has other axes than the plan.
    """
    array, geometry = _turn(label.array, label.geometry, plan)
    resampled = resample_nearest(classes.to_indices(array), resampled_geometry(geometry, plan).array_shape)
    return np.ascontiguousarray(_drop_slice_axis(resampled, plan, geometry.ndim))


def canonical_geometry(geometry: Geometry, plan: Plan) -> Geometry:
    """The image's grid after turning, before resampling: canonical axes for a 3D plan, as stored for a 2D plan.

    In a 2D plan a slice is what the file calls one, whichever way it cuts the body.
    """
    if plan.dimension == 2 or geometry.ndim == 2:
        return geometry
    # The array is only a carrier here; broadcasting makes one of any shape without memory.
    return to_canonical(np.broadcast_to(np.zeros((), np.uint8), geometry.array_shape), geometry)[1]


def resampled_geometry(geometry: Geometry, plan: Plan) -> Geometry:
    """Grid of about the plan's spacing over the same box as `geometry` (already turned).

    The outer faces of the outermost voxels stay where they are, not their centres.
    """
    target = tuple(reversed(plan.spacing))
    if geometry.ndim == 3 and plan.dimension == 2:
        target = (*target, geometry.spacing[2])
    size = tuple(max(1, round(n * s / t)) for n, s, t in zip(geometry.size, geometry.spacing, target, strict=True))
    if size == geometry.size:
        return geometry
    scale = [old / new for old, new in zip(geometry.size, size, strict=True)]
    return Geometry(
        size=size,
        spacing=tuple(s * f for s, f in zip(geometry.spacing, scale, strict=True)),
        origin=tuple(geometry.position(tuple((f - 1) / 2 for f in scale)).tolist()),
        direction=geometry.direction,
    )


def resample_linear(array: NDArray[np.float32], shape: tuple[int, ...]) -> NDArray[np.float32]:
    """Linear interpolation of ``[channel, *space]`` to ``[channel, *shape]`` over the same box of space.

    Beyond the outermost voxel centres the value stays that of the nearest voxel. Along an axis that loses half of
    its voxels or more, as many places as become one voxel are averaged: interpolation alone would look at two voxels
    and keep their noise.
    """
    if tuple(array.shape[1:]) == tuple(shape):
        return array
    mode = {2: "bilinear", 3: "trilinear"}[len(shape)]
    tensor = torch.from_numpy(np.ascontiguousarray(array))[None]
    blocks = [max(1, old // new) for old, new in zip(array.shape[1:], shape, strict=True)]
    fine = tuple(new * block for new, block in zip(shape, blocks, strict=True))
    if fine != tuple(array.shape[1:]):
        tensor = F.interpolate(tensor, size=fine, mode=mode, align_corners=False)
    if max(blocks) > 1:
        tensor = (F.avg_pool3d if len(shape) == 3 else F.avg_pool2d)(tensor, blocks)
    result: NDArray[np.float32] = tensor[0].numpy()
    return result


def resample_nearest(array: NDArray[Any], shape: tuple[int, ...]) -> NDArray[Any]:
    """Nearest neighbour of ``[*space]`` on `shape` voxels over the same box of space."""
    if tuple(array.shape) == tuple(shape):
        return array
    # Centre of new voxel x lies at (x + 1/2) · old / new; integers keep exact halves exact.
    index = [((2 * np.arange(new) + 1) * old) // (2 * new) for old, new in zip(array.shape, shape, strict=True)]
    result: NDArray[Any] = array[np.ix_(*index)]
    return result


def _turn(array: NDArray[Any], geometry: Geometry, plan: Plan) -> tuple[NDArray[Any], Geometry]:
    if plan.dimension == 3 and geometry.ndim == 2:
        raise PlanError(
            f"The image is a single 2D slice of {' × '.join(map(str, geometry.size))} pixels, but the plan is for 3D "
            "volumes. Give the whole volume, or use a task of 2D images."
        )
    if plan.dimension == 2:
        if geometry.ndim == 3 and geometry.size[2] > 1:
            raise PlanError(
                f"The image has {geometry.size[2]} slices, but the plan is for single 2D images. Give the slices one "
                "by one, or use a task of 3D volumes."
            )
        return array, geometry
    return to_canonical(array, geometry)


def _drop_slice_axis(array: NDArray[Any], plan: Plan, ndim: int) -> NDArray[Any]:
    """Take away the slice axis k of a single slice (`ndim` spatial axes) for a 2D plan."""
    return array[..., 0, :, :] if plan.dimension == 2 and ndim == 3 else array


def _normalise(channel: NDArray[Any], how: Normalisation, source: NDArray[Any], result: NDArray[np.float32]) -> None:
    """`channel` scaled into `result`; a z-score by the mean and deviation of `source`.

    Slice by slice: of a large volume, each whole copy would take gigabytes.
    """
    if isinstance(how, HuWindow):
        for part, target in zip(channel, result, strict=True):
            np.clip(part.astype(np.float32), how.low, how.high, out=target)
            target -= np.float32(how.mean)
            target /= np.float32(how.std)
        return
    # Computed in float64, since intensities of 10⁶ over 10⁷ voxels exceed what float32 adds exactly.
    mean = float(source.mean(dtype=np.float64))
    squares = sum(float(np.square(part.astype(np.float64) - mean).sum()) for part in source)
    std = math.sqrt(squares / source.size)
    # A constant image has nothing to scale (only the rounding of its mean); it becomes zero.
    scale = std if std > 1e-12 * abs(mean) else 1.0
    for part, target in zip(channel, result, strict=True):
        target[...] = (part.astype(np.float64) - mean) / scale
