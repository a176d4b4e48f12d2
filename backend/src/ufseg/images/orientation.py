"""Turning images to the axes closest to the patient's, and back."""

from __future__ import annotations

from itertools import permutations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ufseg.errors import GeometryError
from ufseg.images.geometry import Geometry


def to_canonical(array: NDArray[Any], geometry: Geometry) -> tuple[NDArray[Any], Geometry]:
    """Permute and flip axes so that i, j, k run as closely as possible to left, posterior, superior.

    Nothing is interpolated: each voxel keeps its place in the patient. 2D images stay as they are.

    Args:
        array: ``[..., k, j, i]``.
        geometry: its grid.

    Returns:
        A view of `array` with the turned axes, and its grid.

    Raises:
        GeometryError: the array's last axes are not the geometry's.
    """
    _require_shape(array, geometry)
    if geometry.ndim == 2:
        return array, geometry
    order, flipped = _turn(geometry)
    # Index of the new first voxel in the old image, and the old axes in their new order and sense.
    corner = [0.0] * geometry.ndim
    signs = np.ones(geometry.ndim)
    for new, old in enumerate(order):
        if flipped[new]:
            corner[old] = geometry.size[old] - 1.0
            signs[new] = -1.0
    matrix = geometry.matrix[:, list(order)] * signs
    turned = Geometry(
        size=tuple(geometry.size[a] for a in order),
        spacing=tuple(geometry.spacing[a] for a in order),
        origin=tuple(geometry.position(tuple(corner)).tolist()),
        direction=tuple(matrix.reshape(-1).tolist()),
    )
    view = _permute(array, order)
    return np.flip(view, tuple(view.ndim - 1 - new for new in range(geometry.ndim) if flipped[new])), turned


def from_canonical(array: NDArray[Any], canonical: Geometry, original: Geometry) -> NDArray[Any]:
    """Undo `to_canonical`.

    Args:
        array: ``[..., k, j, i]`` on the `canonical` grid.
        canonical: what `to_canonical` returned for `original`.
        original: the grid to return to.

    Returns:
        A view of `array` with `original`'s axes.

    Raises:
        GeometryError: `array` does not have the canonical shape, or `canonical` is not `original` turned.
    """
    _require_shape(array, canonical)
    if original.ndim == 2:
        return array
    order, flipped = _turn(original)
    if tuple(original.size[a] for a in order) != canonical.size:
        raise GeometryError(
            f"A grid of size {canonical.size} cannot be turned back to one of size {original.size}. "
            "Give the geometry that to_canonical returned for this image."
        )
    unflipped = np.flip(array, tuple(array.ndim - 1 - new for new in range(original.ndim) if flipped[new]))
    inverse = tuple(order.index(old) for old in range(original.ndim))
    return _permute(unflipped, inverse)


def _turn(geometry: Geometry) -> tuple[tuple[int, ...], tuple[bool, ...]]:
    """For each canonical axis the image axis that lies closest to it, and whether it runs the other way."""
    cosines = geometry.matrix
    # All six assignments are compared, since the closest axis of each alone may be the same one twice. Rounding
    # keeps the choice stable for axes at 45 degrees, whatever the last bit of the header says.
    order = max(
        permutations(range(geometry.ndim)),
        key=lambda axes: round(sum(abs(float(cosines[p, a])) for p, a in enumerate(axes)), 6),
    )
    return order, tuple(bool(cosines[p, a] < 0) for p, a in enumerate(order))


def _permute(array: NDArray[Any], order: tuple[int, ...]) -> NDArray[Any]:
    """Bring the spatial axes (given as i, j, k = 0, 1, 2) of ``[..., k, j, i]`` into `order`."""
    lead = array.ndim - len(order)
    last = array.ndim - 1
    return np.transpose(array, [*range(lead), *[last - a for a in reversed(order)]])


def _require_shape(array: NDArray[Any], geometry: Geometry) -> None:
    if tuple(array.shape[-geometry.ndim :]) != geometry.array_shape:
        raise GeometryError(
            f"An array of shape {tuple(array.shape)} does not end with its geometry's shape {geometry.array_shape}. "
            "Give both of the same image."
        )
