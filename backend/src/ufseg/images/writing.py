"""Images and label maps into files, whole or not at all."""

from __future__ import annotations

import errno
import os
import shutil
import uuid
from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK as sitk

from ufseg.errors import ImageError, StorageError
from ufseg.images.class_table import ClassTable
from ufseg.images.geometry import Geometry
from ufseg.images.image import Image, LabelMap
from ufseg.images.itk_messages import quiet, reason
from ufseg.images.names import split_name
from ufseg.images.nifti import is_nifti, require_whole

# Formats that keep geometry, in one file (a header beside its data could not be renamed into place at once).
VOLUME_ENDINGS = (".nrrd", ".nii.gz", ".nii", ".mha")
# SimpleITK has no pixel type for these.
WIDER: dict[str, type[np.generic]] = {"bool": np.uint8, "float16": np.float32}


def write_image(path: Path, image: Image, *, stacked: bool = False) -> None:
    """Write an image; the ending of the name decides the format (``.nrrd``, ``.nii.gz``, ``.nii``, ``.mha``; ``.png``
    for 2D pictures without geometry).

    NRRD and MetaImage are written raw (fast to read); ``.gz`` is compressed. Pixels and geometry are written,
    nothing else: no DICOM tag of the source survives. The file appears whole under its name or not at all.

    Args:
        path: of the file.
        image: what is written.
        stacked: several channels of a volume become a fourth axis, as in the Decathlon, instead of vectors.

    Raises:
        StorageError: the disk is full or the folder cannot be written.
        ImageError: no format has this ending, or it cannot hold such pixels.
    """
    array = image.array.astype(WIDER.get(image.array.dtype.name, image.array.dtype), copy=False)
    if image.channels == 1:
        write_itk_image(Path(path), sitk.GetImageFromArray(array[0]), image.geometry, array.nbytes)
    elif stacked:
        volumes = [sitk.GetImageFromArray(channel) for channel in array]
        for volume in volumes:
            image.geometry.apply_to(volume)
        _write_itk_image(Path(path), sitk.JoinSeries(volumes, 0.0, 1.0), array.nbytes)
    else:
        vectors = np.ascontiguousarray(np.moveaxis(array, 0, -1))
        write_itk_image(Path(path), sitk.GetImageFromArray(vectors, isVector=True), image.geometry, array.nbytes)


def write_label_map(path: Path, label: LabelMap, classes: ClassTable | None = None) -> None:
    """Write a label map as `write_image` does; with `classes`, its values are checked first.

    Raises:
        LabelError: `classes` lacks a value that occurs.
        StorageError, ImageError: as in `write_image`.
    """
    if classes is not None:
        classes.check_values(label.values(), "The label map to be written")
    write_itk_image(
        Path(path), sitk.GetImageFromArray(np.ascontiguousarray(label.array)), label.geometry, label.array.nbytes
    )


def write_itk_image(path: Path, image: Any, geometry: Geometry, size: int) -> None:
    """Write a SimpleITK image with its metadata, on the grid `geometry`; it appears whole under its name or not at all.

    Args:
        size: bytes of its voxels, for messages.

    Raises:
        StorageError, ImageError: as in `write_image`.
    """
    _, ending = split_name(path)
    _require_format(path, ending.lower(), geometry, image.GetNumberOfComponentsPerPixel())
    geometry.apply_to(image)
    _write_itk_image(path, image, size)


def _write_itk_image(path: Path, image: Any, size: int) -> None:
    stem, ending = split_name(path)
    # The ending must stay last, since ITK chooses the format by it.
    temporary = path.with_name(f".{stem[:40]}-{uuid.uuid4().hex[:12]}{ending}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StorageError(_storage_message(path, size, error.strerror or str(error))) from error
    try:
        with quiet():
            sitk.WriteImage(image, str(temporary), useCompression=False)
        if is_nifti(temporary):
            # ITK reports no error when it runs out of space in a NIfTI file.
            require_whole(temporary)
        with temporary.open("rb+") as file:
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except (RuntimeError, ImageError) as error:
        raise _explain(path, size, error) from error
    except OSError as error:
        raise StorageError(_storage_message(path, size, error.strerror or str(error))) from error
    finally:
        temporary.unlink(missing_ok=True)


def _require_format(path: Path, ending: str, geometry: Geometry, channels: int) -> None:
    if ending not in (*VOLUME_ENDINGS, ".png"):
        raise ImageError(
            f"{path} cannot be written: images are written as {', '.join(VOLUME_ENDINGS)}, or .png for 2D pictures, "
            f"not as {ending or 'a file without ending'}. Change the ending."
        )
    if ending in (".nii", ".nii.gz") and channels > 1 and geometry.size[-1] == 1:
        raise ImageError(
            f"{path} cannot be written: NIfTI cannot tell {channels} channels of a single slice from a picture. Choose "
            ".nrrd or .mha."
        )
    bare = geometry.model_copy(update={"spacing": (1.0, 1.0), "origin": (0.0, 0.0), "direction": (1.0, 0.0, 0.0, 1.0)})
    if ending == ".png" and geometry != bare:
        raise ImageError(
            f"{path} cannot be written: PNG holds 2D pictures only, without spacing and place. Choose .nrrd or "
            ".nii.gz to keep them."
        )


def _explain(path: Path, size: int, error: RuntimeError | ImageError) -> ImageError | StorageError:
    """ITK reports every failure alike; what is left on the disk tells a full one from an unfit format."""
    if not os.access(path.parent, os.W_OK):
        return StorageError(_storage_message(path, size, os.strerror(errno.EACCES)))
    if isinstance(error, ImageError) or shutil.disk_usage(path.parent).free < size:
        return StorageError(_storage_message(path, size, os.strerror(errno.ENOSPC)))
    return ImageError(f"{path} cannot be written: {reason(error)}. Choose another format, such as .nrrd or .nii.gz.")


def _storage_message(path: Path, size: int, why: str) -> str:
    free = shutil.disk_usage(path.parent if path.parent.is_dir() else Path(path.anchor or ".")).free
    return (
        f"{path} could not be written: {why} ({size / 1e6:.1f} MB to write, {free / 1e6:.1f} MB free). "
        "Free some space or choose another folder; nothing was changed."
    )
