"""KiTS19: kidneys and kidney tumours in 300 contrast-enhanced CTs, of which 210 have public annotation.

    [data/]case_00000/imaging.nii.gz  [data/]case_00000/segmentation.nii.gz

Cases without an annotation (00210 to 00299) are `Dataset.test`.

Source: Heller et al., Medical Image Analysis 67, 2021; https://github.com/neheller/kits19
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ufseg.images.case_files import CaseFiles
from ufseg.images.class_table import ClassTable
from ufseg.images.dataset import Dataset
from ufseg.images.layouts.pairing import few

CASE = re.compile(r"case_\d{5}$")
IMAGE, LABEL = "imaging", "segmentation"
CLASSES = {"kidney": 1, "tumour": 2}
LABELLED = 210


def recognises(folder: Path, description: Mapping[str, Any]) -> bool:
    """Whether the folder is laid out like this."""
    return any(_volume(case, IMAGE) for case in _folders(folder)) or any(map(_label, _folders(folder)))


def read(folder: Path, description: Mapping[str, Any]) -> Dataset:
    """The dataset; cases whose image was not downloaded are left out with a warning."""
    found = [
        CaseFiles(id=case.name, subject=case.name, images=(image,), label=_label(case))
        for case in _folders(folder)
        if (image := _volume(case, IMAGE)) is not None
    ]
    known = {c.id for c in found}
    warnings = []
    without_image = [case.name for case in _folders(folder) if case.name not in known]
    if without_image:
        warnings.append(
            f"{len(without_image)} cases have no {IMAGE}.nii.gz ({few(without_image)}) and are left out: KiTS19 keeps "
            "the images apart from the annotations; run its get_imaging.py."
        )
    missing = [c.id for c in found if c.label is None and int(c.id.removeprefix("case_")) < LABELLED]
    if missing:
        warnings.append(f"{len(missing)} cases that KiTS19 annotates have no {LABEL}.nii.gz ({few(missing)}).")
    return Dataset(
        name="KiTS19",
        classes=ClassTable.of(CLASSES),
        modality="CT",
        channel_names=["CT"],
        cases=[c for c in found if c.label is not None],
        test=[c for c in found if c.label is None],
        warnings=warnings,
    )


def _folders(folder: Path) -> list[Path]:
    for place in (folder, folder / "data"):
        found = sorted(p for p in place.iterdir() if p.is_dir() and CASE.match(p.name)) if place.is_dir() else []
        if found:
            return found
    return []


def _label(case: Path) -> Path | None:
    return _volume(case, LABEL)


def _volume(case: Path, name: str) -> Path | None:
    paths = (case / f"{name}.nii.gz", case / f"{name}.nii")
    return next((p for p in paths if p.is_file()), None)
