"""Where the voxels of a volume lie, in the convention of the wire: ITK's LPS millimetres."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import vtk

from .translation import tr as _

# Slicer's scene is RAS, the wire is LPS: the first two patient axes point the other way. It is its own inverse.
_RAS_LPS = np.diag([-1.0, -1.0, 1.0, 1.0])

# A grid is the same if no voxel moves by more than this share of a voxel; float32 headers move far corners by 1e-4.
GRID_TOLERANCE = 1e-2


@dataclass(frozen=True)
class Geometry:
    """A three-dimensional grid.

    Args:
        size: voxels along i, j, k.
        spacing: millimetres between voxel centres along i, j, k.
        origin: centre of the first voxel, LPS millimetres.
        direction: row-major 3×3 matrix whose columns are the unit vectors of i, j, k in LPS.
    """

    size: tuple[int, ...]
    spacing: tuple[float, ...]
    origin: tuple[float, ...]
    direction: tuple[float, ...]

    @property
    def array_shape(self) -> tuple[int, ...]:
        """Shape of the matching numpy array, ``(k, j, i)``."""
        return tuple(reversed(self.size))

    @property
    def ijk_to_lps(self) -> np.ndarray:
        """``[4, 4]`` matrix from voxel indices to LPS millimetres."""
        matrix = np.eye(4)
        matrix[:3, :3] = np.asarray(self.direction).reshape(3, 3) * np.asarray(self.spacing)
        matrix[:3, 3] = self.origin
        return matrix

    @property
    def ijk_to_ras(self) -> np.ndarray:
        """``[4, 4]`` matrix from voxel indices to Slicer's RAS millimetres."""
        return _RAS_LPS @ self.ijk_to_lps

    @classmethod
    def from_ijk_to_ras(cls, matrix: np.ndarray, size: tuple[int, ...]) -> Geometry:
        """Geometry of a grid given by Slicer's ``[4, 4]`` IJK to RAS matrix and its voxels along i, j, k."""
        lps = _RAS_LPS @ matrix
        spacing = np.linalg.norm(lps[:3, :3], axis=0)
        return cls(
            size=tuple(int(s) for s in size),
            spacing=tuple(float(s) for s in spacing),
            origin=tuple(float(o) for o in lps[:3, 3]),
            direction=tuple(float(d) for d in (lps[:3, :3] / spacing).reshape(-1)),
        )

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Geometry:
        """Geometry as the service writes it; a two-dimensional one becomes a single slice."""
        size, spacing, origin = list(data["size"]), list(data["spacing"]), list(data["origin"])
        direction = np.asarray(data["direction"], dtype=float)
        if len(size) == 2:
            size, spacing, origin = [*size, 1], [*spacing, 1.0], [*origin, 0.0]
            flat, direction = direction.reshape(2, 2), np.eye(3)
            direction[:2, :2] = flat
        return cls(tuple(size), tuple(spacing), tuple(origin), tuple(direction.reshape(-1)))

    @property
    def voxel_mm3(self) -> float:
        """Volume of a voxel, cubic millimetres."""
        return float(np.prod(self.spacing))

    def part(self, start: tuple[int, ...], stop: tuple[int, ...]) -> Geometry:
        """Grid of the box from the voxel `start` to the one before `stop` (i, j, k)."""
        origin = self.ijk_to_lps @ np.array([*start, 1.0])
        size = tuple(b - a for a, b in zip(start, stop, strict=True))
        return replace(self, size=size, origin=tuple(float(o) for o in origin[:3]))

    def largest_angle_error(self) -> float:
        """By how many degrees the worst pair of axes misses being perpendicular."""
        axes = np.asarray(self.direction).reshape(3, 3)
        cosines = np.abs(axes.T @ axes - np.eye(3))
        return float(np.degrees(np.arcsin(min(1.0, float(cosines.max())))))

    def difference(self, other: Geometry) -> str | None:
        """None if both are the same grid, else what differs, with the numbers."""
        if self.size != other.size:
            return _("size {mine} against {theirs}").format(mine=_numbers(self.size), theirs=_numbers(other.size))
        if self.largest_shift(other) <= GRID_TOLERANCE:
            return None
        for words, mine, theirs in (
            (_("spacing {mine} against {theirs}"), self.spacing, other.spacing),
            (_("direction {mine} against {theirs}"), self.direction, other.direction),
            (_("origin {mine} against {theirs}"), self.origin, other.origin),
        ):
            if not np.allclose(mine, theirs, rtol=1e-5, atol=1e-5):
                return words.format(mine=_numbers(mine), theirs=_numbers(theirs))
        return _("a corner lies {shift:.3g} voxels apart").format(shift=self.largest_shift(other))

    def largest_shift(self, other: Geometry) -> float:
        """How many of the smallest voxel edges the farthest corner moves from this grid to `other`."""
        last = np.asarray(self.size, dtype=float) - 1
        corners = np.array([[x, y, z, 1.0] for x in (0, last[0]) for y in (0, last[1]) for z in (0, last[2])]).T
        moved = (self.ijk_to_lps - other.ijk_to_lps) @ corners
        return float(np.linalg.norm(moved[:3], axis=0).max() / min(*self.spacing, *other.spacing))


def to_numpy(matrix: vtk.vtkMatrix4x4) -> np.ndarray:
    """``[4, 4]`` array of a VTK matrix."""
    return np.array([[matrix.GetElement(row, column) for column in range(4)] for row in range(4)])


def to_vtk(matrix: np.ndarray) -> vtk.vtkMatrix4x4:
    """VTK matrix of a ``[4, 4]`` array."""
    result = vtk.vtkMatrix4x4()
    for row in range(4):
        for column in range(4):
            result.SetElement(row, column, float(matrix[row, column]))
    return result


def _numbers(values: tuple[float, ...]) -> str:
    return "(" + ", ".join(f"{v:.6g}" for v in values) + ")"
