"""Cutting a patch out of a case, deformed on one composed sampling grid, and changing its intensities.

Rotation, scaling, mirroring and elastic deformation are one map from patch to case; the case is interpolated once, on
the training device, which only receives the part of the case that the patch needs.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from ufseg.networks.device import copied_to
from ufseg.plans.plan import Plan
from ufseg.training.intensities import change_intensities
from ufseg.training.sampling import Place
from ufseg.training.settings import AugmentationSettings

ELASTIC_CONTROL_SPACING = 10  # voxels between control points


@dataclass(frozen=True)
class Deformation:
    """Map from a patch's voxels to a case's: ``x = centre + matrix · offset + displacement(offset)``.

    Args:
        centre: voxels of the case, array order.
        matrix: ``[axes, axes]``, from offsets (voxels) from the patch's middle.
        control: displacements ``[axes, *control points]`` in voxels of the case, spread evenly over the patch from its
            first voxel to its last, or None.
    """

    centre: NDArray[np.float64]
    matrix: NDArray[np.float64]
    control: NDArray[np.float32] | None


def draw_batch(
    places: Sequence[Place],
    plan: Plan,
    settings: AugmentationSettings,
    rng: np.random.Generator,
    device: torch.device,
) -> tuple[Tensor, Tensor]:
    """Cut and augment the patches of one step.

    Args:
        places: case and patch centre (voxels, array order) of each patch.
        plan: patch size and spacing (rotations are rigid in millimetres).
        settings: strengths.
        rng: all randomness comes from it.
        device: where the patches are made; only the part of the case that a patch needs is copied there.

    Returns:
        Images ``[batch, channel, *patch]`` float32 and labels ``[batch, *patch]`` uint8. Outside the case the image
        is 0, the mean, and the label background; what is not annotated keeps its label 255.
    """
    return warp(gather(places, plan, settings, rng), plan, settings, rng, device)


@dataclass(frozen=True)
class Crop:
    """The part of a case that a patch needs, on the CPU, and how the patch lies in it.

    Args:
        image: ``[channel, *box]`` float32.
        label: ``[*box]`` uint8.
        start: the box's first voxel in the case.
        deformation: from patch to case.
    """

    image: Tensor
    label: Tensor
    start: tuple[int, ...]
    deformation: Deformation


def gather(
    places: Sequence[Place],
    plan: Plan,
    settings: AugmentationSettings,
    rng: np.random.Generator,
    *,
    pinned: bool = False,
) -> list[Crop]:
    """The first half of `draw_batch`: draw deformations and copy what they need out of the cases.

    Args:
        places, plan, settings, rng: as in `draw_batch`; `warp` takes the same generator afterwards.
        pinned: into memory that a GPU can fetch from while others compute.
    """
    crops = []
    for case, centre in places:
        deformation = draw_deformation(centre, plan, settings, rng)
        start, stop = _box(deformation, plan.patch_size, case.shape)
        box = (slice(None), *(slice(a, b) for a, b in zip(start, stop, strict=True)))
        # Copied: the arrays may be read-only maps of files.
        image, label = torch.from_numpy(np.array(case.image[box])), torch.from_numpy(np.array(case.label[box[1:]]))
        if pinned:
            image, label = image.pin_memory(), label.pin_memory()
        crops.append(Crop(image, label, tuple(start), deformation))
    return crops


def warp(
    crops: Sequence[Crop],
    plan: Plan,
    settings: AugmentationSettings,
    rng: np.random.Generator,
    device: torch.device,
) -> tuple[Tensor, Tensor]:
    """The second half of `draw_batch`: interpolate on `device`, image linearly and label to the nearest voxel."""
    images, labels = [], []
    for crop in crops:
        image = copied_to(device, crop.image)
        label = copied_to(device, crop.label).to(torch.float32)
        grid = _unit_grid(crop, plan.patch_size, device)[None]
        mode = "bilinear"  # torch's word for linear in any number of axes
        sampled = F.grid_sample(image[None], grid, mode=mode, padding_mode="zeros", align_corners=False)[0]
        nearest = F.grid_sample(label[None, None], grid, mode="nearest", padding_mode="zeros", align_corners=False)
        images.append(change_intensities(sampled, settings, rng))
        labels.append(nearest[0, 0].to(torch.uint8))
    return torch.stack(images), torch.stack(labels)


def draw_deformation(
    centre: NDArray[np.float64], plan: Plan, settings: AugmentationSettings, rng: np.random.Generator
) -> Deformation:
    """A random deformation about `centre`."""
    matrix = _linear_map(plan, settings, rng)
    control = None
    if rng.random() < settings.elastic and settings.elastic_voxels > 0:
        points = [max(3, p // ELASTIC_CONTROL_SPACING + 1) for p in plan.patch_size]
        control = rng.normal(0, settings.elastic_voxels, (len(points), *points)).astype(np.float32)
    return Deformation(np.asarray(centre, dtype=np.float64), matrix, control)


def _linear_map(plan: Plan, settings: AugmentationSettings, rng: np.random.Generator) -> NDArray[np.float64]:
    axes = len(plan.patch_size)
    matrix = np.eye(axes)
    if rng.random() < settings.affine:
        matrix = _rotation(axes, math.radians(settings.rotation_degrees), rng)
        # Millimetres, so that anisotropic voxels are not sheared.
        matrix = matrix * np.asarray(plan.spacing)[None, :] / np.asarray(plan.spacing)[:, None]
        zoom = math.exp(rng.uniform(math.log(settings.scale[0]), math.log(settings.scale[1])))
        matrix = matrix / (zoom * rng.uniform(1 - settings.stretch, 1 + settings.stretch, axes))[None, :]
    flips = rng.random(axes) < np.asarray(settings.mirror[-axes:])
    mirrored: NDArray[np.float64] = matrix * np.where(flips, -1.0, 1.0)[None, :]
    return mirrored


def _rotation(axes: int, limit: float, rng: np.random.Generator) -> NDArray[np.float64]:
    matrix = np.eye(axes)
    for a in range(axes):
        for b in range(a + 1, axes):
            angle = rng.uniform(-limit, limit)
            turn = np.eye(axes)
            turn[a, a] = turn[b, b] = math.cos(angle)
            turn[a, b], turn[b, a] = -math.sin(angle), math.sin(angle)
            matrix = matrix @ turn
    return matrix


def _box(deformation: Deformation, patch: Sequence[int], shape: Sequence[int]) -> tuple[list[int], list[int]]:
    """The box of the case that the patch touches; one voxel at least, so that one wholly outside stays defined."""
    half = (np.asarray(patch) - 1) / 2
    reach = np.abs(deformation.matrix) @ half
    low, high = deformation.centre - reach, deformation.centre + reach
    if deformation.control is not None:
        # Interpolated displacements lie between those of the control points.
        flat = deformation.control.reshape(len(shape), -1)
        low, high = low + flat.min(1), high + flat.max(1)
    start = [min(max(math.floor(a), 0), size - 1) for a, size in zip(low, shape, strict=True)]
    stop = [max(min(math.ceil(b) + 1, size), s + 1) for b, size, s in zip(high, shape, start, strict=True)]
    return start, stop


def _unit_grid(crop: Crop, patch: Sequence[int], device: torch.device) -> Tensor:
    """Places of the patch's voxels as grid_sample wants them, ``[*patch, axes]``.

    That is -1..1 between the outer faces of the box's outermost voxels (align_corners=False), last axis first.

    What varies along the earlier axes is computed for one line of voxels each; the last axis is filled in by one matrix
    product, so that the grid, the largest array of all, is written once.
    """
    axes, last = len(patch), patch[-1]
    deformation, size = crop.deformation, np.asarray(crop.label.shape)
    scale = 2.0 / size
    lines = [
        np.outer(np.arange(count) - (count - 1) / 2, deformation.matrix[:, axis] * scale)[:, ::-1]
        for axis, count in enumerate(patch)
    ]
    lines[-1] = lines[-1] + ((2 * (deformation.centre - crop.start) + 1) / size - 1)[::-1]
    known = np.zeros((*patch[:-1], axes))
    for axis, line in enumerate(lines[:-1]):
        known += line.reshape([-1 if a == axis else 1 for a in range(axes - 1)] + [axes])
    lower = [copied_to(device, torch.from_numpy(known.astype(np.float32)))]
    weights = [torch.ones(last, 1)]
    if deformation.control is not None:
        field = np.moveaxis(deformation.control, 0, -1) * scale
        control = copied_to(device, torch.from_numpy(field[..., ::-1].astype(np.float32)))
        lower.insert(0, _spread(control, patch[:-1]))
        weights.insert(0, _interpolation(deformation.control.shape[-1], last))
    # [last · axes] from [points · axes]: each axis's coordinate by itself.
    matrix = copied_to(device, torch.kron(torch.cat(weights, dim=1).T.contiguous(), torch.eye(axes)))
    offset = copied_to(device, torch.from_numpy(np.ascontiguousarray(lines[-1], dtype=np.float32))).reshape(-1)
    flat = torch.cat([part.reshape(math.prod(patch[:-1]), -1) for part in lower], dim=1)
    return torch.addmm(offset, flat, matrix).reshape(*patch, axes)


def _spread(field: Tensor, sizes: Sequence[int]) -> Tensor:
    """Linear interpolation of ``[*points, …]`` along its first axes, from the first place to the last."""
    for axis, size in enumerate(sizes):
        before, points = field.shape[:axis], field.shape[axis]
        weights = copied_to(field.device, _interpolation(points, size))
        spread = weights @ field.reshape(*before, points, -1)
        field = spread.reshape(*before, size, *field.shape[axis + 1 :])
    return field


@lru_cache(maxsize=16)
def _interpolation(points: int, size: int) -> Tensor:
    """Weights ``[size, points]`` of linear interpolation, first point on the first place, last on the last."""
    return F.interpolate(torch.eye(points)[None], size=size, mode="linear", align_corners=True)[0].T.contiguous()
