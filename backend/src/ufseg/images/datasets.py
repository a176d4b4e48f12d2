"""Dataset folders: which cases they hold and what their classes are called."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from pydantic import ValidationError

from ufseg.errors import DatasetError
from ufseg.images.case_files import CaseFiles
from ufseg.images.class_table import ClassTable
from ufseg.images.names import is_image, split_name
from ufseg.images.reading import read_label_map

CHANNEL_SUFFIX = re.compile(r"(?P<case>.+)_(?P<channel>\d{4})$")
MR_WORDS = re.compile(r"\b(mri?|t1\w*|t2\w*|pd\w*|flair|adc|dwi|swi|dce\w*)\b", re.IGNORECASE)


@dataclass(frozen=True)
class Dataset:
    """What a dataset folder holds.

    Args:
        name: for people.
        classes: names and values of the label maps.
        modality: "CT", "MRI" or "other"; None where the folder does not say.
        channel_names: one per image of a case.
        cases: for training, sorted by id; `label` is None where there is none.
        test: cases set apart by the dataset (``imagesTs``), usually without labels.
        warnings: sentences about what was left out.
    """

    name: str
    classes: ClassTable
    modality: Literal["CT", "MRI", "other"] | None
    channel_names: list[str]
    cases: list[CaseFiles]
    test: list[CaseFiles] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)


def read_dataset(folder: Path) -> Dataset:
    """Find the cases of a dataset folder. Label maps are opened only where no file names the classes.

    Layouts, in the order they are recognised:

    1. nnU-Net v2: ``dataset.json`` with ``channel_names``, ``labels`` (name → value) and ``file_ending``;
       ``imagesTr/CASE_0000.ext`` (one file per channel), ``labelsTr/CASE.ext``, ``imagesTs``.
    2. Medical Segmentation Decathlon (and nnU-Net v1): ``dataset.json`` with ``labels`` (value → name),
       ``modality`` and the lists ``training`` and ``test``.
    3. ``images/`` and ``labels/`` with files of the same names (images may carry ``_0000`` as above); classes from
       ``classes.json`` (``{"name": value}``) or ``dataset.json``, else named "class 1", "class 2", … by the values
       that occur.

    An optional ``subjects.json`` (``{"case id": "subject"}``) says which cases are of one subject; without it every
    case is a subject of its own.

    Raises:
        DatasetError: no such folder, no known layout, no case, or a broken description.
        ImageError, LabelError: a label map that had to be opened cannot be used.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise DatasetError(f"There is no dataset folder {folder}. Check the path.")
    description = _read_json(folder / "dataset.json")
    if "channel_names" in description and (folder / "imagesTr").is_dir():
        dataset = _read_nnunet(folder, description)
    elif "training" in description:
        dataset = _read_msd(folder, description)
    elif (folder / "images").is_dir():
        dataset = _read_plain(folder, description)
    else:
        raise DatasetError(
            f"{folder} is no dataset folder: it has neither images/ and labels/ nor a dataset.json (Medical "
            "Segmentation Decathlon or nnU-Net). Arrange the files in one of these ways."
        )
    if not dataset.cases:
        raise DatasetError(
            f"The dataset {folder} is empty: no case was found in it. Put image files (such as .nii.gz or .nrrd) into "
            "its image folder."
        )
    subjects = _strings(_read_json(folder / "subjects.json"), folder / "subjects.json")
    return replace(
        dataset,
        cases=[c.model_copy(update={"subject": subjects.get(c.id, c.id)}) for c in dataset.cases],
        test=[c.model_copy(update={"subject": subjects.get(c.id, c.id)}) for c in dataset.test],
    )


def _read_nnunet(folder: Path, description: Mapping[str, Any]) -> Dataset:
    channels = [str(n) for _, n in sorted(_mapping(description, "channel_names", folder).items(), key=_channel_order)]
    warnings: list[str] = []
    cases = _pair(folder / "imagesTr", folder / "labelsTr", warnings, str(description.get("file_ending", "")))
    _require_channels(cases, channels, folder)
    return Dataset(
        name=str(description.get("name", folder.name)),
        classes=_named_classes(_mapping(description, "labels", folder), folder),
        modality=_modality(channels),
        channel_names=channels,
        cases=cases,
        test=_pair(folder / "imagesTs", folder / "labelsTs", []),
        warnings=warnings,
    )


def _read_msd(folder: Path, description: Mapping[str, Any]) -> Dataset:
    modality = _mapping(description, "modality", folder)
    channels = [str(n) for _, n in sorted(modality.items(), key=_channel_order)]
    cases = []
    for entry in description["training"]:
        if not isinstance(entry, Mapping) or "image" not in entry or "label" not in entry:
            raise DatasetError(
                f"An entry of 'training' in {folder / 'dataset.json'} is {entry!r}; each needs 'image' and 'label'. "
                "Correct the file."
            )
        cases.append(_listed_case(folder, str(entry["image"]), folder / str(entry["label"])))
    test = []
    for entry in description.get("test", []):
        image = entry["image"] if isinstance(entry, Mapping) else entry
        test.append(_listed_case(folder, str(image), None))
    return Dataset(
        name=str(description.get("name", folder.name)),
        classes=_named_classes(_mapping(description, "labels", folder), folder),
        modality=_modality(channels),
        channel_names=channels,
        cases=sorted(cases, key=lambda c: c.id),
        test=sorted(test, key=lambda c: c.id),
    )


def _read_plain(folder: Path, description: Mapping[str, Any]) -> Dataset:
    warnings: list[str] = []
    cases = _pair(folder / "images", folder / "labels", warnings)
    if not cases:
        raise DatasetError(
            f"The dataset {folder} is empty: {folder / 'images'} holds no image file. Put image files (such as "
            ".nii.gz or .nrrd) into it."
        )
    labels = [c.label for c in cases if c.label is not None]
    names = _read_json(folder / "classes.json") or description.get("labels")
    if names:
        classes = _named_classes(names, folder)
    elif labels:
        classes = _classes_from_values(labels, folder)
    else:
        raise DatasetError(
            f"The dataset {folder} has {len(cases)} images but no label map in {folder / 'labels'}, and no "
            'classes.json that names the classes. Add either (classes.json: {"name": value}).'
        )
    count = max(len(c.images) for c in cases)
    declared = description.get("channel_names") or description.get("modality") or {}
    if isinstance(declared, str):
        declared = {"0": declared}
    channels = [str(n) for _, n in sorted(declared.items(), key=_channel_order)]
    modality = _modality(channels) if channels else None
    if len(channels) != count:
        channels = [f"channel {i}" for i in range(1, count + 1)] if count > 1 else ["image"]
    _require_channels(cases, channels, folder)
    return Dataset(
        name=str(description.get("name", folder.name)),
        classes=classes,
        modality=modality,
        channel_names=channels,
        cases=cases,
        test=_pair(folder / "imagesTs", folder / "labelsTs", []),
        warnings=warnings,
    )


def _pair(images: Path, labels: Path, warnings: list[str], ending: str = "") -> list[CaseFiles]:
    """Cases of an image folder with the label maps of the same names; `warnings` gains what does not match."""
    if not images.is_dir():
        return []
    label_of = {split_name(p)[0]: p for p in sorted(labels.iterdir()) if is_image(p)} if labels.is_dir() else {}
    found: dict[str, list[Path]] = {}
    for path in sorted(images.iterdir()):
        # A DICOM series is a folder of its own.
        if not (path.is_dir() and not path.name.startswith(".")) and not (
            is_image(path) and path.name.endswith(ending)
        ):
            continue
        stem = path.name if path.is_dir() else split_name(path)[0]
        channel = CHANNEL_SUFFIX.match(stem)
        case = channel["case"] if channel and stem not in label_of else stem
        found.setdefault(case, []).append(path)
    cases = [CaseFiles(id=c, subject=c, images=tuple(p), label=label_of.get(c)) for c, p in sorted(found.items())]
    without = [c.id for c in cases if c.label is None]
    if without:
        warnings.append(f"{len(without)} of {len(cases)} cases have no label map ({_few(without)}).")
    orphans = sorted(set(label_of) - set(found))
    if orphans:
        warnings.append(f"{len(orphans)} label maps in {labels} have no image ({_few(orphans)}) and are left out.")
    return cases


def _listed_case(folder: Path, image: str, label: Path | None) -> CaseFiles:
    """A case by the image a dataset.json lists; nnU-Net v1 lists CASE.nii.gz for CASE_0000.nii.gz, …"""
    path = folder / image
    stem, ending = split_name(path)
    images = [path] if path.exists() else sorted(path.parent.glob(f"{stem}_[0-9][0-9][0-9][0-9]{ending}"))
    for needed in [*(images or [path]), *([label] if label else [])]:
        if not needed.exists():
            raise DatasetError(f"{folder / 'dataset.json'} lists {needed}, which does not exist. Copy it there.")
    return CaseFiles(id=stem, subject=stem, images=tuple(images), label=label)


def _named_classes(names: object, folder: Path) -> ClassTable:
    """Class table from {"name": value} (nnU-Net v2) or {"value": "name"} (MSD)."""
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


def _classes_from_values(labels: list[Path], folder: Path) -> ClassTable:
    values = sorted({v for path in labels for v in read_label_map(path).values()} - {0})
    if not values:
        raise DatasetError(f"All {len(labels)} label maps of {folder} are empty. Label at least one voxel.")
    return _named_classes({f"class {v}": v for v in values}, folder)


def _modality(channels: list[str]) -> Literal["CT", "MRI", "other"]:
    if any(c.strip().upper() == "CT" for c in channels):
        return "CT"
    return "MRI" if channels and all(MR_WORDS.search(c) for c in channels) else "other"


def _require_channels(cases: list[CaseFiles], channels: list[str], folder: Path) -> None:
    for case in cases:
        if len(case.images) != len(channels):
            raise DatasetError(
                f"Case {case.id} of {folder} has {len(case.images)} image files, but there are {len(channels)} "
                f"channels ({', '.join(channels)}). Add the missing files or remove the case."
            )


def _read_json(path: Path) -> dict[str, Any]:
    """The object in a JSON file; empty if there is no such file."""
    if not path.exists():
        return {}
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, OSError) as error:
        raise DatasetError(f"{path} is no readable JSON: {error}. Correct the file.") from error
    if not isinstance(content, dict):
        raise DatasetError(f"{path} holds a {type(content).__name__}; expected an object {{…}}. Correct the file.")
    return content


def _mapping(description: Mapping[str, Any], key: str, folder: Path) -> Mapping[str, Any]:
    value = description.get(key)
    if not isinstance(value, Mapping) or not value:
        raise DatasetError(f"{folder / 'dataset.json'} has no {key!r} object. Add it.")
    return value


def _strings(content: dict[str, Any], path: Path) -> dict[str, str]:
    wrong = [k for k, v in content.items() if not isinstance(v, str | int)]
    if wrong:
        raise DatasetError(f'{path} must hold {{"case id": "subject"}}; the entry {wrong[0]!r} does not. Correct it.')
    return {k: str(v) for k, v in content.items()}


def _channel_order(item: tuple[str, Any]) -> tuple[int, str]:
    return (int(item[0]), "") if item[0].isdecimal() else (0, item[0])


def _few(names: list[str]) -> str:
    return ", ".join(names[:3]) + (", …" if len(names) > 3 else "")
