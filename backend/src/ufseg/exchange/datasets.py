"""The cases of a task as a dataset folder: nnU-Net raw, or Medical Segmentation Decathlon."""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import Any

import numpy as np

from ufseg.errors import ConflictError, InputError, StorageError
from ufseg.images.class_table import ClassTable
from ufseg.images.image import Image, LabelMap, stack_channels
from ufseg.images.reading import read_image, read_label_map
from ufseg.images.writing import write_image, write_label_map
from ufseg.progress import Progress, ProgressCallback, ignore_progress
from ufseg.workspace.records import Case, LabelRevision, Task
from ufseg.workspace.workspace import Workspace

_UNFIT = re.compile(r"[^0-9A-Za-z._-]+")


class Layout(str, Enum):
    """Dataset layouts that are written; `ufseg.images.datasets.read_dataset` reads both."""

    NNUNET = "nnunet"
    DECATHLON = "msd"


@dataclass
class Exported:
    """What was written: cases with and without a label map, and sentences about what others cannot know."""

    labelled: int = 0
    unlabelled: int = 0
    warnings: list[str] = field(default_factory=list)


def export_cases(
    workspace: Workspace,
    task_id: str,
    folder: Path,
    layout: Layout,
    revisions: Sequence[str] = (),
    progress: ProgressCallback = ignore_progress,
) -> Exported:
    """Write the cases of a task with their newest label maps, and note in the audit log that somebody did.

    For nnU-Net, images are one file for each channel, ``imagesTr/NAME_0000.nii.gz``; for the Decathlon one file
    ``imagesTr/NAME.nii.gz`` whose fourth axis are the channels, if there are several. A task of flat images, whose grid
    NIfTI does not keep, is written as ``.nrrd``. Cases without a label map are in ``imagesTs``. ``subjects.json`` says
    whose they are. nnU-Net wants consecutive label values, so that there the values may be others than the task's;
    names stay.

    Args:
        workspace: open workspace.
        task_id: the task.
        folder: to make; it appears whole or not at all.
        layout: of the folder.
        revisions: ids of label revisions to take instead of the newest one of their cases.
        progress: told the fraction of cases done.

    Raises:
        InputError: `folder` exists, or a revision belongs to another task.
        NotFoundError: no such task or revision.
        ConflictError: the task has no case.
        DamagedFileError: a stored file is damaged.
        StorageError: the disk is full or cannot be written.
    """
    if folder.exists():
        raise InputError(f"{folder} exists already. Name a folder that does not, so that nothing is overwritten.")
    task = workspace.tasks.get(task_id)
    cases = workspace.cases.of_task(task_id)
    if not cases:
        raise ConflictError(f"The task {task.name!r} has no case to export. Add cases first.")
    chosen = {r.case: r for r in (workspace.revisions.get(revision) for revision in revisions)}
    foreign = set(chosen) - {case.id for case in cases}
    if foreign:
        raise InputError(f"{len(foreign)} of the given revisions belong to no case of the task {task.name!r}.")
    workspace.audit.note("cases exported", task_id, task=task_id)  # before the first image leaves
    part = folder.with_name(f".{folder.name}.part")
    shutil.rmtree(part, ignore_errors=True)
    try:
        writer = _Writer(workspace, task, part, layout, flat=any(case.geometry.ndim == 2 for case in cases))
        for number, case in enumerate(cases):
            progress(Progress(number / len(cases), case.name))
            newest = chosen.get(case.id) or next(reversed(workspace.revisions.of_case(case.id)), None)
            writer.add(case, newest)
        writer.finish()
        os.replace(part, folder)
    except OSError as error:
        raise StorageError(
            f"The dataset could not be written to {folder}: {error.strerror or error}. Free some space or choose "
            "another folder."
        ) from error
    finally:
        shutil.rmtree(part, ignore_errors=True)
    progress(Progress(1.0, "done"))
    return writer.exported


class _Writer:
    def __init__(self, workspace: Workspace, task: Task, folder: Path, layout: Layout, *, flat: bool) -> None:
        self.exported = Exported()
        self._workspace = workspace
        self._task = task
        self._folder = folder
        self._layout = layout
        self._ending = ".nrrd" if flat else ".nii.gz"
        self._subjects: dict[str, str] = {}
        self._labelled: list[str] = []
        self._unlabelled: list[str] = []
        table = task.class_table
        # Decathlon's values may have gaps, nnU-Net's may not.
        consecutive = layout is Layout.NNUNET
        numbers = range(1, len(table.entries) + 1) if consecutive else table.values
        self._classes = ClassTable.of(dict(zip(table.names, numbers, strict=True)))
        folder.mkdir(parents=True)
        for name in ("imagesTr", "labelsTr"):
            (folder / name).mkdir()

    def add(self, case: Case, revision: LabelRevision | None) -> None:
        name = self._name(case)
        self._subjects[name] = case.subject
        paths = [self._workspace.files.verified(sha) for sha in case.images]
        image = stack_channels([read_image(path) for path in paths], [str(path) for path in paths])
        images = self._folder / ("imagesTs" if revision is None else "imagesTr")
        images.mkdir(exist_ok=True)
        if self._layout is Layout.DECATHLON:
            write_image(images / f"{name}{self._ending}", image, stacked=image.geometry.ndim == 3)
        else:
            for number, channel in enumerate(image.array):
                write_image(images / f"{name}_{number:04}{self._ending}", Image(channel[np.newaxis], image.geometry))
        if revision is None:
            self._unlabelled.append(name)
            self.exported.unlabelled += 1
            return
        label = read_label_map(self._workspace.files.verified(revision.label), self._task.class_table)
        names = dict(zip(self._task.class_table.names, self._task.class_table.values, strict=True))
        array = self._classes.translate(label.array, names, f"The label map of {name}")
        write_label_map(
            self._folder / "labelsTr" / f"{name}{self._ending}", LabelMap(array, image.geometry), self._classes
        )
        self._labelled.append(name)
        self.exported.labelled += 1
        if revision.region is not None:
            self.exported.warnings.append(
                f"{name} is annotated only from {revision.region.start} to {revision.region.stop} (i, j, k), which the "
                "layout cannot say; elsewhere its label map means nothing."
            )
        missing = [n for n in names if n not in revision.classes]
        if missing:
            self.exported.warnings.append(
                f"The label map of {name} does not know the classes {', '.join(missing)}, which the layout cannot say; "
                "they are background there."
            )

    def finish(self) -> None:
        names = dict(zip(self._classes.names, self._classes.values, strict=True))
        channels = {str(n): name for n, name in enumerate(self._task.channels)}
        if self._layout is Layout.NNUNET:
            description: dict[str, Any] = {
                "name": self._task.name,
                "channel_names": channels,
                "labels": {"background": 0} | names,
                "numTraining": len(self._labelled),
                "file_ending": self._ending,
            }
        else:
            description = {
                "name": self._task.name,
                "description": self._task.name,
                "tensorImageSize": "2D" if self._ending == ".nrrd" else "3D",
                "modality": channels,
                "labels": {"0": "background"} | {str(value): name for name, value in names.items()},
                "numTraining": len(self._labelled),
                "numTest": len(self._unlabelled),
                "training": [
                    {"image": f"./imagesTr/{n}{self._ending}", "label": f"./labelsTr/{n}{self._ending}"}
                    for n in self._labelled
                ],
                "test": [f"./imagesTs/{n}{self._ending}" for n in self._unlabelled],
            }
        _write_json(self._folder / "dataset.json", description)
        _write_json(self._folder / "subjects.json", self._subjects)

    def _name(self, case: Case) -> str:
        """The case's name as a file name; with its id where another case has it."""
        name = _UNFIT.sub("_", case.name).strip("._") or case.id
        # Another case's channel would end like this.
        if name in self._subjects or re.search(r"_\d{4}$", name):
            name = f"{name}-{case.id}"
        return name


def _write_json(path: Path, content: dict[str, Any]) -> None:
    path.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
