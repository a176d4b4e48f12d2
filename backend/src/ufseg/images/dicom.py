"""A folder with one DICOM series."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK as sitk

from ufseg.errors import GeometryError, ImageError
from ufseg.images.itk_messages import quiet, reason

# Share of the slice distance by which a slice may lie off its place. Positions are decimal strings, often rounded
# to 0.01 mm.
PLACE_TOLERANCE = 0.02


def read_series(folder: Path) -> Any:
    """Read the one DICOM series in `folder` (not its subfolders) as a 3D SimpleITK image.

    Slices are ordered by position, not by file name (GDCM's IPP sorter).

    Raises:
        ImageError: no series, several series, or slices that are missing, doubled or unreadable.
        GeometryError: slices are sheared against each other (gantry tilt).
    """
    names = series_files(folder)
    try:
        if len(names) > 1:
            _require_even_slices(names, folder)
            reader = sitk.ImageSeriesReader()
            reader.SetFileNames(names)
            return reader.Execute()
        return sitk.ReadImage(names[0])
    except RuntimeError as error:
        raise ImageError(
            f"The DICOM series in {folder} cannot be read: {reason(error)}. Export it again, uncompressed if possible."
        ) from error


def series_files(folder: Path) -> tuple[str, ...]:
    """The files of the one DICOM series in `folder`, in the order of its slices.

    Raises:
        ImageError: no series, several series, or a file that cannot be parsed.
    """
    series = sitk.ImageSeriesReader.GetGDCMSeriesIDs(str(folder))
    if not series:
        raise ImageError(
            f"The folder {folder} holds no DICOM series. Give an image file, or the folder in which the slices "
            "themselves lie."
        )
    files: dict[str, tuple[str, ...]] = {
        uid: sitk.ImageSeriesReader.GetGDCMSeriesFileNames(str(folder), uid) for uid in series
    }
    if len(files) > 1:
        counts = ", ".join(f"{uid}: {len(names)} files" for uid, names in files.items())
        raise ImageError(
            f"The folder {folder} holds {len(files)} DICOM series ({counts}). Put each into a folder of its own "
            "and give the one to be segmented."
        )
    names = next(iter(files.values()))
    _require_all_read(names, folder)
    return names


def _require_all_read(names: tuple[str, ...], folder: Path) -> None:
    """Refuse a folder with DICOM files that GDCM could not parse, since it leaves them out without a word."""
    listed = {Path(name).name for name in names}
    for path in sorted(folder.iterdir()):
        if path.name in listed or path.name.upper() == "DICOMDIR" or not path.is_file():
            continue
        with path.open("rb") as file:
            file.seek(128)
            dicom = file.read(4) == b"DICM"
        if dicom:
            raise ImageError(
                f"{path} is a DICOM file that cannot be read; it is probably truncated. Copy or export the series "
                "again, or remove the file if it is no slice."
            )


def _require_even_slices(names: tuple[str, ...], folder: Path) -> None:
    """Check that slices follow one another at one distance along their normal; ITK itself only warns."""
    origins = []
    normals = []
    for name in names:
        reader = sitk.ImageFileReader()
        reader.SetFileName(name)
        reader.ReadImageInformation()
        origins.append(reader.GetOrigin()[:3])
        normals.append(np.asarray(reader.GetDirection(), dtype=np.float64).reshape(reader.GetDimension(), -1)[:3, 2])
    if any(float(n @ normals[0]) < 0.999 for n in normals):
        raise GeometryError(
            f"The {len(names)} slices in {folder} are not parallel. Keep the slices of one stack only "
            "(localisers often lie among them)."
        )
    steps = np.diff(np.asarray(origins, dtype=np.float64), axis=0)
    along = steps @ normals[0]
    distance = float(np.median(np.abs(along)))
    if distance < 1e-4:
        raise ImageError(
            f"The {len(names)} slices in {folder} lie at the same position, as time points of one slice do. "
            "Keep one volume per folder."
        )
    uneven = np.flatnonzero(np.abs(np.abs(along) - distance) > PLACE_TOLERANCE * distance)
    if len(uneven):
        worst = uneven[int(np.argmax(np.abs(np.abs(along[uneven]) - distance)))]
        raise ImageError(
            f"The {len(names)} slices in {folder} are not evenly spaced: mostly {distance:.4g} mm apart, but "
            f"{abs(along[worst]):.4g} mm between slices {worst + 1} and {worst + 2}. Slices are missing or doubled: "
            "export the whole series again."
        )
    across = np.linalg.norm(steps - np.outer(along, normals[0]), axis=1)
    if float(across.max()) > PLACE_TOLERANCE * distance:
        angle = float(np.degrees(np.arctan2(across.max(), distance)))
        raise GeometryError(
            f"The slices in {folder} are sheared by {angle:.3g} degrees (gantry tilt). Resample the series to "
            "right angles first (3D Slicer does so when it loads it) and give the result."
        )


def modality_of(path: Path) -> str | None:
    """What made a DICOM image, such as ``"CT"``, ``"MR"`` or ``"US"``; None if `path` is no DICOM or does not say.

    Args:
        path: a file, or a folder with one series.

    Source: DICOM PS3.3 C.7.3.1.1.1, attribute (0008,0060).
    """
    files = sorted(p for p in path.iterdir() if p.is_file()) if path.is_dir() else [path]
    for file in files:
        with file.open("rb") as opened:
            opened.seek(128)
            if opened.read(4) != b"DICM":
                continue
        reader = sitk.ImageFileReader()
        reader.SetImageIO("GDCMImageIO")
        reader.SetFileName(str(file))
        try:
            with quiet():
                reader.ReadImageInformation()
        except RuntimeError:
            continue  # no image, such as a DICOMDIR
        if reader.HasMetaDataKey("0008|0060"):
            return str(reader.GetMetaData("0008|0060")).strip() or None
    return None
