"""CVC-ClinicDB: polyps in 612 frames of 29 colonoscopy videos, 384 × 288 in colour.

    Original/1.tif  "Ground Truth"/1.tif          as published (also as .png)
    PNG/Original/1.png  TIF/…  metadata.csv       Kaggle's copy

Frames of one video show the same polyp, so that a video is a subject: by ``metadata.csv`` (``frame_id``,
``sequence_id``) if it is there, else by the frames' numbers as the publication lists them.

Source: Bernal et al., Computerized Medical Imaging and Graphics 43, 2015, doi 10.1016/j.compmedimag.2015.02.007.
"""

from __future__ import annotations

import csv
from bisect import bisect_right
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ufseg.errors import DatasetError
from ufseg.images.case_files import CaseFiles
from ufseg.images.class_table import ClassTable
from ufseg.images.dataset import Dataset
from ufseg.images.layouts.pairing import pair

IMAGES, ANNOTATIONS = "Original", "Ground Truth"
PLACES = ("", "TIF", "PNG", "CVC-ClinicDB")
FIRST_FRAMES = (
    1, 26, 51, 68, 79, 104, 127, 152, 178, 200, 206, 228, 253, 278, 298, 318, 343, 364, 384, 409, 429, 448, 467, 479,
    504, 529, 547, 572, 592,
)  # fmt: skip
"""First frame of each video."""
FRAMES = 612


def recognises(folder: Path, description: Mapping[str, Any]) -> bool:
    """Whether the folder is laid out like this."""
    return _place(folder) is not None


def read(folder: Path, description: Mapping[str, Any]) -> Dataset:
    """The dataset; raises DatasetError if metadata.csv cannot be used."""
    place = _place(folder)
    warnings: list[str] = []
    cases = [] if place is None else pair(place / IMAGES, place / ANNOTATIONS, warnings)
    sequences = _sequences(folder / "metadata.csv")
    found = [c.model_copy(update={"mask": True, "subject": _subject(c, sequences)}) for c in cases]
    unknown = [c.id for c in found if c.subject == c.id]
    if unknown:
        warnings.append(
            f"Of {len(unknown)} frames, such as {unknown[0]}, it is not known which video they are from: frames of one "
            "video may fall into training and test. Give subjects.json or metadata.csv."
        )
    return Dataset(
        name="CVC-ClinicDB",
        classes=ClassTable.of({"polyp": 1}),
        modality="other",
        channel_names=["red", "green", "blue"],
        cases=sorted(found, key=_number),
        warnings=warnings,
    )


def _place(folder: Path) -> Path | None:
    places = (folder / place for place in PLACES)
    return next((p for p in places if (p / IMAGES).is_dir() and (p / ANNOTATIONS).is_dir()), None)


def _subject(case: CaseFiles, sequences: Mapping[str, str]) -> str:
    if case.id in sequences:
        return f"video {sequences[case.id]}"
    if not sequences and case.id.isdecimal() and 1 <= int(case.id) <= FRAMES:
        return f"video {bisect_right(FIRST_FRAMES, int(case.id))}"
    return case.id


def _sequences(path: Path) -> dict[str, str]:
    """Frame → video; empty if there is no such file."""
    if not path.is_file():
        return {}
    try:
        with path.open(encoding="utf-8", newline="") as file:
            return {row["frame_id"]: row["sequence_id"] for row in csv.DictReader(file)}
    except (KeyError, UnicodeDecodeError, csv.Error) as error:
        raise DatasetError(
            f"{path} cannot be used: {error}. It needs the columns frame_id and sequence_id; correct or remove it."
        ) from error


def _number(case: CaseFiles) -> tuple[int, str]:
    return (int(case.id), "") if case.id.isdecimal() else (FRAMES + 1, case.id)
