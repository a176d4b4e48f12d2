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
        label: label map on the images' grid, or None.
        region: the box in which the label map is annotated; None means everywhere.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str
    subject: str
    images: tuple[Path, ...] = Field(min_length=1)
    label: Path | None = None
    region: Region | None = None
