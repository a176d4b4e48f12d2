"""Which cases of a dataset are for training and which for testing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from ufseg.engine.train_job import held_out
from ufseg.errors import DatasetError, InputError
from ufseg.images.case_files import CaseFiles
from ufseg.images.class_table import ClassTable
from ufseg.images.dataset import Dataset
from ufseg.images.layouts.descriptions import read_json
from ufseg.images.layouts.pairing import few
from ufseg.images.reading import read_case
from ufseg.workspace.membership import place_of

SPLIT_FILE = "split.json"
TRAINING_KEYS = ("train", "training")
TEST_KEYS = ("test", "val", "validation")


@dataclass(frozen=True)
class Split:
    """Labelled cases in two parts.

    Args:
        training, test: the cases, sorted as in the dataset.
        validation: cases that end a training of the schedule "paper"; see `with_validation`.
        source: a sentence that says who decided.
    """

    training: list[CaseFiles]
    test: list[CaseFiles]
    source: str
    validation: list[CaseFiles] = field(default_factory=list)

    def with_validation(self) -> Split:
        """The same, with some of the training subjects for validation, as `held_out` chooses them.

        Raises:
            DatasetError: the training cases are of one subject.
        """
        training, validation = held_out(self.training)
        return replace(self, training=training, validation=validation)

    def readable(self, classes: ClassTable) -> tuple[Split, dict[str, str]]:
        """Without the cases that cannot be read, and for each of these by its id the sentence that says why.

        Raises:
            DatasetError: no training or no test case can be read.
        """
        reasons: dict[str, str] = {}
        for case in (*self.training, *self.test):
            try:
                read_case(case, classes)
            except InputError as error:
                reasons[case.id] = str(error)
        training, test = ([c for c in part if c.id not in reasons] for part in (self.training, self.test))
        if not training or not test:
            raise DatasetError(
                f"No {'test' if training else 'training'} case can be read. The first reason: "
                f"{next(iter(reasons.values()))}"
            )
        return replace(self, training=training, test=test), reasons


def split_dataset(dataset: Dataset, folder: Path, split_file: Path | None = None, test_fraction: float = 0.2) -> Split:
    """Divide the labelled cases of a dataset.

    The first of these decides: `split_file`; ``split.json`` in the folder; the dataset's own test cases, if they have
    annotations; a stable hash of each subject, which puts about `test_fraction` of the subjects (at least one) into
    the test part, the same ones in every run and on every machine.

    Args:
        dataset: as read from `folder`.
        folder: of the dataset.
        split_file: ``{"train": [ids], "test": [ids]}``; ``val`` may stand for ``test``. What neither list names is
            left out.
        test_fraction: between 0 and 1.

    Raises:
        DatasetError: too few labelled cases or subjects, or a split file that names unknown cases, one case twice, or
            one subject on both sides.
    """
    labelled = [c for c in dataset.cases if c.label is not None]
    set_apart = [c for c in dataset.test if c.label is not None]
    path = split_file or (folder / SPLIT_FILE if (folder / SPLIT_FILE).is_file() else None)
    if path is not None:
        return _from_file(path, [*labelled, *set_apart])
    if not labelled:
        raise DatasetError(f"None of the {len(dataset.cases)} cases of {folder} has a label map. Label some first.")
    if set_apart:
        return Split(labelled, set_apart, f"the dataset's own test cases ({len(set_apart)})")
    return _by_subject(labelled, folder, test_fraction)


def _from_file(path: Path, labelled: Sequence[CaseFiles]) -> Split:
    if not path.is_file():
        raise DatasetError(f"There is no split file {path}. Check the path.")
    content = read_json(path)
    training, test = _ids(content, TRAINING_KEYS, path), _ids(content, TEST_KEYS, path)
    named = [*training, *test]
    by_id = {c.id: c for c in labelled}
    unknown = [n for n in named if n not in by_id]
    if unknown:
        raise DatasetError(
            f"{path} names {len(unknown)} cases that the dataset lacks or that have no label map ({few(unknown)}). "
            "Correct it."
        )
    double = sorted({n for n in named if named.count(n) > 1})
    if double:
        raise DatasetError(f"{path} names {few(double)} more than once. Name each case once.")
    both = sorted({by_id[n].subject for n in training} & {by_id[n].subject for n in test})
    if both:
        raise DatasetError(
            f"{path} puts cases of one subject ({few(both)}) into training and test. Keep a subject's cases together."
        )
    wanted = set(training)
    return Split(
        [c for c in labelled if c.id in wanted],
        [c for c in labelled if c.id in set(test)],
        f"{path.name}" + (f" ({len(labelled) - len(named)} cases left out)" if len(named) < len(labelled) else ""),
    )


def _ids(content: dict[str, Any], keys: tuple[str, ...], path: Path) -> list[str]:
    for key in keys:
        ids = content.get(key)
        if isinstance(ids, list) and ids and all(isinstance(i, str) for i in ids):
            return ids
    raise DatasetError(f'{path} must hold {{"train": [case ids], "test": [case ids]}}, neither of them empty.')


def _by_subject(labelled: list[CaseFiles], folder: Path, test_fraction: float) -> Split:
    subjects = sorted({c.subject for c in labelled}, key=place_of)
    if len(subjects) < 2:
        raise DatasetError(
            f"{folder} has labelled cases of {len(subjects)} subject only; nothing is left to test on. Add a case of "
            "another subject."
        )
    # The hash decides as it does for a workspace's membership; one subject at least is on each side.
    chosen = {s for s in subjects if place_of(s) < test_fraction} or {subjects[0]}
    chosen -= {subjects[-1]} if len(chosen) == len(subjects) else set()
    return Split(
        [c for c in labelled if c.subject not in chosen],
        [c for c in labelled if c.subject in chosen],
        f"a stable hash of the subjects ({len(chosen)} of {len(subjects)} for testing)",
    )
