"""Where voxels lie in the patient."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, model_validator
from typing_extensions import Self

from ufseg.errors import GeometryError

# Relative to the voxel: positions that differ by less than this share of a voxel are the same grid. Headers
# stored as float32 (NIfTI) move a far corner by up to about 1e-4 voxel.
GRID_TOLERANCE = 1e-2


class Geometry(BaseModel):
    """Grid of an image in ITK's convention: axes i, j(, k), millimetres, LPS patient axes.

    Note that arrays are indexed the other way round, ``[k, j, i]``: see `array_shape`.

    Args:
        size: voxels along i, j(, k); each at least 1.
        spacing: millimetres between voxel centres along i, j(, k); each above 0.
        origin: centre of the first voxel, LPS millimetres.
        direction: row-major square matrix whose columns are the unit vectors of i, j(, k) in LPS.

    Source: https://itk.org/ITKSoftwareGuide/html/Book1/ITKSoftwareGuide-Book1ch4.html (image origin, spacing,
    direction).
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    size: tuple[int, ...]
    spacing: tuple[float, ...]
    origin: tuple[float, ...]
    direction: tuple[float, ...]

    @model_validator(mode="after")
    def _check(self) -> Self:
        n = len(self.size)
        if n not in (2, 3) or len(self.spacing) != n or len(self.origin) != n or len(self.direction) != n * n:
            raise ValueError(
                f"a geometry needs 2 or 3 axes everywhere; got size {self.size}, spacing {self.spacing}, "
                f"origin {self.origin}, {len(self.direction)} direction numbers"
            )
        if min(self.size) < 1:
            raise ValueError(f"the size {self.size} has an empty axis")
        numbers = (*self.spacing, *self.origin, *self.direction)
        if not np.all(np.isfinite(numbers)) or min(self.spacing) <= 0:
            raise ValueError(f"spacing {self.spacing}, origin {self.origin} must be finite and spacing above 0")
        if abs(float(np.linalg.det(self.matrix))) < 1e-3:
            raise ValueError(f"the direction {self.direction} is singular: two image axes point the same way")
        return self

    @property
    def ndim(self) -> int:
        """Number of spatial axes, 2 or 3."""
        return len(self.size)

    @property
    def array_shape(self) -> tuple[int, ...]:
        """Shape of the matching numpy array, ``(k, j, i)`` or ``(j, i)``."""
        return tuple(reversed(self.size))

    @property
    def matrix(self) -> NDArray[np.float64]:
        """Direction as an ``[n, n]`` matrix; columns are the axes i, j(, k)."""
        return np.asarray(self.direction, dtype=np.float64).reshape(self.ndim, self.ndim)

    @property
    def voxel_ml(self) -> float:
        """Volume of a voxel in millilitres (2D: area in square centimetres)."""
        return float(np.prod(self.spacing)) / 10.0**self.ndim

    def position(self, index: tuple[float, ...]) -> NDArray[np.float64]:
        """LPS millimetres of the (fractional) voxel index ``(i, j(, k))``."""
        steps = np.asarray(index, dtype=np.float64) * np.asarray(self.spacing, dtype=np.float64)
        position: NDArray[np.float64] = np.asarray(self.origin, dtype=np.float64) + self.matrix @ steps
        return position

    def difference(self, other: Geometry) -> str | None:
        """None if both describe the same grid, else the first difference with its numbers.

        The ends of the axes are compared rather than header fields, so that rounding is judged by the voxels it moves.
        """
        if self.size != other.size:
            return f"size {_numbers(self.size)} against {_numbers(other.size)}"
        voxel = min(min(self.spacing), min(other.spacing))
        if not np.allclose(self.spacing, other.spacing, rtol=GRID_TOLERANCE / max(self.size), atol=0):
            return f"spacing {_numbers(self.spacing)} mm against {_numbers(other.spacing)} mm"
        # Each axis by itself: along a diagonal, exchanged axes of a cube would go unnoticed.
        reach = np.asarray(self.size) - 1
        moved = {
            "origin": np.asarray(self.origin) - np.asarray(other.origin),
            "direction": (self.matrix * self.spacing - other.matrix * other.spacing) * reach,
        }
        for field, shift in moved.items():
            if float(np.abs(shift).max()) > GRID_TOLERANCE * voxel:
                return f"{field} {_numbers(getattr(self, field))} against {_numbers(getattr(other, field))}"
        return None

    def require_same(self, other: Geometry, mine: str, theirs: str, hint: str) -> None:
        """Raise GeometryError, naming both images, the numbers and `hint` (the next step), if grids differ."""
        difference = self.difference(other)
        if difference is not None:
            raise GeometryError(f"{mine} and {theirs} lie on different grids: {difference}. {hint}")

    def apply_to(self, image: Any) -> None:
        """Set spacing, origin and direction of a SimpleITK image of the same size."""
        image.SetSpacing(self.spacing)
        image.SetOrigin(self.origin)
        image.SetDirection(self.direction)

    @classmethod
    def of(cls, image: Any) -> Geometry:
        """Geometry of a 2D or 3D SimpleITK image."""
        return cls(
            size=tuple(image.GetSize()),
            spacing=tuple(image.GetSpacing()),
            origin=tuple(image.GetOrigin()),
            direction=tuple(image.GetDirection()),
        )


def _numbers(values: tuple[float, ...]) -> str:
    return "(" + ", ".join(f"{v:.7g}" for v in values) + ")"
