"""File names of images."""

from __future__ import annotations

from pathlib import Path

# Endings of the formats that are read, longest first so that `.nii.gz` is one ending.
ENDINGS = (
    ".nii.gz",
    ".nii",
    ".nrrd",
    ".nhdr",
    ".mha",
    ".mhd",
    ".png",
    ".tif",
    ".tiff",
    ".jpg",
    ".jpeg",
    ".bmp",
    ".gif",
    ".dcm",
)


def split_name(path: Path) -> tuple[str, str]:
    """Stem and ending of a file name, ``scan.nii.gz`` → ``("scan", ".nii.gz")``."""
    for ending in ENDINGS:
        if path.name.lower().endswith(ending):
            return path.name[: -len(ending)], path.name[-len(ending) :]
    return path.stem, path.suffix


def is_image(path: Path) -> bool:
    """Whether the name is that of an image file; hidden files are not."""
    return not path.name.startswith(".") and path.name.lower().endswith(ENDINGS)
