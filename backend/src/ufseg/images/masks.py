"""Mask pictures: binary annotations kept as black-and-white images."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ufseg.errors import LabelError

WHITE = 255


def mask_of(channels: NDArray[Any], path: Path) -> NDArray[np.bool_]:
    """Where a mask picture is white.

    Published masks are black and white; where they were scaled or compressed, greys line the border. As usual, the
    border is taken at half of white.

    Args:
        channels: ``[channel, j, i]``, grey or colour with equal channels, 0 to 255; a fourth channel is transparency
            and not looked at.
        path: for messages.

    Returns:
        ``[j, i]``.

    Raises:
        LabelError: coloured, or of another range.
    """
    grey = channels[0]
    if any((channel != grey).any() for channel in channels[1:3]):
        raise LabelError(f"The mask {path} is coloured; a mask is black and white. Give the mask, not the image.")
    low, high = float(grey.min()), float(grey.max())
    if low < 0 or high > WHITE or 0 < high < WHITE / 2:
        raise LabelError(
            f"The mask {path} holds values from {low:g} to {high:g}; a mask picture is 0 and {WHITE}. Multiply it so "
            f"that what is marked has {WHITE}."
        )
    return np.asarray(grey > WHITE / 2)
