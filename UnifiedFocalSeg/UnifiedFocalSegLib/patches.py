"""Only what changed of a label map goes to the backend, if the backend has what it was made from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from .comparison import changed_box
from .geometry import Geometry

# A box larger than this share of the volume saves too little to be worth a second way.
_WORTH_IT = 0.5


@dataclass(frozen=True)
class Base:
    """A label map that the backend has.

    Args:
        sha256: its name there.
        label: its voxels, uint8 ``[k, j, i]``.
    """

    sha256: str
    label: np.ndarray


def cut_out(
    label: np.ndarray, geometry: Geometry, base: Base | None
) -> tuple[np.ndarray, Geometry, dict[str, Any] | None]:
    """What to send of a label map: a box of it with the service's ``patch``, or all of it and None.

    Args:
        label: uint8 ``[k, j, i]``.
        geometry: its grid.
        base: what it was made from; None if the backend does not have it.
    """
    if base is None or base.label.shape != label.shape:
        return label, geometry, None
    # Without a change one voxel is sent all the same: the revision says that somebody approved the base.
    start, stop = changed_box(label, base.label) or ((0, 0, 0), (1, 1, 1))
    part = label[tuple(slice(a, b) for a, b in zip(reversed(start), reversed(stop), strict=True))]
    if part.size > _WORTH_IT * label.size:
        return label, geometry, None
    return np.ascontiguousarray(part), geometry.part(start, stop), {"base": base.sha256, "start": list(start)}
