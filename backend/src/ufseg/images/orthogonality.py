"""Axes that are orthogonal but for rounding, and axes that are not."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ufseg.errors import GeometryError

# Cosines between axes up to this are rounding of headers in float32.
ROUNDING = 1e-5
# Axes this far from orthogonal move no voxel by more than half the smallest one; beyond, the volume is sheared.
LARGEST_SHIFT = 0.5


def closest_orthogonal(
    axes: NDArray[np.float64], size: tuple[int, ...], spacing: tuple[float, ...], name: str
) -> NDArray[np.float64]:
    """The orthonormal axes nearest to `axes` (polar decomposition), for a volume that turns about its centre.

    Args:
        axes: ``[n, n]``, columns of length 1.
        size, spacing: voxels and millimetres along each axis.
        name: the image, for the message.

    Raises:
        GeometryError: a corner would move by more than half the smallest voxel spacing.
    """
    u, _, v = np.linalg.svd(axes)
    closest: NDArray[np.float64] = u @ v
    half = (np.asarray(size) - 1) / 2 * np.asarray(spacing)
    shift = float((np.abs(axes - closest) @ half).max())
    if shift > LARGEST_SHIFT * min(spacing):
        cosine = float(np.abs(axes.T @ axes - np.eye(len(axes))).max())
        raise GeometryError(
            f"The axes of {name} are sheared by {np.degrees(np.arcsin(min(1.0, cosine))):.3g} degrees, which moves its "
            f"corners by {shift:.3g} mm; only right angles are supported. Resample the image first (in 3D Slicer: "
            "Resample Scalar/Vector/DWI Volume)."
        )
    return closest


def is_orthogonal(axes: NDArray[np.float64]) -> bool:
    """Whether the columns are orthonormal up to the rounding of a header."""
    return bool(np.abs(axes.T @ axes - np.eye(len(axes))).max() <= ROUNDING)
