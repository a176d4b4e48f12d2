"""Distances between the surfaces of two masks: the 95th percentile Hausdorff distance and surface Dice.

A surface consists of elements at the corners of the voxels, one wherever the 2 × 2 (× 2) voxels around a corner are
not all alike, each with the area (2D: length) of the surface that runs through it. So distances and shares are of
surface in millimetres and not of voxels, which on anisotropic grids differ: where slices are thick, a voxel at the
side of a structure stands for more surface than one on top.

Source: Nikolov et al., "Clinically applicable segmentation of head and neck anatomy for radiotherapy", J Med Internet
Res 23(7), 2021, doi 10.2196/26151 (surface Dice, surface elements); areas from MONAI. How implementations differ where
they count voxels: Podobnik and Vrtovec, arXiv 2410.02630.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray
from scipy.spatial import KDTree

# Spacings from headers in single precision make distances a little longer or shorter than meant.
ROUNDING_MM = 1e-4
# An element is far if it is farther than this many voxels from the other surface; more of them than this are many.
FAR_STEPS = 16
MANY_FAR = 200


@dataclass(frozen=True)
class SurfaceDistances:
    """Distance of every surface element of each mask to the other's surface.

    Args:
        of_prediction, of_reference: millimetres, ``[elements]``.
        prediction_areas, reference_areas: square millimetres (2D: millimetres), ``[elements]``.
    """

    of_prediction: NDArray[np.float64]
    of_reference: NDArray[np.float64]
    prediction_areas: NDArray[np.float64]
    reference_areas: NDArray[np.float64]

    def hausdorff(self, percent: float = 95.0) -> float:
        """The larger of the two directed distances within which `percent` of a surface's area lies, in millimetres.

        The percentile is taken in each direction by itself: pooled, the larger surface would hide the smaller one's
        distances.
        """
        return max(
            _percentile(self.of_prediction, self.prediction_areas, percent),
            _percentile(self.of_reference, self.reference_areas, percent),
        )

    def surface_dice(self, tolerance: float) -> float:
        """Share of both surfaces' area, in 0..1, that lies within `tolerance` millimetres of the other surface."""
        near = tolerance + ROUNDING_MM
        within = (
            self.prediction_areas[self.of_prediction <= near].sum()
            + self.reference_areas[self.of_reference <= near].sum()
        )
        return float(within / (self.prediction_areas.sum() + self.reference_areas.sum()))


def surface_distances(
    prediction: NDArray[np.bool_], reference: NDArray[np.bool_], spacing: Sequence[float]
) -> SurfaceDistances:
    """Measure two masks that both hold voxels.

    What lies outside the arrays is background: a structure that the image cuts off has a surface there.

    Args:
        prediction: ``[(k,) j, i]``; crop both to the box around what they hold, which changes nothing but the time.
        reference: the same shape.
        spacing: millimetres along the axes of the arrays, ``(k,) j, i``.

    Raises:
        ValueError: a mask is empty, or shapes differ.
    """
    if prediction.shape != reference.shape or prediction.ndim != len(spacing):
        raise ValueError(f"shapes {prediction.shape}, {reference.shape} and spacing {tuple(spacing)} do not match")
    predicted, predicted_areas = _elements(prediction, spacing)
    wanted, wanted_areas = _elements(reference, spacing)
    if not predicted_areas.size or not wanted_areas.size:
        raise ValueError("an empty mask has no surface")
    return SurfaceDistances(
        of_prediction=_nearest(predicted, wanted, spacing),
        of_reference=_nearest(wanted, predicted, spacing),
        prediction_areas=predicted_areas,
        reference_areas=wanted_areas,
    )


def _elements(mask: NDArray[np.bool_], spacing: Sequence[float]) -> tuple[NDArray[np.bool_], NDArray[np.float64]]:
    """Where the voxel corners of a surface are, ``[n + 1, …]``, and the area of each, in that order."""
    areas, weights = _areas(tuple(float(s) for s in spacing))
    padded = np.pad(mask, 1).view(np.uint8)
    code = np.zeros([n + 1 for n in mask.shape], dtype=np.uint8)
    for offset, weight in np.ndenumerate(weights):
        around = tuple(slice(o, o + n) for o, n in zip(offset, code.shape, strict=True))
        code += padded[around] * weight
    surface: NDArray[np.bool_] = (code != 0) & (code != len(areas) - 1)
    return surface, areas[code[surface]]


@lru_cache(maxsize=16)
def _areas(spacing: tuple[float, ...]) -> tuple[NDArray[np.float64], NDArray[np.uint8]]:
    """Area of a surface element for each of the 16 (256) patterns of the voxels around a corner, and their weights."""
    from monai.metrics.utils import get_code_to_measure_table

    table, kernel = get_code_to_measure_table(spacing)
    weights: NDArray[Any] = kernel.numpy().reshape((2,) * len(spacing))
    return table.numpy().astype(np.float64), weights.astype(np.uint8)


def _nearest(here: NDArray[np.bool_], there: NDArray[np.bool_], spacing: Sequence[float]) -> NDArray[np.float64]:
    """Distance of each element of `here` to the nearest of `there`, in millimetres.

    Elements that both surfaces share need no search. For near ones a k-d tree over the elements needs neither the time
    nor the memory of a distance at every voxel; a far one, with much of the other surface about equally far, would
    visit most of the tree, so that many of them are looked up in a distance map.
    """
    shared = there[here]
    distances = np.zeros(shared.size)
    if shared.all():
        return distances
    steps = np.asarray(spacing, dtype=np.float64)
    points = np.argwhere(here & ~there) * steps
    tree = KDTree(np.argwhere(there) * steps, leafsize=32)
    reach = FAR_STEPS * float(np.prod(steps)) ** (1 / steps.size)
    found: NDArray[np.float64] = np.asarray(tree.query(points, distance_upper_bound=reach)[0])
    far = np.isinf(found)
    if np.count_nonzero(far) > MANY_FAR:
        found[far] = _from_distance_map(here & ~there, there, spacing)[far]
    elif far.any():
        found[far] = tree.query(points[far])[0]
    distances[~shared] = found
    return distances


def _from_distance_map(
    here: NDArray[np.bool_], there: NDArray[np.bool_], spacing: Sequence[float]
) -> NDArray[np.float32]:
    """Distance of each element of `here` to the nearest of `there` in millimetres, to about a ten-thousandth.

    ITK's map needs a third of the time and a quarter of the memory of scipy's, which keeps indices for all axes.
    """
    image = sitk.GetImageFromArray(there.view(np.uint8))
    image.SetSpacing([float(s) for s in reversed(spacing)])
    signed = sitk.SignedMaurerDistanceMap(image, insideIsPositive=False, squaredDistance=False, useImageSpacing=True)
    del image
    distances: NDArray[np.float32] = np.abs(sitk.GetArrayViewFromImage(signed)[here])
    return distances


def _percentile(distances: NDArray[np.float64], areas: NDArray[np.float64], percent: float) -> float:
    """The smallest distance within which `percent` of the area lies."""
    order = np.argsort(distances, kind="stable")
    covered = np.cumsum(areas[order])
    # A share that is met exactly must not be missed by rounding.
    enough = percent / 100 * covered[-1] * (1 - 1e-9)
    return float(distances[order][np.searchsorted(covered, enough)])
