"""DRIVE: retinal vessels in colour fundus photographs, 20 for training and 20 for testing.

    training/images/21_training.tif  training/1st_manual/21_manual1.gif  training/mask/21_training_mask.gif
    test/images/01_test.tif          test/1st_manual/01_manual1.gif      test/mask/01_test_mask.gif

Grand Challenge's release has no ``test/1st_manual``. Copies that renamed the folders (``train``, ``labels``, ``fov``)
and saved PNG files are read as well. The second observer's annotation of the test images is not used. ``mask`` is the
camera's field of view, kept as `CaseFiles.field_of_view`.

Source: Staal et al., IEEE TMI 23(4), 2004; https://drive.grand-challenge.org
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ufseg.errors import DatasetError
from ufseg.images.case_files import CaseFiles
from ufseg.images.class_table import ClassTable
from ufseg.images.dataset import Dataset
from ufseg.images.layouts.pairing import few, image_files
from ufseg.images.names import split_name

TRAINING = ("training", "train")
ANNOTATIONS = ("1st_manual", "labels")
FIELDS_OF_VIEW = ("mask", "fov")
NUMBER = re.compile(r"\d+")


def recognises(folder: Path, description: Mapping[str, Any]) -> bool:
    """Whether the folder is laid out like this."""
    training = _one_of(folder, TRAINING)
    return (
        training is not None
        and (training / "images").is_dir()
        and _one_of(training, ANNOTATIONS) is not None
        and (_one_of(training, FIELDS_OF_VIEW) is not None or (training / "1st_manual").is_dir())
    )


def read(folder: Path, description: Mapping[str, Any]) -> Dataset:
    """The dataset; raises DatasetError where two annotations claim one image."""
    training = _one_of(folder, TRAINING)
    warnings: list[str] = []
    cases = [] if training is None else _cases(training)
    test = _cases(folder / "test")
    for what, of in (("training", cases), ("test", test)):
        without = [c.id for c in of if c.label is None]
        if without:
            warnings.append(f"{len(without)} of {len(of)} {what} images have no annotation ({few(without)}).")
    return Dataset(
        name="DRIVE",
        classes=ClassTable.of({"vessel": 1}),
        modality="other",
        channel_names=["red", "green", "blue"],
        cases=cases,
        test=test,
        warnings=warnings,
    )


def _cases(folder: Path) -> list[CaseFiles]:
    labels = _by_number(_one_of(folder, ANNOTATIONS))
    fields = _by_number(_one_of(folder, FIELDS_OF_VIEW))
    return [
        CaseFiles(
            id=split_name(path)[0],
            subject=split_name(path)[0],
            images=(path,),
            label=labels.get(number),
            mask=True,
            field_of_view=fields.get(number),
        )
        for number, path in sorted(_by_number(folder / "images").items())
    ]


def _by_number(folder: Path | None) -> dict[int, Path]:
    """Files by the number that their names begin with."""
    found: dict[int, Path] = {}
    for path in [] if folder is None else image_files(folder):
        number = NUMBER.match(path.name)
        if number is None:
            continue
        if int(number[0]) in found:
            raise DatasetError(
                f"{path} and {found[int(number[0])].name} have the same number; in DRIVE it tells which annotation "
                "belongs to which image. Remove one."
            )
        found[int(number[0])] = path
    return found


def _one_of(folder: Path, names: tuple[str, ...]) -> Path | None:
    return next((folder / name for name in names if (folder / name).is_dir()), None)
