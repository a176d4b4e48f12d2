"""BraTS20: gliomas in four MRI sequences, 369 patients with and 125 without public annotation.

    MICCAI_BraTS2020_TrainingData/BraTS20_Training_001/BraTS20_Training_001_{flair,t1,t1ce,t2,seg}.nii[.gz]
    MICCAI_BraTS2020_ValidationData/BraTS20_Validation_001/…   without seg

Give the folder above, one of the two, or Kaggle's (``BraTS2020_TrainingData/MICCAI_BraTS2020_TrainingData``). In the
public copies the annotation of patient 355 is called ``W39_1998.09.19_Segm.nii``.

Values: 1 necrotic and non-enhancing tumour core, 2 peritumoural oedema, 4 enhancing tumour.

Source: Menze et al., IEEE TMI 34(10), 2015; Bakas et al., Scientific Data 4, 2017; https://www.med.upenn.edu/cbica/brats2020
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ufseg.errors import DatasetError
from ufseg.images.case_files import CaseFiles
from ufseg.images.class_table import ClassTable
from ufseg.images.dataset import Dataset
from ufseg.images.layouts.pairing import image_files, warn_of_unlabelled
from ufseg.images.names import split_name

CHANNELS = ("flair", "t1", "t1ce", "t2")
CLASSES = {"necrotic core": 1, "oedema": 2, "enhancing tumour": 4}
PREFIXES = {"training": "BraTS20_Training_", "validation": "BraTS20_Validation_"}
DEEPEST = 3
"""Levels at which the patients' folders may lie below the one given."""


def recognises(folder: Path, description: Mapping[str, Any]) -> bool:
    """Whether the folder is laid out like this."""
    return bool(_patients(folder, PREFIXES["training"]))


def read(folder: Path, description: Mapping[str, Any]) -> Dataset:
    """The dataset; raises DatasetError if a sequence of a patient is missing."""
    warnings: list[str] = []
    cases = [_case(p) for p in _patients(folder, PREFIXES["training"])]
    warn_of_unlabelled(cases, warnings)
    return Dataset(
        name="BraTS20",
        classes=ClassTable.of(CLASSES),
        modality="MRI",
        channel_names=list(CHANNELS),
        cases=cases,
        test=[_case(p) for p in _patients(folder, PREFIXES["validation"])],
        warnings=warnings,
    )


def _patients(folder: Path, prefix: str) -> list[Path]:
    for depth in range(1, DEEPEST + 1):
        found = sorted(p for p in folder.glob("*/" * (depth - 1) + f"{prefix}*") if p.is_dir())
        if found:
            return found
    return []


def _case(patient: Path) -> CaseFiles:
    files = {split_name(p)[0]: p for p in image_files(patient)}
    missing = [c for c in CHANNELS if f"{patient.name}_{c}" not in files]
    if missing:
        raise DatasetError(
            f"{patient} lacks {', '.join(f'{patient.name}_{c}.nii.gz' for c in missing)}; a BraTS20 patient has the "
            f"sequences {', '.join(CHANNELS)}. Copy the missing files, or remove the folder."
        )
    renamed = [path for stem, path in files.items() if stem.endswith("_Segm")]
    return CaseFiles(
        id=patient.name,
        subject=patient.name,
        images=tuple(files[f"{patient.name}_{c}"] for c in CHANNELS),
        label=files.get(f"{patient.name}_seg", renamed[0] if renamed else None),
    )
