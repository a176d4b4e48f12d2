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
from ufseg.images.names import split_name

# SimpleITK has no pixel type for these.
WIDER: dict[str, type[np.generic]] = {"bool": np.uint8, "float16": np.float32}


def write_image(path: Path, image: Image) -> None:
    """Write an image; the ending of the name decides the format (``.nrrd``, ``.nii.gz``, ``.nii``, ``.mha``, …).

    NRRD and MetaImage are written raw (fast to read); ``.gz`` is compressed. Pixels and geometry are written,
    nothing else: no DICOM tag of the source survives. The file appears whole under its name or not at all.

    Raises:
        StorageError: the disk is full or the folder cannot be written.
        ImageError: no format has this ending, or it cannot hold such pixels.
    """
    array = image.array.astype(WIDER.get(image.array.dtype.name, image.array.dtype), copy=False)
    if image.channels == 1:
        _write(Path(path), sitk.GetImageFromArray(array[0]), image.geometry, array.nbytes)
    else:
        vectors = np.ascontiguousarray(np.moveaxis(array, 0, -1))
        _write(Path(path), sitk.GetImageFromArray(vectors, isVector=True), image.geometry, array.nbytes)


def write_label_map(path: Path, label: LabelMap, classes: ClassTable | None = None) -> None:
    """Write a label map as `write_image` does; with `classes`, its values are checked first.

    Raises:
        LabelError: `classes` lacks a value that occurs.
        StorageError, ImageError: as in `write_image`.
    """
    if classes is not None:
        classes.check_values(label.values(), "The label map to be written")
    _write(Path(path), sitk.GetImageFromArray(np.ascontiguousarray(label.array)), label.geometry, label.array.nbytes)


def _write(path: Path, image: Any, geometry: Geometry, size: int) -> None:
    geometry.apply_to(image)
    stem, ending = split_name(path)
    # The ending must stay last, since ITK chooses the format by it.
    temporary = path.with_name(f".{stem[:40]}-{uuid.uuid4().hex[:12]}{ending}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        sitk.WriteImage(image, str(temporary), useCompression=False)
        with temporary.open("rb+") as file:
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except RuntimeError as error:
        raise _explain(path, size, str(error)) from error
    except OSError as error:
        raise StorageError(_storage_message(path, size, error.strerror or str(error))) from error
    finally:
        temporary.unlink(missing_ok=True)


def _explain(path: Path, size: int, reason: str) -> ImageError | StorageError:
    """ITK reports every failure alike; what is left on the disk tells a full one from an unfit format."""
    folder = path.parent
    if not os.access(folder, os.W_OK):
        return StorageError(_storage_message(path, size, os.strerror(errno.EACCES)))
    if shutil.disk_usage(folder).free < size:
        return StorageError(_storage_message(path, size, os.strerror(errno.ENOSPC)))
    last = [line for line in reason.splitlines() if line.strip()][-1].rsplit("ERROR: ", 1)[-1].strip().rstrip(".!")
    return ImageError(f"{path} cannot be written: {last}. Choose another format, such as .nrrd or .nii.gz.")


def _storage_message(path: Path, size: int, reason: str) -> str:
    free = shutil.disk_usage(path.parent if path.parent.is_dir() else Path(path.anchor or ".")).free
    return (
        f"{path} could not be written: {reason} ({size / 1e6:.1f} MB to write, {free / 1e6:.1f} MB free). "
        "Free some space or choose another folder; nothing was changed."
    )
