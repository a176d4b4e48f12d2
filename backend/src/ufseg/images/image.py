"""Images and label maps in memory: an array and where it lies."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ufseg.errors import GeometryError, ImageError, LabelError
from ufseg.images.geometry import Geometry


@dataclass(frozen=True)
class Image:
    """One study: co-registered channels on one grid.

    Args:
        array: ``[channel, k, j, i]`` or ``[channel, j, i]``, any real dtype, finite.
        geometry: the grid of the spatial axes.

    Raises:
        GeometryError: the array's spatial shape is not the geometry's.
    """

    array: NDArray[Any]
    geometry: Geometry

    def __post_init__(self) -> None:
        _check_shape(self.array.shape[1:], self.geometry, "image")

    @property
    def channels(self) -> int:
        """Number of channels."""
        return int(self.array.shape[0])


@dataclass(frozen=True)
class LabelMap:
    """Class values per voxel.

    Args:
        array: ``[k, j, i]`` or ``[j, i]``, uint8 or uint16; 0 is background.
        geometry: the grid.

    Raises:
        GeometryError: the array's shape is not the geometry's.
        LabelError: the array is not of an unsigned integer type.
    """

    array: NDArray[Any]
    geometry: Geometry

    def __post_init__(self) -> None:
        _check_shape(self.array.shape, self.geometry, "label map")
        if self.array.dtype not in (np.uint8, np.uint16):
            raise LabelError(f"A label map must be uint8 or uint16, not {self.array.dtype}. Convert it first.")

    def counts(self) -> NDArray[np.int64]:
        """Voxels of each value, ``[256]`` for uint8 and ``[65536]`` for uint16."""
        length = np.iinfo(self.array.dtype).max + 1
        total = np.zeros(length, dtype=np.int64)
        # Slice by slice, since bincount makes an int64 copy of what it counts.
        for part in self.array:
            total += np.bincount(part.reshape(-1), minlength=length)
        return total

    def values(self) -> list[int]:
        """The class values that occur, background included, ascending."""
        return [int(v) for v in np.flatnonzero(self.counts())]


def stack_channels(images: list[Image], names: list[str]) -> Image:
    """One image of all channels of `images`, which must share a grid (`names` are used in messages).

    Raises:
        GeometryError: grids differ.
        ImageError: the list is empty.
    """
    if not images:
        raise ImageError("A case needs at least one image; none was given. Add its channel files.")
    for image, name in zip(images[1:], names[1:], strict=True):
        images[0].geometry.require_same(
            image.geometry, names[0], name, "Resample the channels to one grid and give them again."
        )
    if len(images) == 1:
        return images[0]
    return Image(np.concatenate([i.array for i in images]), images[0].geometry)


def _check_shape(shape: tuple[int, ...], geometry: Geometry, what: str) -> None:
    if tuple(shape) != geometry.array_shape:
        raise GeometryError(
            f"The {what}'s array has shape {tuple(shape)} but its geometry has {geometry.array_shape} "
            "(k, j, i). Give both of the same image."
        )
