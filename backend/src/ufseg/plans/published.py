"""Settings that the Unified Focal loss was published with, data set by data set.

Source: Yeung et al., Comput Med Imaging Graph 95, 2022 (arXiv 2102.04525), section 4 and table of data sets. That 2D
images are brought whole to the published input size, rather than cut into windows, is inferred from there being one
size for images of many.
"""

from __future__ import annotations

import re
from dataclasses import dataclass


@dataclass(frozen=True)
class Published:
    """One data set. Tuples are in array order ``(k, j, i)`` or ``(j, i)``.

    Args:
        name: of the data set.
        patch_size: what the network sees at once; of 2D images, the size to which they are resampled.
        spacing: millimetres of volumes; None for 2D images.
        window: clipped Hounsfield units; None where images are scaled by their own mean and deviation.
    """

    name: str
    patch_size: tuple[int, ...]
    spacing: tuple[float, ...] | None = None
    window: tuple[float, float] | None = None


_ALL = (
    Published("CVC-ClinicDB", (288, 384)),
    Published("DRIVE", (512, 512)),
    Published("BUS2017", (128, 128)),
    Published("BraTS20", (96, 96, 96), spacing=(1.0, 1.0, 1.0)),
    Published("KiTS19", (80, 160, 160), spacing=(3.22, 1.62, 1.62), window=(-79.0, 304.0)),
)


def published_settings(dataset: str | None, dimension: int) -> Published | None:
    """The paper's settings for a data set of this name, however it is written, or None."""
    for settings in _ALL:
        if dataset is not None and _plain(dataset) == _plain(settings.name) and len(settings.patch_size) == dimension:
            return settings
    return None


def _plain(name: str) -> str:
    return re.sub("[^a-z0-9]", "", name.lower())
