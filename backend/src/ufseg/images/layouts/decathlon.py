"""Medical Segmentation Decathlon and nnU-Net v1: a ``dataset.json`` that lists every case."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ufseg.errors import DatasetError
from ufseg.images.case_files import CaseFiles
from ufseg.images.dataset import Dataset
from ufseg.images.layouts.descriptions import in_order, mapping, modality_of, named_classes
from ufseg.images.names import split_name


def recognises(folder: Path, description: Mapping[str, Any]) -> bool:
    """Whether the folder is laid out like this."""
    return "training" in description


def read(folder: Path, description: Mapping[str, Any]) -> Dataset:
    """The dataset; raises DatasetError."""
    channels = in_order(mapping(description, "modality", folder))
    cases = []
    for entry in _listed(description, "training", folder):
        if not isinstance(entry, Mapping) or "image" not in entry or "label" not in entry:
            raise DatasetError(
                f"An entry of 'training' in {folder / 'dataset.json'} is {entry!r}; each needs 'image' and 'label'. "
                "Correct the file."
            )
        cases.append(_listed_case(folder, str(entry["image"]), folder / str(entry["label"]), len(channels)))
    test = []
    for entry in _listed(description, "test", folder):
        image = entry.get("image") if isinstance(entry, Mapping) else entry
        if not isinstance(image, str):
            raise DatasetError(
                f"An entry of 'test' in {folder / 'dataset.json'} is {entry!r}; each names an image. Correct the file."
            )
        test.append(_listed_case(folder, image, None, len(channels)))
    return Dataset(
        name=str(description.get("name", folder.name)),
        classes=named_classes(mapping(description, "labels", folder), folder),
        modality=modality_of(channels),
        channel_names=channels,
        cases=sorted(cases, key=lambda c: c.id),
        test=sorted(test, key=lambda c: c.id),
    )


def _listed(description: Mapping[str, Any], key: str, folder: Path) -> list[Any]:
    """The list under `key`, empty without one; raises DatasetError if it is something else."""
    entries = description.get(key, [])
    if not isinstance(entries, list):
        raise DatasetError(
            f"{key!r} in {folder / 'dataset.json'} is {entries!r}; it must be the list of cases. Correct the file."
        )
    return entries


def _listed_case(folder: Path, image: str, label: Path | None, channels: int) -> CaseFiles:
    """A case by the image a dataset.json lists: with a fourth axis where there are several channels.

    nnU-Net v1 lists CASE.nii.gz for CASE_0000.nii.gz, …
    """
    path = folder / image
    stem, ending = split_name(path)
    images = [path] if path.exists() else sorted(path.parent.glob(f"{stem}_[0-9][0-9][0-9][0-9]{ending}"))
    for needed in [*(images or [path]), *([label] if label else [])]:
        if not needed.exists():
            raise DatasetError(f"{folder / 'dataset.json'} lists {needed}, which does not exist. Copy it there.")
    return CaseFiles(id=stem, subject=stem, images=tuple(images), stacked=channels > 1, label=label)
