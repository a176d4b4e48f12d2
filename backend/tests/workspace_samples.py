"""Small tasks whose segmentation can be learned in seconds: bright squares with a brighter core on noise, 2D."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ufseg.images.class_table import ClassTable
from ufseg.images.geometry import Geometry
from ufseg.images.image import Image
from ufseg.workspace import Case, LabelRevision, Task, Workspace
from ufseg.workspace.membership import membership_of
from ufseg.workspace.revisions import RevisionRequest

CLASSES = ClassTable.of({"organ": 1, "lesion": 3})
GRID = Geometry(size=(40, 32), spacing=(1.0, 1.0), origin=(5.0, -7.0), direction=(1.0, 0.0, 0.0, 1.0))
FRACTION = 0.5


@dataclass(frozen=True)
class Sample:
    """An image ``[1, j, i]`` and its label map ``[j, i]`` with the values of `CLASSES`."""

    image: NDArray[np.float32]
    label: NDArray[np.uint8]


def sample(number: int) -> Sample:
    """The sample of this number, always the same."""
    rng = np.random.default_rng(number)
    image = rng.normal(size=(1, *GRID.array_shape)).astype(np.float32)
    label = np.zeros(GRID.array_shape, np.uint8)
    j, i = rng.integers(2, 10), rng.integers(2, 14)
    label[j : j + 18, i : i + 18] = 1
    label[j + 5 : j + 13, i + 5 : i + 13] = 3
    image[0] += 6.0 * (label == 1) + 12.0 * (label == 3)
    return Sample(image, label)


def subjects(membership: str, count: int) -> list[str]:
    """Names of subjects that fall on one side."""
    names = (f"subject {n}" for n in range(1000))
    chosen = [name for name in names if membership_of(name, FRACTION) == membership]
    return chosen[:count]


def add_task(workspace: Workspace, name: str = "Squares") -> Task:
    """A task for the samples."""
    return workspace.tasks.create(name, "other", ["image"], CLASSES, FRACTION)


def add_case(workspace: Workspace, task: Task, number: int, subject: str) -> Case:
    """A case without a label."""
    file = workspace.files.add_image(Image(sample(number).image, GRID))
    case, _ = workspace.cases.add(task.id, f"case {number}", subject, [file.sha256])
    return case


def add_label(workspace: Workspace, case: Case, label: NDArray[np.uint8], author: str = "reader") -> LabelRevision:
    """A label revision."""
    file = workspace.files.add_image(Image(label[np.newaxis], GRID))
    names = dict(zip(CLASSES.names, CLASSES.values, strict=True))
    return workspace.revisions.submit(case.id, RevisionRequest(label=file.sha256, classes=names, author=author))


def fill(workspace: Workspace, name: str = "Squares", training: int = 3, validation: int = 3) -> Task:
    """A task with labelled cases on both sides."""
    task = add_task(workspace, name)
    for number, subject in enumerate([*subjects("training", training), *subjects("validation", validation)]):
        add_label(workspace, add_case(workspace, task, number, subject), sample(number).label)
    return task
