"""Reading NIfTI files where ITK alone would read too little, too much or nothing."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import Any

import SimpleITK as sitk


def is_nifti(path: Path) -> bool:
    """Whether the name is one of NIfTI's."""
    return path.name.lower().endswith((".nii", ".nii.gz"))


def open_nifti(path: Path) -> Any:
    """Read a NIfTI file as a SimpleITK image."""
    # ITK opens `x.nii` if asked for `x.nii.gz` and both exist.
    if path.name.lower().endswith(".nii.gz") and path.with_suffix("").exists():
        with tempfile.TemporaryDirectory() as folder:
            alone = Path(folder) / "alone.nii.gz"
            shutil.copyfile(path, alone)
            return sitk.ReadImage(str(alone))
    return sitk.ReadImage(str(path))
