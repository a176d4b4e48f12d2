"""Images hold numbers only."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ufseg.errors import ImageError


def require_finite(array: NDArray[Any], path: Path) -> None:
    """Check that no value is NaN or infinite.

    Args:
        array: any shape whose last axis is i, the one before j, and so on.
        path: the image, for the message.

    Raises:
        ImageError: naming how many there are and where the first is.
    """
    if array.dtype.kind != "f":
        return
    finite = np.isfinite(array)
    if finite.all():
        return
    count = int(array.size - np.count_nonzero(finite))
    first = tuple(int(v) for v in np.unravel_index(int(np.argmin(finite)), finite.shape)[::-1][:3])
    several = count > 1
    raise ImageError(
        f"{path} holds {count} value{'s' if several else ''} that {'are' if several else 'is'} NaN or infinite "
        f"({'the first ' if several else ''}at voxel {first}) out of {array.size}. Replace them by real intensities "
        "and give the image again."
    )
