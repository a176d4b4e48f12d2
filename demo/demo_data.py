"""Which cases the demo uses, and for what."""

from __future__ import annotations

import json
import math
import re
from dataclasses import dataclass
from pathlib import Path

from ufseg.images.case_files import CaseFiles
from ufseg.images.class_table import ClassTable
from ufseg.images.datasets import read_dataset
from ufseg.images.phantom import write_phantom_dataset
from ufseg.images.reading import read_image
from ufseg.workspace.membership import membership_of

REPOSITORY = Path(__file__).resolve().parents[1]
HIPPOCAMPUS = REPOSITORY.parent / "shared" / "data" / "hippocampus_mri"

FIRST_TRAINING_CASES = 4
CORRECTED_CASES = 6
MOST_VALIDATION_CASES = 10
LEAST_VALIDATION_CASES = 3
MOST_TEST_CASES = 22
LEAST_TEST_CASES = 4
MOST_VOXELS = 8_000_000
VALIDATION_FRACTION = 0.25
PHANTOM_CASES = 40


class DemoDataError(Exception):
    """The folder has too few labelled cases for the demo; the message says what is needed."""


@dataclass(frozen=True)
class DemoData:
    """The demo's cases by role; no subject stands in two roles of training, validation and test.

    Args:
        source: a sentence for the report: what the data is and whether it is real.
        name: the task's name.
        modality: CT, MRI or other.
        classes: the task's class table.
        first: labelled training cases of the first model.
        validation: the frozen validation cases.
        corrected: cases that are segmented, corrected and submitted.
        test: cases that take no part in training, validation or correction.
    """

    source: str
    name: str
    modality: str
    classes: ClassTable
    first: list[CaseFiles]
    validation: list[CaseFiles]
    corrected: list[CaseFiles]
    test: list[CaseFiles]


def choose_data(folder: Path | None, scratch: Path) -> DemoData:
    """The user's folder, else the hippocampus MRI beside a developer's checkout, else a synthetic phantom."""
    if folder is not None:
        return _assign(folder, str(folder))
    if HIPPOCAMPUS.is_dir():
        names = {"anterior hippocampus": 1, "posterior hippocampus": 2}
        return _assign(
            HIPPOCAMPUS,
            "hippocampus_mri: T1 MRI of the Medical Segmentation Decathlon, Task04 (CC-BY-SA 4.0)",
            classes=ClassTable.of(names),
            name="Hippocampus MRI",
            modality="MRI",
        )
    print(f"No real data found: making a synthetic phantom of {PHANTOM_CASES} CT-like volumes with small lesions.")
    phantom = scratch / "phantom"
    write_phantom_dataset(phantom, cases=PHANTOM_CASES, seed=0)
    return _assign(phantom, "SYNTHETIC phantom, CT-like: organs and lesions; no patient data")


def _assign(
    folder: Path,
    source: str,
    classes: ClassTable | None = None,
    name: str | None = None,
    modality: str | None = None,
) -> DemoData:
    dataset = read_dataset(folder)
    cases = [c.model_copy(update={"subject": _subject(c)}) for c in dataset.cases if c.label is not None]
    test = _test_cases(cases, folder)
    test_subjects = {c.subject for c in test}
    rest = [c for c in cases if c.subject not in test_subjects]
    roles = {c.id: membership_of(c.subject, VALIDATION_FRACTION) for c in rest}
    validation = [c for c in rest if roles[c.id] == "validation"]
    validation = _affordable(validation[:MOST_VALIDATION_CASES], LEAST_VALIDATION_CASES)
    training = [c for c in rest if roles[c.id] == "training"]
    needed = FIRST_TRAINING_CASES + 1
    if len(training) < needed or len(validation) < LEAST_VALIDATION_CASES or not test:
        raise DemoDataError(
            f"The demo needs at least {needed} training, {LEAST_VALIDATION_CASES} validation and 1 test case of "
            f"different subjects; {len(cases)} labelled cases gave {len(training)}, {len(validation)} and "
            f"{len(test)}. Give a folder with about 20 labelled cases or more."
        )
    last = FIRST_TRAINING_CASES + CORRECTED_CASES
    return DemoData(
        source=source,
        name=name or dataset.name,
        modality=modality or dataset.modality or "other",
        classes=classes or dataset.classes,
        first=training[:FIRST_TRAINING_CASES],
        validation=validation,
        corrected=training[FIRST_TRAINING_CASES:last],
        test=_affordable(test, LEAST_TEST_CASES),
    )


def _affordable(cases: list[CaseFiles], least: int) -> list[CaseFiles]:
    """The first cases with at most `MOST_VOXELS` in all, but `least` of them: large volumes take seconds each."""
    chosen: list[CaseFiles] = []
    voxels = 0
    for case in cases:
        voxels += math.prod(read_image(case.images[0]).geometry.size)
        if voxels > MOST_VOXELS and len(chosen) >= least:
            break
        chosen.append(case)
    return chosen


def _test_cases(cases: list[CaseFiles], folder: Path) -> list[CaseFiles]:
    """The dataset's own held-out list (`split.json`, key "val"), or the last third of the subjects."""
    split = folder / "split.json"
    if split.is_file():
        held_out = set(json.loads(split.read_text(encoding="utf-8")).get("val", []))
        chosen = [c for c in cases if c.id in held_out]
        if chosen:
            return chosen[:MOST_TEST_CASES]
    subjects = sorted({c.subject for c in cases})
    last = set(subjects[2 * len(subjects) // 3 :])
    return [c for c in cases if c.subject in last][:MOST_TEST_CASES]


def _subject(case: CaseFiles) -> str:
    """The dataset's subject, or, where it gives none, ids 2k-1 and 2k together.

    Consecutive ids of public datasets are often two sides of one person (in MSD Task04 they look so); to take them
    for one subject costs nothing and keeps a person's other side out of the test.
    """
    if case.subject != case.id:
        return case.subject
    number = re.search(r"(\d+)$", case.id)
    return f"{case.id[: number.start()]}pair {(int(number[1]) + 1) // 2}" if number else case.id
