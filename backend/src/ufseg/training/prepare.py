"""Reading and preprocessing cases once, before training."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ufseg.errors import DatasetError
from ufseg.images.case_files import CaseFiles
from ufseg.images.class_table import ClassTable
from ufseg.images.image import Image, LabelMap
from ufseg.images.reading import crop, read_whole_case
from ufseg.images.slices import split_slices
from ufseg.plans.plan import Plan
from ufseg.plans.preprocessing import preprocess_image, preprocess_label
from ufseg.progress import CancelCheck, Progress, ProgressCallback, ignore_progress, never_cancelled, raise_if_cancelled

# Enough positions to centre patches on; more would only take memory.
MAX_FOREGROUND = 20_000


@dataclass(frozen=True)
class PreparedCase:
    """A case as the trainer takes it, on the plan's grid and axes.

    Args:
        id: of the case; slices of a volume under a 2D plan are called ``id#k``.
        image: ``[channel, *space]`` float32, normalised.
        label: ``[*space]`` uint8 network indices, 0 background.
        foreground: for each class that occurs, positions ``[n, axes]`` (array order) of up to 20 000 of its voxels.
    """

    id: str
    image: NDArray[np.float32]
    label: NDArray[np.uint8]
    foreground: tuple[NDArray[np.int32], ...]

    @classmethod
    def of(cls, case_id: str, image: NDArray[np.float32], label: NDArray[np.uint8]) -> PreparedCase:
        """Make a case from its arrays, finding the foreground."""
        return cls(
            id=case_id,
            image=np.ascontiguousarray(image, dtype=np.float32),
            label=np.ascontiguousarray(label),
            foreground=_foreground(label),
        )


def prepare_cases(
    files: Sequence[CaseFiles],
    plan: Plan,
    classes: ClassTable,
    progress: ProgressCallback = ignore_progress,
    cancelled: CancelCheck = never_cancelled,
) -> list[PreparedCase]:
    """Read, preprocess and index labelled cases.

    Args:
        files: cases with a label each.
        plan: grid and normalisation.
        classes: the task's class table.
        progress: told the fraction of cases done.
        cancelled: asked before each case.

    Returns:
        The cases in order; under a 2D plan each slice of a volume on its own.

    Raises:
        DatasetError: no case was given, or one has no label.
        ImageError, LabelError, GeometryError: a file cannot be used.
        CancelledError: `cancelled` said so.
    """
    if not files:
        raise DatasetError("There is no labelled case to train on. Label at least one case of the training set first.")
    prepared = []
    for number, case in enumerate(files):
        raise_if_cancelled(cancelled)
        progress(Progress(number / len(files), "preparing cases"))
        image, label = read_whole_case(case, classes)
        if label is None:
            raise DatasetError(f"Case {case.id} has no label map. Label it, or leave it out of the training.")
        prepared.extend(_prepare(case, image, label, plan, classes))
    progress(Progress(1.0, "preparing cases"))
    return prepared


def _prepare(case: CaseFiles, image: Image, label: LabelMap, plan: Plan, classes: ClassTable) -> list[PreparedCase]:
    def one(name: str, image: Image, label: LabelMap, whole: Image) -> PreparedCase:
        array, _ = preprocess_image(image, plan, whole)
        return PreparedCase.of(name, array, preprocess_label(label, plan, classes))

    cut, cut_label = crop(image, case), crop(label, case)
    if plan.dimension == 3 or image.geometry.ndim == 2 or image.geometry.size[2] == 1:
        return [one(case.id, cut, cut_label, image)]
    first = 0 if case.region is None else case.region.start[2]
    slices = zip(split_slices(cut), split_slices(cut_label), split_slices(image)[first:], strict=False)
    return [one(f"{case.id}#{k}", *parts) for k, parts in enumerate(slices, start=first)]


def _foreground(label: NDArray[Any]) -> tuple[NDArray[np.int32], ...]:
    found = []
    for value in np.flatnonzero(np.bincount(label.reshape(-1))):
        if value == 0:
            continue
        flat = np.flatnonzero(label == value)
        if len(flat) > MAX_FOREGROUND:
            flat = flat[np.linspace(0, len(flat) - 1, MAX_FOREGROUND).astype(np.int64)]
        found.append(np.stack(np.unravel_index(flat, label.shape), axis=1).astype(np.int32))
    return tuple(found)
