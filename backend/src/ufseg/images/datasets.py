"""Dataset folders: which cases they hold and what their classes are called."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol

from ufseg.errors import DatasetError
from ufseg.images.dataset import Dataset
from ufseg.images.layouts import brats20, bus2017, cvc_clinicdb, decathlon, drive, kits19, nnunet, plain
from ufseg.images.layouts.descriptions import read_json, strings

__all__ = ["Dataset", "read_dataset"]


class Layout(Protocol):
    """A module of `ufseg.images.layouts`."""

    def recognises(self, folder: Path, description: Mapping[str, Any]) -> bool:
        """Whether the folder is laid out like this; `description` is its ``dataset.json``, empty without one."""

    def read(self, folder: Path, description: Mapping[str, Any]) -> Dataset:
        """The dataset; raises DatasetError."""


LAYOUTS: tuple[Layout, ...] = (nnunet, decathlon, plain, drive, cvc_clinicdb, bus2017, brats20, kits19)
"""In the order in which they are tried."""


def read_dataset(folder: Path) -> Dataset:
    """Find the cases of a dataset folder. Label maps are opened only where no file names the classes.

    Layouts, in the order they are recognised:

    1. nnU-Net v2: ``dataset.json`` with ``channel_names``, ``labels`` (name → value) and ``file_ending``;
       ``imagesTr/CASE_0000.ext`` (one file per channel), ``labelsTr/CASE.ext``, ``imagesTs``.
    2. Medical Segmentation Decathlon (and nnU-Net v1): ``dataset.json`` with ``labels`` (value → name),
       ``modality`` and the lists ``training`` and ``test``.
    3. ``images/`` and ``labels/`` with files of the same names (images may carry ``_0000`` as above); classes from
       ``classes.json`` (``{"name": value}``) or ``dataset.json``, else named "class 1", "class 2", … by the values
       that occur.
    4. The datasets of the Unified Focal loss paper as they are published: DRIVE, CVC-ClinicDB, BUS2017 (Dataset B),
       BraTS20 and KiTS19; each is described in its module of `ufseg.images.layouts`.

    An optional ``subjects.json`` (``{"case id": "subject"}``) says which cases are of one subject; without it every
    case is a subject of its own, unless the layout knows better.

    Raises:
        DatasetError: no such folder, no known layout, no case, or a broken description.
        ImageError, LabelError: none of the label maps that had to be opened can be used.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise DatasetError(f"There is no dataset folder {folder}. Check the path.")
    description = read_json(folder / "dataset.json")
    for layout in LAYOUTS:
        if layout.recognises(folder, description):
            dataset = layout.read(folder, description)
            break
    else:
        raise DatasetError(
            f"{folder} is no dataset folder: it has neither images/ and labels/ nor a dataset.json (Medical "
            "Segmentation Decathlon or nnU-Net), and is laid out like none of DRIVE, CVC-ClinicDB, BUS2017, BraTS20 "
            "and KiTS19. Arrange the files in one of these ways."
        )
    if not dataset.cases:
        raise DatasetError(
            f"The dataset {folder} is empty: no case was found in it. Put image files (such as .nii.gz or .nrrd) into "
            "its image folder."
        )
    subjects = strings(read_json(folder / "subjects.json"), folder / "subjects.json")
    return replace(
        dataset,
        cases=[c.model_copy(update={"subject": subjects.get(c.id, c.subject)}) for c in dataset.cases],
        test=[c.model_copy(update={"subject": subjects.get(c.id, c.subject)}) for c in dataset.test],
    )
