"""What a plan has to know about the data: sizes, spacings, intensities, class frequencies."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from ufseg.errors import InputError, PlanError
from ufseg.images.case_files import CaseFiles
from ufseg.images.class_table import ClassTable
from ufseg.images.image import Image, LabelMap
from ufseg.images.orientation import to_canonical
from ufseg.images.reading import crop, read_whole_case
from ufseg.plans.detail import measure_detail
from ufseg.plans.modalities import channel_modalities
from ufseg.plans.objects import ObjectSizes, measure_objects
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
        stored_size: `size` with the axes as the file has them, whose first of three counts what it calls slices.
        stored_spacing: millimetres, the same order.
        annotated_voxels: of the label map, its region alone if it has one; 0 without one.
        objects: class name → connected objects, of the classes that occur.
        detail: class name → what a perfect segmentation scores on coarser grids, see `ufseg.plans.detail`; of volumes.
        dtype: numpy's name of the images' type.
        constant_channels: numbers (from 0) of channels with the same value everywhere.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str
    size: tuple[int, ...]
    spacing: tuple[float, ...]
    class_voxels: dict[str, int]
    stored_size: tuple[int, ...] = ()
    stored_spacing: tuple[float, ...] = ()
    annotated_voxels: int = 0
    objects: dict[str, ObjectSizes] = {}
    detail: dict[str, tuple[float, ...]] = {}
    dtype: str = ""
    constant_channels: tuple[int, ...] = ()


class SkippedCase(BaseModel):
    """A case that could not be read: its id, and the sentence that says why."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str
    reason: str


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
        dataset: name of the data set, or None; the paper's settings are found by it.
        dimension: 2 if every case is one slice, else 3.
        cases: one entry each, in the given order.
        channels: labelled intensities per channel; empty if no case has a labelled voxel.
        channel_modalities: one per channel, as their names tell; empty means all as `modality`.
        skipped: cases that could not be read, if they were to be skipped. They are not among `cases`.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    modality: Modality
    dimension: Literal[2, 3]
    channel_count: int
    cases: tuple[CaseFingerprint, ...]
    channels: tuple[ForegroundIntensity, ...]
    dataset: str | None = None
    channel_modalities: tuple[Modality, ...] = ()
    skipped: tuple[SkippedCase, ...] = ()


def fingerprint(
    cases: Sequence[CaseFiles],
    classes: ClassTable,
    modality: Modality,
    progress: ProgressCallback = ignore_progress,
    cancelled: CancelCheck = never_cancelled,
    *,
    channel_names: Sequence[str] = (),
    dataset: str | None = None,
    skip_unreadable: bool = False,
) -> Fingerprint:
    """Read each case once and measure it.

    Args:
        cases: at least one, of the same channels.
        classes: of their label maps.
        modality: the task's.
        progress: told the fraction of cases done.
        cancelled: asked between two cases.
        channel_names: tell the modality of each channel, where a task mixes CT with others.
        dataset: the data set's name, by which the paper's settings are found.
        skip_unreadable: leave out the cases that cannot be read; `Fingerprint.skipped` names them and says why.

    Raises:
        PlanError: no cases, cases of different channel counts, or volumes mixed with single slices; with
            `skip_unreadable`, no case that can be read.
        ImageError, LabelError, GeometryError: a case cannot be read.
        CancelledError: `cancelled` said so.
    """
    if not cases:
        raise PlanError("There are no cases to make a plan from. Add at least one labelled case.")
    measured: list[CaseFingerprint] = []
    skipped: list[SkippedCase] = []
    samples: list[list[NDArray[np.float32]]] = []
    for number, files in enumerate(cases):
        raise_if_cancelled(cancelled)
        try:
            whole, whole_label = read_whole_case(files, classes)
            image, label = crop(whole, files), None if whole_label is None else crop(whole_label, files)
        except InputError as error:
            if not skip_unreadable:
                raise
            skipped.append(SkippedCase(id=files.id, reason=str(error)))
            continue
        finally:
            progress(Progress((number + 1) / len(cases), "measuring cases"))
        if not measured:
            samples = [[] for _ in range(image.channels)]
        if image.channels != len(samples):
            raise PlanError(
                f"Case {files.id} has {image.channels} channel{'' if image.channels == 1 else 's'}, but "
                f"{measured[0].id} has {len(samples)}. All cases of a task need the same channels: add the missing "
                "ones or remove the case."
            )
        measured.append(_measure(files.id, whole, label, classes))
        if label is not None:
            for channel, kept in zip(image.array, samples, strict=True):
                kept.append(_sample(channel[label.array > 0]))
    if not measured:
        raise PlanError(
            f"None of the {len(cases)} cases can be read, so there is nothing to plan for. The first reason: "
            f"{skipped[0].reason}"
        )
    return Fingerprint(
        modality=modality,
        dataset=dataset,
        dimension=_dimension(measured),
        channel_count=len(samples),
        cases=tuple(measured),
        channels=tuple(_summarise(np.concatenate(k)) for k in samples if sum(len(s) for s in k)),
        channel_modalities=channel_modalities(modality, channel_names, len(samples)),
        skipped=tuple(skipped),
    )


def _measure(name: str, image: Image, label: LabelMap | None, classes: ClassTable) -> CaseFingerprint:
    geometry = stored = image.geometry
    flat = geometry.ndim == 2 or geometry.size[2] == 1
    # A single slice is taken as stored, since turning it could hide which axis the slice axis is.
    if not flat:
        geometry = to_canonical(image.array, geometry)[1]
    counts = label.counts() if label is not None else None
    return CaseFingerprint(
        id=name,
        size=geometry.array_shape,
        spacing=tuple(reversed(geometry.spacing)),
        class_voxels={} if counts is None else {e.name: int(counts[e.value]) for e in classes.entries},
        stored_size=stored.array_shape,
        stored_spacing=tuple(reversed(stored.spacing)),
        annotated_voxels=0 if label is None else label.array.size,
        objects={} if label is None else measure_objects(label, classes),
        detail={} if label is None or flat else measure_detail(label, classes, tuple(reversed(stored.spacing))),
        dtype=str(image.array.dtype),
        constant_channels=tuple(n for n, channel in enumerate(image.array) if channel.min() == channel.max()),
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
