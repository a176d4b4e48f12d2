"""nnU-Net v2: ``imagesTr/CASE_0000.ext``, ``labelsTr/CASE.ext`` and a ``dataset.json`` with ``channel_names``."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ufseg.images.dataset import Dataset
from ufseg.images.layouts.descriptions import in_order, mapping, modality_of, named_classes
from ufseg.images.layouts.pairing import pair, require_channels


def recognises(folder: Path, description: Mapping[str, Any]) -> bool:
    """Whether the folder is laid out like this."""
    return "channel_names" in description and (folder / "imagesTr").is_dir()


def read(folder: Path, description: Mapping[str, Any]) -> Dataset:
    """The dataset; raises DatasetError."""
    channels = in_order(mapping(description, "channel_names", folder))
    warnings: list[str] = []
    cases = pair(folder / "imagesTr", folder / "labelsTr", warnings, str(description.get("file_ending", "")))
    require_channels(cases, channels, folder)
    return Dataset(
        name=str(description.get("name", folder.name)),
        classes=named_classes(mapping(description, "labels", folder), folder),
        modality=modality_of(channels),
        channel_names=channels,
        cases=cases,
        test=pair(folder / "imagesTs", folder / "labelsTs", []),
        warnings=warnings,
    )
