"""What a plan has to know about the data: sizes, spacings, intensities, class frequencies."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from ufseg.errors import PlanError
from ufseg.images.case_files import CaseFiles
from ufseg.images.class_table import ClassTable
from ufseg.images.image import Image, LabelMap
from ufseg.images.orientation import to_canonical
from ufseg.images.reading import crop, read_whole_case
from ufseg.plans.plan import Modality
from ufseg.progress import CancelCheck, Progress, ProgressCallback, ignore_progress, never_cancelled, raise_if_cancelled

# Foreground intensities kept per case and channel: enough for a 0.5 % percentile, and every case weighs alike.
SAMPLES_PER_CASE = 10_000


class CaseFingerprint(BaseModel):
    """One case.

    Args:
        id: the case's.
        size: voxels in array order ``(k, j, i)`` or ``(j, i)``, axes turned to canonical (3D); of the whole image,
            for that is what a model will be used on, even if only a region of it is annotated.
        spacing: millimetres, the same order.
        class_voxels: voxels per class name, background left out; empty where the case has no label map.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str
    size: tuple[int, ...]
    spacing: tuple[float, ...]
    class_voxels: dict[str, int]


class ForegroundIntensity(BaseModel):
    """Intensities of one channel in labelled voxels, over all cases (HU for CT)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    percentile_00_5: float
    percentile_99_5: float
    mean: float
    std: float
    minimum: float
    maximum: float


class Fingerprint(BaseModel):
    """What was measured on the cases of a task.

    Args:
        modality: as the task says.
        dimension: 2 if every case is one slice, else 3.
        cases: one entry each, in the given order.
        channels: labelled intensities per channel; empty if no case has a labelled voxel.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    modality: Modality
    dimension: Literal[2, 3]
    channel_count: int
    cases: tuple[CaseFingerprint, ...]
    channels: tuple[ForegroundIntensity, ...]


def fingerprint(
    cases: Sequence[CaseFiles],
    classes: ClassTable,
    modality: Modality,
    progress: ProgressCallback = ignore_progress,
    cancelled: CancelCheck = never_cancelled,
) -> Fingerprint:
    """Read each case once and measure it.

    Raises:
        PlanError: no cases, cases of different channel counts, or volumes mixed with single slices.
        ImageError, LabelError, GeometryError: a case cannot be read.
        CancelledError: `cancelled` said so between two cases.
    """
    if not cases:
        raise PlanError("There are no cases to make a plan from. Add at least one labelled case.")
    measured = []
    samples: list[list[NDArray[np.float32]]] = []
    first_channels = 0
    for number, files in enumerate(cases):
        raise_if_cancelled(cancelled)
        whole, whole_label = read_whole_case(files, classes)
        image, label = crop(whole, files), None if whole_label is None else crop(whole_label, files)
        if number == 0:
            first_channels = image.channels
            samples = [[] for _ in range(image.channels)]
        if image.channels != first_channels:
            raise PlanError(
                f"Case {files.id} has {image.channels} channels, but {cases[0].id} has {first_channels}. All cases of "
                "a task need the same channels: add the missing ones or remove the case."
            )
        measured.append(_measure(files.id, whole, label, classes))
        if label is not None:
            for channel, kept in zip(image.array, samples, strict=True):
                kept.append(_sample(channel[label.array > 0]))
        progress(Progress((number + 1) / len(cases), "measuring cases"))
    return Fingerprint(
        modality=modality,
        dimension=_dimension(measured),
        channel_count=first_channels,
        cases=tuple(measured),
        channels=tuple(_summarise(np.concatenate(k)) for k in samples if sum(len(s) for s in k)),
    )


def _measure(name: str, image: Image, label: LabelMap | None, classes: ClassTable) -> CaseFingerprint:
    geometry = image.geometry
    # A single slice is taken as stored, since turning it could hide which axis the slice axis is.
    if geometry.ndim == 3 and geometry.size[2] > 1:
        geometry = to_canonical(image.array, geometry)[1]
    counts = label.counts() if label is not None else None
    return CaseFingerprint(
        id=name,
        size=geometry.array_shape,
        spacing=tuple(reversed(geometry.spacing)),
        class_voxels={} if counts is None else {e.name: int(counts[e.value]) for e in classes.entries},
    )


def _sample(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """Evenly strided values: the same ones each time, from everywhere in the structure."""
    return values[:: max(1, -(-len(values) // SAMPLES_PER_CASE))].astype(np.float32)


def _summarise(values: NDArray[np.float32]) -> ForegroundIntensity:
    low, high = np.percentile(values, (0.5, 99.5))
    return ForegroundIntensity(
        percentile_00_5=float(low),
        percentile_99_5=float(high),
        mean=float(values.mean(dtype=np.float64)),
        std=float(values.std(dtype=np.float64)),
        minimum=float(values.min()),
        maximum=float(values.max()),
    )


def _dimension(cases: list[CaseFingerprint]) -> Literal[2, 3]:
    flat = [c for c in cases if len(c.size) == 2 or c.size[0] == 1]
    if len(flat) not in (0, len(cases)):
        volume = next(c for c in cases if c not in flat)
        raise PlanError(
            f"{len(flat)} of {len(cases)} cases are single slices (such as {flat[0].id}), the others are volumes (such "
            f"as {volume.id}). One task needs one kind: put them into two tasks."
        )
    return 2 if flat else 3
