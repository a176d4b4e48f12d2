"""Which images a person means by the files and folders given. No pixel is read, nothing heavy is imported."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ufseg.errors import ImageError, InputError
from ufseg.images.names import is_image, split_name

SEGMENTATION_ENDING = ".seg.nrrd"
# Formats that may lie in a folder of DICOM slices as previews of them.
PICTURES = (".png", ".tif", ".tiff", ".jpg", ".jpeg", ".bmp", ".gif")
CHANNEL_NUMBER = re.compile(r"(.+)_(\d{4})")


@dataclass(frozen=True)
class Study:
    """One image to be segmented.

    Args:
        name: for its output: the file's name without ending, or the name of the series folder.
        files: one image file or DICOM series folder per channel.
    """

    name: str
    files: tuple[Path, ...]


def require_present(paths: Sequence[Path]) -> None:
    """Check that all files and folders are there.

    Args:
        paths: as for `find_studies`.

    Raises:
        ImageError: one is missing.
    """
    missing = [part for path in paths for part in _parts(path) if not part.exists()]
    if missing:
        more = f" {len(missing)} of the files given are missing." if len(missing) > 1 else ""
        raise ImageError(f"There is no file {missing[0]}. Check the path, or that its drive is connected.{more}")


def find_studies(paths: Sequence[Path], channels: int) -> list[Study]:
    """The images in what was given, in its order.

    - A file is an image; ``file1,file2`` are channels of one image.
    - A folder in which DICOM slices lie is one image.
    - Any other folder stands for every image file in it (3D Slicer's segmentations left out) and every folder directly
      in it that holds DICOM slices. If all its files are numbered like nnU-Net's, ``case_0000.nii.gz``,
      ``case_0001.nii.gz``, those of a case are its channels.

    Args:
        paths: files, folders, or files joined by commas.
        channels: that the model takes.

    Raises:
        ImageError: a file or folder is missing.
        InputError: a folder holds no image, DICOM slices mixed with other volumes, or cases of another number of
            channels; two images would have the same name.
    """
    require_present(paths)
    studies: list[Study] = []
    for path in paths:
        parts = _parts(path)
        if len(parts) == 1 and path.is_dir() and not _is_series(path):
            studies.extend(_in_folder(path, channels))
        else:
            studies.append(Study(_name(parts[0]), tuple(parts)))
    seen: dict[str, Study] = {}
    for study in studies:
        if study.name in seen:
            raise InputError(
                f"{seen[study.name].files[0]} and {study.files[0]} have the same name, so one label map would replace "
                "the other. Predict them apart, into two folders."
            )
        seen[study.name] = study
    return studies


def _parts(path: Path) -> list[Path]:
    """The files of one argument; a comma in the name of an existing file separates nothing."""
    return [path] if path.exists() else [Path(part) for part in str(path).split(",")]


def _in_folder(folder: Path, channels: int) -> list[Study]:
    entries = sorted(p for p in folder.iterdir() if not p.name.startswith("."))
    files = [p for p in entries if p.is_file() and is_image(p) and not p.name.lower().endswith(SEGMENTATION_ENDING)]
    series = [Study(_name(p), (p,)) for p in entries if p.is_dir() and _is_series(p)]
    if not files and not series:
        if _gdcm_finds_slices(folder):
            return [Study(_name(folder), (folder,))]
        raise InputError(
            f"The folder {folder} holds no image: neither image files (NIfTI, NRRD, MetaImage, PNG, …) nor DICOM "
            "slices, nor folders of DICOM slices. Give the folder in which they lie."
        )
    return [*_cases(files, folder, channels), *series]


def _cases(files: list[Path], folder: Path, channels: int) -> list[Study]:
    """Each file is a case, or each group of files numbered by channel."""
    numbered = [CHANNEL_NUMBER.fullmatch(split_name(f)[0]) for f in files]
    if channels == 1 and any(m is None or m[2] != "0000" for m in numbered):
        return [Study(_name(f), (f,)) for f in files]
    groups: dict[str, list[Path]] = {}
    for file, match in zip(files, numbered, strict=True):
        if match is None:
            return [Study(_name(f), (f,)) for f in files]
        groups.setdefault(match[1], []).append(file)
    for name, group in groups.items():
        if len(group) != channels:
            raise InputError(
                f"The case {name} in {folder} has {len(group)} numbered file{'' if len(group) == 1 else 's'}, but the "
                f"model takes {channels} channel{'' if channels == 1 else 's'}. Add or remove files, such as "
                f"{name}_{channels - 1:04d}."
            )
    return [Study(name, tuple(group)) for name, group in groups.items()]


def _is_series(folder: Path) -> bool:
    """Whether DICOM slices lie directly in `folder`.

    Raises:
        InputError: other volumes lie there, too.
    """
    files = sorted(p for p in folder.iterdir() if p.is_file() and not p.name.startswith("."))
    others = [p for p in files if is_image(p) and p.suffix.lower() not in (".dcm", *PICTURES)]
    if not any(_is_dicom(p) for p in files if p not in others and p.suffix.lower() not in PICTURES):
        return False
    if others:
        raise InputError(
            f"The folder {folder} holds DICOM slices and {len(others)} other image file"
            f"{'' if len(others) == 1 else 's'}, such as {others[0].name}. Give the files by name, or keep the slices "
            "in a folder of their own."
        )
    return True


def _is_dicom(path: Path) -> bool:
    if path.suffix.lower() == ".dcm":
        return True
    with path.open("rb") as file:
        file.seek(128)
        return file.read(4) == b"DICM" and path.name.upper() != "DICOMDIR"


def _gdcm_finds_slices(folder: Path) -> bool:
    """Whether there are slices in files that do not begin as DICOM files should, as some old ones do."""
    import SimpleITK as sitk

    from ufseg.images.itk_messages import quiet

    with quiet():
        return bool(sitk.ImageSeriesReader.GetGDCMSeriesIDs(str(folder)))


def _name(path: Path) -> str:
    if path.is_dir():
        return path.resolve().name
    stem = split_name(path)[0]
    return stem[:-4] if stem.lower().endswith(".seg") else stem
