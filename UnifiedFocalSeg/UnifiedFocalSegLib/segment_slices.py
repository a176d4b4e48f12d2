"""Where a view has to stand to show a segment: offsets of the slices that contain it."""

from __future__ import annotations

import numpy as np

# Cosine above which a view counts as lying along an axis of the volume: half a degree.
_ALONG_AXIS = 0.99996
_PIECE = 1 << 20


def occupied_offsets(mask: np.ndarray, ijk_to_world: np.ndarray, normal: np.ndarray) -> tuple[np.ndarray, float]:
    """Offsets of a view's slices that contain voxels of a mask.

    A view along an axis of the volume, however oblique the volume lies, gets exactly the centres of its voxel layers.
    Any other view gets steps of the smallest spacing.

    Args:
        mask: bool ``[k, j, i]``.
        ijk_to_world: ``[4, 4]``, voxel indices to world RAS millimetres, parent transform included.
        normal: ``[3]`` direction in which the view's slices are counted, RAS; of any length.

    Returns:
        The offsets in ascending order, millimetres along `normal` from the world's origin, and the distance of
        neighbouring slices in millimetres.
    """
    unit = np.asarray(normal, dtype=float) / np.linalg.norm(normal)
    axes = ijk_to_world[:3, :3]
    spacing = np.linalg.norm(axes, axis=0)
    cosines = unit @ (axes / spacing)
    axis = int(np.abs(cosines).argmax())
    if abs(cosines[axis]) > _ALONG_AXIS:
        others = tuple(a for a in range(3) if a != 2 - axis)
        indices = np.flatnonzero(mask.any(axis=others))
        return np.sort(_along_axis(mask.shape, ijk_to_world, unit, axis, indices)), float(spacing[axis])
    step = float(spacing.min())
    return (_occupied_bins(mask, ijk_to_world, unit, step) + 0.5) * step, step


def neighbour(offsets: np.ndarray, step: float, present: float, direction: int) -> float | None:
    """The next offset before (`direction` −1) or after (+1) the present one that shows another slice; None at the end.

    Args:
        offsets: ascending, millimetres.
        step: distance of neighbouring slices, millimetres; the slice that is shown reaches half of it to either side.
        present: offset of the view, millimetres.
        direction: −1 or +1.
    """
    reach = 0.5 * step
    found = offsets[offsets > present + reach] if direction > 0 else offsets[offsets < present - reach]
    if not len(found):
        return None
    return float(found[0] if direction > 0 else found[-1])


def _along_axis(
    shape: tuple[int, ...], ijk_to_world: np.ndarray, unit: np.ndarray, axis: int, indices: np.ndarray
) -> np.ndarray:
    """Offsets of voxel layers at the volume's middle, where a slight tilt of the view matters least."""
    middle = (np.asarray(shape[::-1], dtype=float) - 1) / 2
    points = np.tile(np.append(middle, 1.0), (len(indices), 1))
    points[:, axis] = indices
    return points @ ijk_to_world[:3].T @ unit


def _occupied_bins(mask: np.ndarray, ijk_to_world: np.ndarray, unit: np.ndarray, step: float) -> np.ndarray:
    """Numbers of the steps along `unit` in which voxel centres of the mask lie, ascending."""
    towards, begin = unit @ ijk_to_world[:3, :3], float(unit @ ijk_to_world[:3, 3])
    voxels = np.flatnonzero(mask)
    found: set[int] = set()
    for first in range(0, len(voxels), _PIECE):
        k, j, i = np.unravel_index(voxels[first : first + _PIECE], mask.shape)
        found.update(np.unique(np.floor((begin + i * towards[0] + j * towards[1] + k * towards[2]) / step)).tolist())
    return np.array(sorted(found), dtype=float)
