"""Corrections that say only what changed: a box of voxels over an earlier label map."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import select
from sqlalchemy.orm import Session

from ufseg.errors import GeometryError, InputError
from ufseg.images.class_table import ClassTable
from ufseg.images.geometry import Geometry
from ufseg.workspace.tables import CaseRow, JobRow, RevisionRow


class Patch(BaseModel):
    """What a label map that is a part of the case's grid is put over.

    Args:
        base: hash of the label map of a revision of the same case, or of a prediction of its task.
        start: the voxel i, j(, k) of the case's grid at which the part begins.
    """

    model_config = ConfigDict(extra="forbid")

    base: str
    start: tuple[int, ...] = Field(min_length=2, max_length=3)


def require_base(session: Session, case: CaseRow, base: str) -> None:
    """Check that a label map has the values of the task's classes and belongs to the case.

    Raises:
        InputError: it is neither of a revision of the case nor of a prediction of it.
    """
    revision = select(RevisionRow.id).where(RevisionRow.case == case.id, RevisionRow.label == base).limit(1)
    if session.scalar(revision) is not None:
        return
    prediction = select(JobRow.id).where(
        JobRow.task == case.task,
        JobRow.kind == "prediction",
        JobRow.state == "succeeded",
        JobRow.request["case"].as_string() == case.id,
        JobRow.result["label"].as_string() == base,
    )
    if session.scalar(prediction.limit(1)) is not None:
        return
    raise InputError(
        f"The label map {base[:80]!r} is neither that of a revision nor of a prediction of the case {case.id}. Give "
        "one of its own as the base, or send the whole label map."
    )


def part_of(grid: Geometry, start: tuple[int, ...], size: tuple[int, ...]) -> Geometry:
    """The grid of a box of `grid`.

    Raises:
        GeometryError: the box does not lie inside.
    """
    inside = len(start) == len(size) == grid.ndim and all(
        first >= 0 and first + length <= whole for first, length, whole in zip(start, size, grid.size, strict=True)
    )
    if not inside:
        raise GeometryError(
            f"The changed part of {size} voxels from {start} on does not lie in the image of {grid.size} voxels "
            "(i, j, k). Send the part that was cut out of this image."
        )
    return grid.model_copy(update={"size": size, "origin": tuple(grid.position(start).tolist())})


def put_over(
    base: NDArray[Any], part: NDArray[np.uint8], start: tuple[int, ...], table: ClassTable
) -> NDArray[np.uint8]:
    """A copy of `base` with `part` in it.

    Args:
        base: label map ``[k, j, i]`` or ``[j, i]`` in the values of `table`.
        part: the box, in these values, too.
        start: its first voxel i, j(, k).
        table: the task's classes.

    Raises:
        LabelError: `base` holds a value that `table` lacks.
    """
    whole = table.from_indices(table.to_indices(base))
    box = tuple(slice(a, a + n) for a, n in zip(reversed(start), part.shape, strict=True))
    whole[box] = part
    return whole
