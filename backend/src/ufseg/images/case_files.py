"""Where a case's files are."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field


class Region(BaseModel):
    """A box of voxels, half open: ``start <= index < stop`` along i, j(, k)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    start: tuple[int, ...]
    stop: tuple[int, ...]


class CaseFiles(BaseModel):
    """One case as files: what a dataset folder lists and what a job is given.

    Args:
        id: unique within its dataset; no patient name.
        subject: who was imaged; cases of one subject are never split between training and validation.
        images: one file or DICOM series folder per channel, in the order of the task's channels.
        stacked: an image with a fourth axis has its channels along it, as in the Decathlon; else it is a time series,
            and is refused.
        label: label map on the images' grid, or None.
        region: the box in which the label map is annotated; None means everywhere.
        classes: names of the classes that the annotator knew; what is of another class was left as background. None
            means all of the class table.
        mask: the label is a black-and-white picture (0 and 255, without a grid of its own) of one class, whose value
            is 1.
        relabel: pairs (value in the file, value to use) where the file's values are not those of the class table;
            what is not listed becomes background. Applied after `mask`.
        field_of_view: a picture, white where the image shows the patient (DRIVE); elsewhere nothing is evaluated.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str
    subject: str
    images: tuple[Path, ...] = Field(min_length=1)
    stacked: bool = False
    label: Path | None = None
    region: Region | None = None
    classes: tuple[str, ...] | None = None
    mask: bool = False
    relabel: tuple[tuple[int, int], ...] | None = None
    field_of_view: Path | None = None
