"""What an image file holds, without its voxels where they need not be looked at."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import SimpleITK as sitk

from ufseg.images.geometry import Geometry
from ufseg.images.itk_messages import quiet
from ufseg.images.reading import grid_of, read_image

# Integers are always finite; of these the header says all.
_INTEGERS = {
    sitk.sitkInt8: "int8",
    sitk.sitkUInt8: "uint8",
    sitk.sitkInt16: "int16",
    sitk.sitkUInt16: "uint16",
    sitk.sitkInt32: "int32",
    sitk.sitkUInt32: "uint32",
    sitk.sitkInt64: "int64",
    sitk.sitkUInt64: "uint64",
    sitk.sitkVectorInt8: "int8",
    sitk.sitkVectorUInt8: "uint8",
    sitk.sitkVectorInt16: "int16",
    sitk.sitkVectorUInt16: "uint16",
    sitk.sitkVectorInt32: "int32",
    sitk.sitkVectorUInt32: "uint32",
    sitk.sitkVectorInt64: "int64",
    sitk.sitkVectorUInt64: "uint64",
}


@dataclass(frozen=True)
class Summary:
    """Number of channels, numpy's name of the voxel type, and the grid."""

    channels: int
    dtype: str
    geometry: Geometry


def summarise(path: Path) -> Summary:
    """What `ufseg.images.reading.read_image` would say of a raw NRRD file whose length fits its header.

    Voxels are read only where they may be NaN or infinite.

    Raises:
        ImageError, GeometryError: as in `read_image`.
    """
    reader = sitk.ImageFileReader()
    reader.SetFileName(str(path))
    try:
        with quiet():
            reader.ReadImageInformation()
        dtype = _INTEGERS.get(reader.GetPixelID()) if reader.GetDimension() <= 3 else None
    except RuntimeError:
        dtype = None  # the reading that follows says why
    if dtype is None:
        image = read_image(path)
        return Summary(image.channels, str(image.array.dtype), image.geometry)
    return Summary(int(reader.GetNumberOfComponents()), dtype, grid_of(reader, path))
