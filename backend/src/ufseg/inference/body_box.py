"""The box of an image that holds the body, so that no time is spent on the air around it.

A box is only taken where it is safe. A structure outside it would be lost, so the margin is generous and what is
unsure stays in:

- CT, if everything that the model was trained to find is denser than `CT_AIR`: the box of all voxels above it. The
  table and other objects only make it larger. A model of lungs or airways, whose voxels may be as dark as air, gets no
  such box.
- MRI: the corners of the image show what nothing looks like; if they are dark (at most `DARK` of the bright end of the
  image), the box of all voxels more than twice as bright as the brightest corner voxel.
- Everything else, and where the above is unsure: borders in which every voxel has exactly the same value (the fill of a
  reconstruction circle, of a resampled or a skull-stripped image).
"""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ufseg.images.geometry import Geometry
from ufseg.images.image import Image
from ufseg.plans.plan import HuWindow, Plan

CT_AIR = -500.0  # Hounsfield units; air is −1000, lung about −850, fat −100
CT_CLEARANCE = 100.0  # by which the darkest labelled voxels must lie above it
DARK = 0.05
BRIGHT_PERCENTILE = 99.5
CORNER = 0.08  # edge of the eight corner boxes, as a share of the image's
MARGIN_MM = 20.0
MARGIN_VOXELS = 8
SAMPLE_MM = 3.0  # no body is thinner, and the margin is far wider
WORTH = 0.9  # a box of more than this share of the image saves nothing

Box = tuple[slice, ...]


def body_box(image: Image, plan: Plan) -> Box | None:
    """Where the body is, with a margin of 20 mm and at least 8 voxels on all sides.

    Args:
        image: as read, ``[channel, (k,) j, i]``.
        plan: tells the modality and, for CT, how dark the labelled voxels are.

    Returns:
        Slices along ``(k,) j, i``, or None where the whole image should be used.
    """
    ranges = _above_background(image, plan) or _not_constant(image.array)
    if ranges is None:
        return None
    box = []
    for (first, last), length, spacing in zip(
        ranges, image.geometry.array_shape, reversed(image.geometry.spacing), strict=True
    ):
        margin = max(MARGIN_VOXELS, int(np.ceil(MARGIN_MM / spacing)))
        box.append(slice(max(0, first - margin), min(length, last + 1 + margin)))
    share = np.prod([float(s.stop - s.start) for s in box]) / np.prod(image.geometry.array_shape, dtype=float)
    return tuple(box) if share <= WORTH else None


def whole_box(image: Image) -> Box:
    """The box that leaves nothing out."""
    return tuple(slice(0, n) for n in image.geometry.array_shape)


def cut(image: Image, box: Box) -> Image:
    """The part of an image in a box: a view, with its place in the patient."""
    start = tuple(float(s.start) for s in reversed(box))
    grid = image.geometry
    geometry = Geometry(
        size=tuple(s.stop - s.start for s in reversed(box)),
        spacing=grid.spacing,
        origin=tuple(grid.position(start).tolist()),
        direction=grid.direction,
    )
    everywhere = (slice(None), *box)
    return Image(image.array[everywhere], geometry)


def _above_background(image: Image, plan: Plan) -> list[tuple[int, int]] | None:
    """First and last index along each axis of what is brighter than air in any channel; None if unsure."""
    thresholds = [_threshold(channel, plan, number) for number, channel in enumerate(image.array)]
    steps = [max(1, int(SAMPLE_MM / spacing)) for spacing in reversed(image.geometry.spacing)]
    grid = tuple(slice(None, None, step) for step in steps)
    body = np.zeros([-(-n // s) for n, s in zip(image.geometry.array_shape, steps, strict=True)], dtype=bool)
    for channel, threshold in zip(image.array, thresholds, strict=True):
        if threshold is None:
            return None
        body |= channel[grid] > threshold
    found = _extent(body)
    if found is None:
        return None
    return [(first * step, last * step + step - 1) for (first, last), step in zip(found, steps, strict=True)]


def _threshold(channel: NDArray[Any], plan: Plan, number: int) -> float | None:
    """The value above which a voxel is no air, or None where that cannot be told."""
    how = plan.normalisation[number]
    if isinstance(how, HuWindow):
        return CT_AIR if how.low >= CT_AIR + CT_CLEARANCE else None
    if plan.modality != "MRI" or channel.ndim != 3:
        return None
    ends = [(slice(0, max(1, round(CORNER * n))), slice(-max(1, round(CORNER * n)), None)) for n in channel.shape]
    corners = [channel[box] for box in itertools.product(*ends)]
    # Magnitude images are never below 0; another scale has no black.
    if min(float(c.min()) for c in corners) < 0:
        return None
    brightest = max(float(c.max()) for c in corners)
    steps = tuple(slice(None, None, max(1, n // 64)) for n in channel.shape)
    bright = float(np.percentile(channel[steps], BRIGHT_PERCENTILE))
    return 2 * brightest if brightest <= DARK * bright else None


def _not_constant(array: NDArray[Any]) -> list[tuple[int, int]] | None:
    """First and last index along each axis of what differs from the first voxel's value in any channel."""
    differs = np.zeros(array.shape[1:], dtype=bool)
    for channel in array:
        differs |= channel != channel.flat[0]
    return _extent(differs)


def _extent(mask: NDArray[np.bool_]) -> list[tuple[int, int]] | None:
    """First and last index of True along each axis; None if there is none."""
    ranges = []
    for axis in range(mask.ndim):
        hit = np.flatnonzero(mask.any(axis=tuple(a for a in range(mask.ndim) if a != axis)))
        if len(hit) == 0:
            return None
        ranges.append((int(hit[0]), int(hit[-1])))
    return ranges
