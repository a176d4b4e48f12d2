"""What a dataset folder holds."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from ufseg.images.case_files import CaseFiles
from ufseg.images.class_table import ClassTable


@dataclass(frozen=True)
class Dataset:
    """What a dataset folder holds.

    Args:
        name: for people.
        classes: names and values of the label maps.
        modality: "CT", "MRI" or "other"; None where the folder does not say.
        channel_names: one per image of a case; where one colour image holds them all, one per colour.
        cases: for training, sorted by id; `label` is None where there is none.
        test: cases set apart by the dataset (``imagesTs``, DRIVE's ``test``), often without labels.
        warnings: sentences about what was left out.
    """

    name: str
    classes: ClassTable
    modality: Literal["CT", "MRI", "other"] | None
    channel_names: list[str]
    cases: list[CaseFiles]
    test: list[CaseFiles] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
