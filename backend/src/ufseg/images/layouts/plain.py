"""``images/`` and ``labels/`` with files of the same names."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ufseg.errors import DatasetError, ImageError, InputError, LabelError
from ufseg.images.class_table import ClassTable
from ufseg.images.dataset import Dataset
from ufseg.images.layouts.descriptions import in_order, modality_of, named_classes, read_json
from ufseg.images.layouts.pairing import pair, require_channels
from ufseg.images.reading import read_label_map


def recognises(folder: Path, description: Mapping[str, Any]) -> bool:
    """Whether the folder is laid out like this."""
    return (folder / "images").is_dir()


def read(folder: Path, description: Mapping[str, Any]) -> Dataset:
    """The dataset; label maps are opened if nothing names the classes. Raises DatasetError and LabelError."""
    warnings: list[str] = []
    cases = pair(folder / "images", folder / "labels", warnings)
    if not cases:
        raise DatasetError(
            f"The dataset {folder} is empty: {folder / 'images'} holds no image file. Put image files (such as "
            ".nii.gz or .nrrd) into it."
        )
    labels = [c.label for c in cases if c.label is not None]
    names = read_json(folder / "classes.json") or description.get("labels")
    if names:
        classes = named_classes(names, folder)
    elif labels:
        classes = _classes_from_values(labels, folder)
    else:
        raise DatasetError(
            f"The dataset {folder} has {len(cases)} images but no label map in {folder / 'labels'}, and no "
            'classes.json that names the classes. Add either (classes.json: {"name": value}).'
        )
    count = max(len(c.images) for c in cases)
    declared = description.get("channel_names") or description.get("modality") or {}
    if isinstance(declared, list):
        declared = {str(number): name for number, name in enumerate(declared)}
    channels = in_order(declared if isinstance(declared, Mapping) else {"0": declared})
    modality = modality_of(channels) if channels else None
    if len(channels) != count:
        channels = [f"channel {i}" for i in range(1, count + 1)] if count > 1 else ["image"]
    require_channels(cases, channels, folder)
    return Dataset(
        name=str(description.get("name", folder.name)),
        classes=classes,
        modality=modality,
        channel_names=channels,
        cases=cases,
        test=pair(folder / "imagesTs", folder / "labelsTs", []),
        warnings=warnings,
    )


def _classes_from_values(labels: list[Path], folder: Path) -> ClassTable:
    """Of the label maps that can be read: what is wrong with the others is said by who reads the cases."""
    values: set[int] = set()
    failures: list[InputError] = []
    for path in labels:
        try:
            values.update(read_label_map(path).values())
        except (ImageError, LabelError) as error:
            failures.append(error)
    if len(failures) == len(labels):
        raise failures[0]
    found = sorted(values - {0})
    if not found:
        whole = f"All {len(labels)}" if not failures else f"The {len(labels) - len(failures)} readable"
        raise DatasetError(f"{whole} label maps of {folder} are empty. Label at least one voxel.")
    return named_classes({f"class {v}": v for v in found}, folder)
