"""BUS2017, Dataset B: lesions in 163 breast ultrasound images, 110 benign and 53 malignant.

    original/000001.png  GT/000001.png

Source: Yap et al., IEEE Journal of Biomedical and Health Informatics 22(4), 2018, doi 10.1109/JBHI.2017.2731873.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ufseg.images.class_table import ClassTable
from ufseg.images.dataset import Dataset
from ufseg.images.layouts.pairing import pair

IMAGES, ANNOTATIONS = "original", "GT"


def recognises(folder: Path, description: Mapping[str, Any]) -> bool:
    """Whether the folder is laid out like this."""
    return (folder / IMAGES).is_dir() and (folder / ANNOTATIONS).is_dir()


def read(folder: Path, description: Mapping[str, Any]) -> Dataset:
    """The dataset."""
    warnings: list[str] = []
    cases = pair(folder / IMAGES, folder / ANNOTATIONS, warnings)
    return Dataset(
        name="BUS2017",
        classes=ClassTable.of({"lesion": 1}),
        modality="other",
        channel_names=["ultrasound"],
        cases=[c.model_copy(update={"mask": True}) for c in cases],
        warnings=warnings,
    )
