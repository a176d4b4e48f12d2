"""Random changes of a patch's intensities, on the patch's device."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from ufseg.networks.device import copied_to
from ufseg.training.settings import AugmentationSettings


def change_intensities(image: Tensor, settings: AugmentationSettings, rng: np.random.Generator) -> Tensor:
    """Contrast, brightness, gamma, noise, blur and low resolution, each with its probability.

    Args:
        image: ``[channel, *space]`` of normalised values.
        settings: probabilities and ranges; see `AugmentationSettings`.
        rng: all randomness comes from it.
    """

    def wanted(probability: float) -> bool:
        return bool(rng.random() < probability)

    if wanted(settings.contrast):
        mean = image.mean(dim=tuple(range(1, image.ndim)), keepdim=True)
        image = (image - mean) * _per_channel(image, rng, *settings.contrast_range) + mean
    if wanted(settings.brightness):
        offset = settings.brightness_offset
        image = image * _per_channel(image, rng, *settings.brightness_range) + _per_channel(image, rng, -offset, offset)
    if wanted(settings.gamma):
        low, high = settings.gamma_range
        image = _gamma(image, torch.exp(_per_channel(image, rng, math.log(low), math.log(high))))
    if wanted(settings.noise):
        generator = torch.Generator(image.device).manual_seed(int(rng.integers(2**63)))
        noise = torch.randn(image.shape, generator=generator, device=image.device)
        image = image + noise * _per_channel(image, rng, 0.0, settings.noise_deviation)
    if wanted(settings.blur):
        image = _blur(image, float(rng.uniform(*settings.blur_voxels)))
    if wanted(settings.low_resolution):
        image = _coarsen(image, float(rng.uniform(*settings.low_resolution_zoom)))
    return image


def _per_channel(image: Tensor, rng: np.random.Generator, low: float, high: float) -> Tensor:
    values = rng.uniform(low, high, image.shape[0]).astype(np.float32)
    return copied_to(image.device, torch.from_numpy(values)).reshape(-1, *[1] * (image.ndim - 1))


def _gamma(image: Tensor, power: Tensor) -> Tensor:
    space = tuple(range(1, image.ndim))
    low = image.amin(dim=space, keepdim=True)
    span = (image.amax(dim=space, keepdim=True) - low).clamp_min(1e-6)
    return ((image - low) / span).pow(power) * span + low


def _blur(image: Tensor, deviation: float) -> Tensor:
    """Separable Gaussian of `deviation` voxels, radius 2, as weighted sums of shifted views."""
    weights = [math.exp(-0.5 * (distance / deviation) ** 2) for distance in range(-2, 3)]
    for axis in range(1, image.ndim):
        size = image.shape[axis]
        first, last = image.narrow(axis, 0, 1), image.narrow(axis, size - 1, 1)
        padded = torch.cat([first, first, image, last, last], dim=axis)
        image = padded.narrow(axis, 0, size) * (weights[0] / sum(weights))
        for shift in range(1, 5):
            image.add_(padded.narrow(axis, shift, size), alpha=weights[shift] / sum(weights))
    return image


def _coarsen(image: Tensor, zoom: float) -> Tensor:
    """Take the nearest voxels of a grid `zoom` times as fine, and interpolate linearly back."""
    space = tuple(image.shape[1:])
    coarse = tuple(max(1, round(size * zoom)) for size in space)
    kept = F.interpolate(image[None], size=coarse, mode="nearest-exact")
    mode = "trilinear" if len(space) == 3 else "bilinear"
    return F.interpolate(kept, size=space, mode=mode, align_corners=False)[0]
