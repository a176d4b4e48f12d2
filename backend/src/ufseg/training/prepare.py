"""Reading and preprocessing cases once, before training."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

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
from ufseg.training.case_store import CaseStore, case_key
from ufseg.training.cases import IGNORED, PreparedCase, TrainingCase

MEMORY_BYTES = 1 << 30
"""Prepared cases of together more than this are kept as files, if there is a folder for them."""

_ANNOTATED = ClassTable.of({"annotated": 1})


def prepare_cases(
    files: Sequence[CaseFiles],
    plan: Plan,
    classes: ClassTable,
    progress: ProgressCallback = ignore_progress,
    cancelled: CancelCheck = never_cancelled,
    *,
    folder: Path | None = None,
    memory_bytes: int = MEMORY_BYTES,
) -> list[TrainingCase]:
    """Read, preprocess and index labelled cases.

    Of a case that is annotated in a region only, the image is kept whole and the label outside the region is 255. Where
    a case was annotated without a class that other cases of `files` were annotated with, its background may be that
    class, and becomes 255 too.

    Args:
        files: cases with a label each.
        plan: grid and normalisation.
        classes: the task's class table.
        progress: told the fraction of cases done.
        cancelled: asked before each case.
        folder: where prepared cases are kept if they exceed `memory_bytes`, and looked for first; None keeps them all
            in memory. It belongs to the caller, who removes it.
        memory_bytes: of arrays that stay in memory.

    Returns:
        The cases in order; under a 2D plan each slice of a volume on its own, slices outside a region left out.

    Raises:
        DatasetError: no case was given, or one has no label.
        ImageError, LabelError, GeometryError: a file cannot be used.
        StorageError: `folder` cannot be written.
        CancelledError: `cancelled` said so.
    """
    if not files:
        raise DatasetError("There is no labelled case to train on. Label at least one case of the training set first.")
    unknown = {case.id for case in with_unknown_background(files, classes)}
    store = None if folder is None else CaseStore(folder)
    prepared: list[Sequence[TrainingCase]] = []
    in_memory: dict[int, tuple[str, list[PreparedCase]]] = {}
    held = 0
    for number, case in enumerate(files):
        raise_if_cancelled(cancelled)
        progress(Progress(number / len(files), "preparing cases"))
        if case.label is None:
            raise DatasetError(f"Case {case.id} has no label map. Label it, or leave it out of the training.")
        key = "" if store is None else case_key(case, plan, classes, case.id in unknown)
        found = None if store is None else store.find(key)
        if found is not None:
            prepared.append(found)
            continue
        made = _prepare(case, plan, classes, case.id in unknown)
        prepared.append(made)
        in_memory[number] = key, made
        held += sum(part.bytes for part in made)
        if store is not None and held > memory_bytes:
            # Once the limit is reached it stays so, and each further case is written at once.
            for index, (name, parts) in in_memory.items():
                prepared[index] = store.write(name, parts)
            in_memory.clear()
    progress(Progress(1.0, "preparing cases"))
    return [case for parts in prepared for case in parts]


def with_unknown_background(files: Sequence[CaseFiles], classes: ClassTable) -> list[CaseFiles]:
    """The cases annotated without a class that others of them were annotated with."""
    everything = set(classes.names)
    known = [everything if case.classes is None else everything & set(case.classes) for case in files]
    in_use = set().union(*known)
    return [case for case, names in zip(files, known, strict=True) if names != in_use]


def _prepare(case: CaseFiles, plan: Plan, classes: ClassTable, unknown_background: bool) -> list[PreparedCase]:
    image, label = read_whole_case(case, classes)
    if label is None:
        raise DatasetError(f"Case {case.id} has no label map. Label it, or leave it out of the training.")
    inside = _inside(case, label)

    def one(name: str, image: Image, label: LabelMap, inside: LabelMap | None, whole: Image) -> PreparedCase:
        array, _ = preprocess_image(image, plan, whole)
        indices = preprocess_label(label, plan, classes)
        if unknown_background:
            indices = _ignore(indices, indices == 0)
        if inside is not None:
            indices = _ignore(indices, preprocess_label(inside, plan, _ANNOTATED) == 0)
        return PreparedCase.of(name, array, indices)

    if plan.dimension == 3 or image.geometry.ndim == 2 or image.geometry.size[2] == 1:
        return [one(case.id, image, label, inside, image)]
    start, stop = (0, image.geometry.size[2]) if case.region is None else (case.region.start[2], case.region.stop[2])
    images, labels = split_slices(image), split_slices(label)
    insides = [None] * len(images) if inside is None else split_slices(inside)
    return [
        one(f"{case.id}#{k}", images[k], labels[k], insides[k], images[k]) for k in range(start, min(stop, len(images)))
    ]


def _inside(case: CaseFiles, label: LabelMap) -> LabelMap | None:
    """1 in the case's region, on the label's grid; None if it is annotated everywhere. Raises GeometryError."""
    if case.region is None:
        return None
    mask = LabelMap(np.zeros(label.array.shape, np.uint8), label.geometry)
    crop(mask, case).array[...] = 1
    return mask


def _ignore(label: NDArray[np.uint8], where: NDArray[np.bool_]) -> NDArray[np.uint8]:
    return np.where(where, np.uint8(IGNORED), label)
