"""Volumes as stacks of slices, for 2D plans."""

from __future__ import annotations

from typing import TypeVar

import numpy as np

from ufseg.images.geometry import Geometry
from ufseg.images.image import Image, LabelMap

Volume = TypeVar("Volume", Image, LabelMap)


def split_slices(volume: Volume) -> list[Volume]:
    """The slices along the third axis k, each a volume one slice thick that keeps its place in the patient.

    Args:
        volume: image ``[channel, k, j, i]`` or label map ``[k, j, i]``.
    """
    geometry: Geometry = volume.geometry
    axis = volume.array.ndim - 3
    return [
        type(volume)(
            np.take(volume.array, [k], axis=axis),
            Geometry(
                size=(*geometry.size[:2], 1),
                spacing=geometry.spacing,
                origin=tuple(geometry.position((0, 0, k)).tolist()),
                direction=geometry.direction,
            ),
        )
        for k in range(geometry.size[2])
    ]
