"""Cutting a patch out of a case, deformed on one composed sampling grid, and changing its intensities.

Rotation, scaling, mirroring and elastic deformation are one map from patch to case; the case is interpolated once.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from ufseg.plans.plan import Plan
from ufseg.training.prepare import PreparedCase
from ufseg.training.settings import AugmentationSettings

ELASTIC_CONTROL_SPACING = 10  # voxels between control points


def draw_batch(
    places: Sequence[tuple[PreparedCase, NDArray[np.float64]]],
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
        is 0, the mean, and the label background.
    """
    images, labels = [], []
    for case, centre in places:
        grid = _sampling_grid(centre, plan, settings, rng)
        image, label = _cut(case, grid, device)
        images.append(_change_intensities(image, settings, rng))
        labels.append(label)
    return torch.stack(images), torch.stack(labels)


def _sampling_grid(
    centre: NDArray[np.float64], plan: Plan, settings: AugmentationSettings, rng: np.random.Generator
) -> Tensor:
    """Case coordinates (voxels, array order) of each patch voxel, ``[*patch, axes]``."""
    axes = len(plan.patch_size)
    matrix = _linear_map(plan, settings, rng)
    offsets = [np.arange(p, dtype=np.float32) - (p - 1) / 2 for p in plan.patch_size]
    # x = centre + M·offset, built by broadcasting one axis at a time.
    grid = torch.zeros(*plan.patch_size, axes)
    for axis, offset in enumerate(offsets):
        column = torch.from_numpy(np.outer(offset, matrix[:, axis]).astype(np.float32))
        grid += column.reshape([-1 if a == axis else 1 for a in range(axes)] + [axes])
    grid += torch.from_numpy(centre.astype(np.float32))
    if rng.random() < settings.elastic and settings.elastic_voxels > 0:
        control = [max(3, p // ELASTIC_CONTROL_SPACING + 1) for p in plan.patch_size]
        field = torch.from_numpy(rng.normal(0, settings.elastic_voxels, (1, axes, *control)).astype(np.float32))
        mode = "trilinear" if axes == 3 else "bilinear"
        smooth = F.interpolate(field, size=plan.patch_size, mode=mode, align_corners=True)
        grid += smooth[0].movedim(0, -1)
    return grid


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


def _cut(case: PreparedCase, grid: Tensor, device: torch.device) -> tuple[Tensor, Tensor]:
    """Image and label at the places of `grid`, which is on the CPU: asking a GPU for its bounds would wait for it."""
    axes = grid.shape[-1]
    lowest = grid.reshape(-1, axes).amin(0).floor().long().tolist()
    highest = grid.reshape(-1, axes).amax(0).ceil().long().tolist()
    # The box of the case that the grid touches; one voxel at least, so that a patch wholly outside stays defined.
    start = [min(max(low, 0), size - 1) for low, size in zip(lowest, case.label.shape, strict=True)]
    stop = [max(min(high + 1, size), s + 1) for high, size, s in zip(highest, case.label.shape, start, strict=True)]
    box = (slice(None), *(slice(a, b) for a, b in zip(start, stop, strict=True)))
    image = torch.from_numpy(case.image[box]).to(device)
    label = torch.from_numpy(case.label[box[1:]]).to(device, torch.float32)
    # grid_sample wants -1..1 between the outer voxels' edges (align_corners=False), last axis first.
    size = torch.tensor([b - a for a, b in zip(start, stop, strict=True)], device=device)
    origin = torch.tensor(start, device=device)
    unit = ((2 * (grid.to(device) - origin) + 1) / size - 1).flip(-1)[None]
    sampled = F.grid_sample(image[None], unit, mode="bilinear", padding_mode="zeros", align_corners=False)[0]
    classes = F.grid_sample(label[None, None], unit, mode="nearest", padding_mode="zeros", align_corners=False)[0, 0]
    return sampled, classes.to(torch.uint8)


def _change_intensities(image: Tensor, settings: AugmentationSettings, rng: np.random.Generator) -> Tensor:
    """Per channel: contrast and brightness, gamma, noise, blur; image ``[channel, *space]`` of normalised values."""
    channels, axes = image.shape[0], image.ndim - 1

    def scalars(low: float, high: float) -> Tensor:
        values = torch.from_numpy(rng.uniform(low, high, channels).astype(np.float32)).to(image.device)
        return values.reshape(-1, *[1] * axes)

    def wanted() -> bool:
        return bool(rng.random() < settings.intensity)

    if wanted():
        mean = image.mean(dim=tuple(range(1, axes + 1)), keepdim=True)
        image = (image - mean) * scalars(0.7, 1.4) + mean
    if wanted():
        image = image * scalars(0.8, 1.25) + scalars(-0.3, 0.3)
    if wanted():
        low = image.amin(dim=tuple(range(1, axes + 1)), keepdim=True)
        span = (image.amax(dim=tuple(range(1, axes + 1)), keepdim=True) - low).clamp_min(1e-6)
        image = ((image - low) / span).pow(torch.exp(scalars(math.log(0.7), math.log(1.5)))) * span + low
    if wanted():
        noise = rng.standard_normal(tuple(image.shape), dtype=np.float32)
        image = image + torch.from_numpy(noise).to(image.device) * scalars(0.0, 0.25)
    if wanted():
        image = _blur(image, rng.uniform(0.4, 1.0))
    return image


def _blur(image: Tensor, sigma: float) -> Tensor:
    """Separable Gaussian of `sigma` voxels, radius 2."""
    weights = torch.exp(-0.5 * (torch.arange(-2.0, 3.0, device=image.device) / sigma) ** 2)
    weights = weights / weights.sum()
    axes = image.ndim - 1
    convolve = F.conv3d if axes == 3 else F.conv2d
    blurred = image[:, None]
    for axis in range(axes):
        kernel = weights.reshape([1, 1] + [5 if a == axis else 1 for a in range(axes)])
        padding = [2 if a == axis else 0 for a in range(axes)]
        blurred = convolve(F.pad(blurred, [p for a in reversed(padding) for p in (a, a)], mode="replicate"), kernel)
    return blurred[:, 0]
