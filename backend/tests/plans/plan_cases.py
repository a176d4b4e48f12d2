"""Small generated cases and fingerprints."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ufseg.images.case_files import CaseFiles
from ufseg.images.geometry import Geometry
from ufseg.images.image import Image, LabelMap
from ufseg.images.writing import write_image, write_label_map


def grid(size: tuple[int, ...], spacing: tuple[float, ...]) -> Geometry:
    """An unturned grid; size and spacing in array order."""
    axes = len(size)
    return Geometry(
        size=size[::-1],
        spacing=spacing[::-1],
        origin=(0.0,) * axes,
        direction=tuple(np.eye(axes).reshape(-1).tolist()),
    )


def write_case(
    folder: Path,
    name: str,
    size: tuple[int, ...],
    spacing: tuple[float, ...],
    objects: Mapping[int, tuple[slice, ...]],
    *,
    channels: int = 1,
    dtype: Any = np.int16,
    constant: bool = False,
) -> CaseFiles:
    """Write noise of mean 100 with brighter boxes, one for each class value in `objects`, and its label map."""
    label: NDArray[np.uint8] = np.zeros(size, np.uint8)
    for value, box in objects.items():
        label[box] = value
    image = np.random.default_rng(len(name)).normal(100, 10, (channels, *size)) + 50 * label
    if constant:
        image[:] = 7
    write_image(folder / f"{name}.nrrd", Image(image.astype(dtype), grid(size, spacing)))
    write_label_map(folder / f"{name}-label.nrrd", LabelMap(label, grid(size, spacing)))
    return CaseFiles(id=name, subject=name, images=(folder / f"{name}.nrrd",), label=folder / f"{name}-label.nrrd")
