"""Overlapping windows over an image and their blending."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

OVERLAP = 0.5
# Standard deviation of the blending weight, as a share of the window; nnU-Net's value.
SIGMA = 0.125
# The weight's least value relative to its middle, so that corners seen by one window only stay well scaled.
FLOOR = 1e-3


def window_starts(size: int, window: int, overlap: float = OVERLAP) -> list[int]:
    """First voxels of the fewest windows, evenly spaced, that cover `size` voxels with at least `overlap`.

    Args:
        size: length of the image along an axis, at least `window`.
        window: length of the window.
        overlap: share of a window that its neighbour covers too, 0 to below 1.
    """
    if size <= window:
        return [0]
    steps = math.ceil((size - window) / (window * (1 - overlap)))
    return [round(step * (size - window) / steps) for step in range(steps + 1)]


def blending_weight(window: Sequence[int], device: torch.device) -> Tensor:
    """Gaussian ``[*window]``, largest in the middle, where the network sees the most around a voxel."""
    weight = torch.ones(*window, device=device)
    for axis, length in enumerate(window):
        position = torch.arange(length, device=device, dtype=torch.float32) - (length - 1) / 2
        profile = torch.exp(-0.5 * (position / (SIGMA * length)) ** 2)
        weight = weight * profile.reshape([-1 if a == axis else 1 for a in range(len(window))])
    return weight.clamp_min(FLOOR * float(weight.max()))


def sliding_window(
    image: Tensor,
    window: Sequence[int],
    predict: Callable[[Tensor], Tensor],
    channels: int,
    on_window: Callable[[int, int], None],
    overlap: float = OVERLAP,
) -> Tensor:
    """Blend the predictions of overlapping windows.

    Args:
        image: ``[channel, *space]``. Where it is smaller than a window it is padded with zeros on both sides.
        window: the network's input size.
        predict: maps ``[1, channel, *window]`` to ``[1, channels, *window]``.
        channels: of the prediction.
        on_window: called with (windows done, windows in all) before each window; may raise to stop.
        overlap: see `window_starts`.

    Returns:
        ``[channels, *space]`` float32, the weighted mean of all windows' predictions.
    """
    space = image.shape[1:]
    missing = [max(0, w - s) for s, w in zip(space, window, strict=True)]
    before = [m // 2 for m in missing]
    padding = [p for m, b in zip(reversed(missing), reversed(before), strict=True) for p in (b, m - b)]
    padded = F.pad(image, padding)
    starts = [window_starts(s, w, overlap) for s, w in zip(padded.shape[1:], window, strict=True)]
    places = list(itertools.product(*starts))
    weight = blending_weight(window, image.device)
    total = torch.zeros(channels, *padded.shape[1:], device=image.device)
    weights = torch.zeros(1, *padded.shape[1:], device=image.device)
    for done, place in enumerate(places):
        on_window(done, len(places))
        box = (slice(None), *(slice(p, p + w) for p, w in zip(place, window, strict=True)))
        total[box] += predict(padded[box][None])[0].float() * weight
        weights[box] += weight
    inner = (slice(None), *(slice(b, b + s) for b, s in zip(before, space, strict=True)))
    # In place: with many classes this is the largest array of a prediction.
    return total[inner].div_(weights[inner])
