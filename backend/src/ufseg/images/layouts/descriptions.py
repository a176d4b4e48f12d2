"""Descriptions beside the images: ``dataset.json`` and its like."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import ValidationError

from ufseg.errors import DatasetError
from ufseg.images.class_table import ClassTable

MR_WORDS = re.compile(r"\b(mri?|t1\w*|t2\w*|pd\w*|flair|adc|dwi|swi|dce\w*)\b", re.IGNORECASE)


def read_json(path: Path) -> dict[str, Any]:
    """The object in a JSON file; empty if there is no such file.

    Raises:
        DatasetError: unreadable, no JSON, or no object.
    """
    if not path.exists():
        return {}
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, OSError, RecursionError) as error:
        raise DatasetError(f"{path} is no readable JSON: {error}. Correct the file.") from error
    if not isinstance(content, dict):
        raise DatasetError(f"{path} holds a {type(content).__name__}; expected an object {{…}}. Correct the file.")
    return content


def mapping(description: Mapping[str, Any], key: str, folder: Path) -> Mapping[str, Any]:
    """A non-empty object of ``dataset.json``; raises DatasetError if it is missing."""
    value = description.get(key)
    if not isinstance(value, Mapping) or not value:
        raise DatasetError(f"{folder / 'dataset.json'} has no {key!r} object. Add it.")
    return value


def strings(content: dict[str, Any], path: Path) -> dict[str, str]:
    """The content of ``subjects.json``, checked; raises DatasetError."""
    wrong = [k for k, v in content.items() if not isinstance(v, str | int)]
    if wrong:
        raise DatasetError(f'{path} must hold {{"case id": "subject"}}; the entry {wrong[0]!r} does not. Correct it.')
    return {k: str(v) for k, v in content.items()}


def in_order(channels: Mapping[str, Any]) -> list[str]:
    """Channel names from ``{"0": name, "1": name, …}``."""
    return [str(name) for _, name in sorted(channels.items(), key=_channel_order)]


def named_classes(names: object, folder: Path) -> ClassTable:
    """Class table from {"name": value} (nnU-Net v2) or {"value": "name"} (MSD).

    Raises:
        DatasetError: no such object, regions, an ignore class, doubles, or values that no class can have.
    """
    if not isinstance(names, Mapping) or not names:
        raise DatasetError(f'The classes given in {folder} are {names!r}; expected {{"name": value}}. Correct them.')
    pairs: dict[str, int] = {}
    for key, value in names.items():
        if isinstance(value, list):
            raise DatasetError(
                f"Class {key!r} of {folder} is a region made of the values {value}; overlapping regions are not "
                "supported. Give each class one value."
            )
        name, number = (value, key) if isinstance(value, str) else (key, value)
        if not str(number).isdecimal():
            raise DatasetError(f"Class {name!r} of {folder} has the value {number!r}; values are whole numbers.")
        if str(name).lower() == "ignore":
            raise DatasetError(
                f"The dataset {folder} marks voxels to be ignored (value {number}), which is not supported. Give "
                "these voxels a class or background."
            )
        if name in pairs:
            raise DatasetError(f"Two classes of {folder} have the name {name!r}. Give each its own.")
        pairs[str(name)] = int(number)
    try:
        return ClassTable.of(pairs)
    except ValidationError as error:
        reasons = "; ".join(f"{e['msg']} (got {e['input']!r})" for e in error.errors())
        raise DatasetError(f"The classes given in {folder} cannot be used: {reasons}. Correct them.") from error


def modality_of(channels: list[str]) -> Literal["CT", "MRI", "other"]:
    """The modality that channel names tell."""
    if any(c.strip().upper() == "CT" for c in channels):
        return "CT"
    return "MRI" if channels and all(MR_WORDS.search(c) for c in channels) else "other"


def _channel_order(item: tuple[str, Any]) -> tuple[int, str]:
    return (int(item[0]), "") if item[0].isdecimal() else (0, item[0])
