"""Images and label maps from files: NIfTI, NRRD, MetaImage, DICOM series, PNG and what else SimpleITK reads."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray
from pydantic import ValidationError

from ufseg.errors import GeometryError, ImageError, LabelError
from ufseg.images.case_files import CaseFiles, Region
from ufseg.images.class_table import ClassTable
from ufseg.images.completeness import require_complete
from ufseg.images.dicom import read_series
from ufseg.images.finite import require_finite
from ufseg.images.geometry import Geometry
from ufseg.images.gif import is_gif, open_gif
from ufseg.images.image import Image, LabelMap, stack_channels
from ufseg.images.itk_messages import quiet, reason
from ufseg.images.masks import mask_of
from ufseg.images.metaimage import require_sound_header
from ufseg.images.nifti import is_nifti, open_nifti
from ufseg.images.orthogonality import closest_orthogonal, is_orthogonal
from ufseg.images.size_limit import require_bounded

LARGEST_LABEL = 65535
Volume = TypeVar("Volume", Image, LabelMap)


def read_image(path: Path, *, stacked: bool = False) -> Image:
    """Read one study from a file, or from a folder that holds one DICOM series.

    Args:
        path: file or DICOM folder. Colour and vector pixels become channels; a volume of one slice stays 3D.
        stacked: a fourth axis holds channels.

    Returns:
        Image with array ``[channel, k, j, i]`` or ``[channel, j, i]`` in the file's own pixel type.

    Raises:
        ImageError: the file is missing, truncated, of an unknown format, has more than three axes, or holds NaN or
            infinite values; the folder holds no or several series.
        GeometryError: its axes are empty, singular or sheared.
    """
    array, geometry = _read_channels(Path(path), stacked)
    require_finite(array, path)
    return Image(array, geometry)


def read_label_map(path: Path, classes: ClassTable | None = None, grid: Geometry | None = None) -> LabelMap:
    """Read a label map; float files are accepted if every value is whole.

    Args:
        path: file with one value per voxel.
        classes: if given, every value must be 0 or one of its values.
        grid: if given, the image's grid, which the label map must share; the result then carries exactly this grid.

    Returns:
        LabelMap, uint8 where all values are at most 255, else uint16.

    Raises:
        ImageError: the file cannot be read, as in `read_image`.
        LabelError: several channels, fractional, negative or too large values, or values outside `classes`.
        GeometryError: the grid differs from `grid`.
    """
    path = Path(path)
    channels, geometry = _read_channels(path)
    if channels.shape[0] != 1:
        raise LabelError(
            f"{path} has {channels.shape[0]} values per voxel; a label map has one. Save it as a label map "
            "(in 3D Slicer: export the segmentation to a labelmap) instead of a colour image."
        )
    label = LabelMap(_as_labels(channels[0], path), geometry)
    if grid is not None:
        geometry.require_same(
            grid,
            f"The label map {path}",
            "its image",
            "Resample the label map to the image's grid (nearest neighbour), or choose the image it was drawn on.",
        )
        label = LabelMap(label.array, grid)
    if classes is not None:
        classes.check_values(label.values(), f"The label map {path}")
    return label


def read_case(files: CaseFiles, classes: ClassTable | None = None) -> tuple[Image, LabelMap | None]:
    """Read a case: channels stacked, label map checked, both cropped to `files.region` if one is set.

    Returns:
        Image ``[channel, (k,) j, i]`` and its label map, None where the case has none.

    Raises:
        ImageError, LabelError, GeometryError: as in `read_image` and `read_label_map`; the region lies outside.
    """
    image, label = read_whole_case(files, classes)
    return crop(image, files), None if label is None else crop(label, files)


def read_whole_case(files: CaseFiles, classes: ClassTable | None = None) -> tuple[Image, LabelMap | None]:
    """`read_case` without the cropping; outside `files.region` the label map means nothing."""
    images = [read_image(path, stacked=files.stacked) for path in files.images]
    image = stack_channels(images, [str(path) for path in files.images])
    return image, None if files.label is None else read_case_label(files, classes, image.geometry)


def read_case_label(files: CaseFiles, classes: ClassTable | None, grid: Geometry) -> LabelMap:
    """The label map of a case on its image's grid, with `files.mask` and `files.relabel` applied; not cropped.

    Raises:
        ImageError, LabelError, GeometryError: as in `read_label_map`; the case has no label map.
    """
    if files.label is None:
        raise LabelError(f"The case {files.id} has no label map. Label it first.")
    if not files.mask and files.relabel is None:
        return read_label_map(files.label, classes, grid)
    if files.mask:
        label = LabelMap(_read_mask(files.label, grid).astype(np.uint8), grid)
    else:
        label = read_label_map(files.label, None, grid)
    if files.relabel is not None:
        lookup = np.zeros(LARGEST_LABEL + 1, dtype=np.uint8)
        for old, new in files.relabel:
            lookup[old] = new
        label = LabelMap(lookup[label.array], grid)
    if classes is not None:
        classes.check_values(label.values(), f"The label map {files.label}")
    return label


def read_field_of_view(files: CaseFiles, grid: Geometry) -> NDArray[np.bool_] | None:
    """Where the image of a case shows the patient, ``[j, i]`` on `grid`; None where no file says.

    Raises:
        ImageError, LabelError, GeometryError: the picture cannot be used.
    """
    return None if files.field_of_view is None else _read_mask(files.field_of_view, grid)


def _read_mask(path: Path, grid: Geometry) -> NDArray[np.bool_]:
    channels, geometry = _read_channels(path)
    # Mask pictures have no spacing but a resolution for printing, if any: only the size can be compared.
    if geometry.size != grid.size:
        raise GeometryError(
            f"The mask {path} has {' × '.join(map(str, geometry.size))} pixels, but its image has "
            f"{' × '.join(map(str, grid.size))}. Give the mask of this image."
        )
    return mask_of(channels, path)


def crop(volume: Volume, files: CaseFiles) -> Volume:
    """The part of a case's image or label map in `files.region`, a view of it; all of it if there is no region.

    Raises:
        GeometryError: the region lies outside.
    """
    if files.region is None:
        return volume
    box, geometry = _crop(volume.geometry, files.region, files.id)
    leading = (slice(None),) * (volume.array.ndim - len(box))
    return type(volume)(volume.array[leading + box], geometry)


def _read_channels(path: Path, stacked: bool = False) -> tuple[NDArray[Any], Geometry]:
    """Array with the channels first, and its grid."""
    if not path.exists():
        raise ImageError(f"There is no file {path}. Check the path, or that its drive is connected.")
    with quiet():
        image = read_series(path) if path.is_dir() else _read_file(path)
    if stacked and image.GetDimension() == 4 and image.GetNumberOfComponentsPerPixel() == 1:
        size = image.GetSize()
        channels: NDArray[Any] = sitk.GetArrayFromImage(image)
        return channels, grid_of(sitk.Extract(image, [*size[:3], 0], [0] * 4), path)
    if image.GetDimension() > 3:
        image = _drop_single_axes(image, path)
    if "complex" in image.GetPixelIDTypeAsString():
        raise ImageError(f"{path} holds complex numbers. Save its magnitude and give that.")
    geometry = grid_of(image, path)
    array: NDArray[Any] = sitk.GetArrayFromImage(image)
    if image.GetNumberOfComponentsPerPixel() == 1:
        return array[np.newaxis], geometry
    return np.ascontiguousarray(np.moveaxis(array, -1, 0)), geometry


def grid_of(image: Any, path: Path) -> Geometry:
    """The grid of a SimpleITK image, or of its file reader that has read the header; its axes made orthogonal.

    Raises:
        GeometryError: its axes are empty, singular or sheared.
    """
    try:
        geometry = Geometry.of(image)
    except ValidationError as error:
        why = "; ".join(str(e["msg"]).removeprefix("Value error, ") for e in error.errors())
        raise GeometryError(f"The header of {path} describes no usable grid: {why}. Export the image again.") from error
    if not is_orthogonal(geometry.matrix):
        axes = closest_orthogonal(geometry.matrix, geometry.size, geometry.spacing, str(path))
        centre = tuple((n - 1) / 2 for n in geometry.size)
        origin = geometry.position(centre) - axes @ (np.asarray(centre) * np.asarray(geometry.spacing))
        geometry = geometry.model_copy(
            update={"origin": tuple(origin.tolist()), "direction": tuple(axes.reshape(-1).tolist())}
        )
    return geometry


def _read_file(path: Path) -> Any:
    if path.stat().st_size == 0:
        raise ImageError(f"{path} is empty (0 bytes). Copy or export it again.")
    try:
        if is_nifti(path):
            return open_nifti(path)
        if is_gif(path):
            return open_gif(path)
        require_complete(path)
        require_sound_header(path)
        _require_bounded(path)
        return sitk.ReadImage(str(path))
    except RuntimeError as error:
        raise ImageError(
            f"{path} cannot be read: {reason(error)}. Check that it is a whole image file, or copy or export it again."
        ) from error


def _require_bounded(path: Path) -> None:
    reader = sitk.ImageFileReader()
    reader.SetFileName(str(path))
    reader.ReadImageInformation()
    voxels = math.prod(reader.GetSize()) * reader.GetNumberOfComponents()
    require_bounded(path, voxels * _voxel_bytes(reader.GetPixelID()))


def _voxel_bytes(pixel_id: int) -> int:
    name = sitk.GetPixelIDValueAsString(pixel_id)
    bits = next((n for n in (8, 16, 32, 64) if f"{n}-bit" in name), 64)
    return bits // 8


def _drop_single_axes(image: Any, path: Path) -> Any:
    """Take away axes beyond the third where they hold one entry; refuse a real time series."""
    size = image.GetSize()
    if any(s > 1 for s in size[3:]):
        shape = " × ".join(map(str, size))
        raise ImageError(
            f"{path} has {len(size)} axes ({shape}); one study has 2 or 3. Split it into one file per time point or "
            "channel and give those."
        )
    return sitk.Extract(image, list(size[:3]) + [0] * (len(size) - 3), [0] * len(size))


def _as_labels(array: NDArray[Any], path: Path) -> NDArray[Any]:
    """The same values as uint8 or uint16."""
    require_finite(array, path)
    if array.dtype.kind == "f":
        fractional = array != np.rint(array)
        if fractional.any():
            values, count = np.unique(array[fractional]), int(fractional.sum())
            shown = ", ".join(f"{v:.6g}" for v in values[:5])
            raise LabelError(
                f"The label map {path} holds {count} fractional value{'' if count == 1 else 's'} ({shown}"
                f"{', …' if len(values) > 5 else ''}); classes are whole numbers. It may have been resampled "
                "linearly, or be a probability map: give the label map itself."
            )
    low, high = array.min(), array.max()
    if low < 0 or high > LARGEST_LABEL:
        raise LabelError(
            f"The label map {path} holds values from {low:g} to {high:g}; classes are 0 to {LARGEST_LABEL}. "
            "Perhaps an image was given in place of its label map."
        )
    labels: NDArray[Any] = array.astype(np.uint8 if high <= 255 else np.uint16)
    return labels


def _crop(geometry: Geometry, region: Region, case: str) -> tuple[tuple[slice, ...], Geometry]:
    """Array slices of a region and the grid of what they cut out."""
    start, stop = region.start, region.stop
    inside = len(start) == len(stop) == geometry.ndim and all(
        0 <= a < b <= s for a, b, s in zip(start, stop, geometry.size, strict=True)
    )
    if not inside:
        raise GeometryError(
            f"The annotated region {start} to {stop} of case {case} does not lie in its image of size "
            f"{geometry.size}. Give the region in voxels of this image."
        )
    cropped = Geometry(
        size=tuple(b - a for a, b in zip(start, stop, strict=True)),
        spacing=geometry.spacing,
        origin=tuple(geometry.position(start).tolist()),
        direction=geometry.direction,
    )
    return tuple(slice(a, b) for a, b in zip(reversed(start), reversed(stop), strict=True)), cropped
