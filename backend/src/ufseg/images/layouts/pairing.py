"""Images and the label maps that belong to them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from ufseg.errors import DatasetError
from ufseg.images.case_files import CaseFiles
from ufseg.images.names import is_image, split_name

CHANNEL_SUFFIX = re.compile(r"(?P<case>.+)_(?P<channel>\d{4})$")


def pair(images: Path, labels: Path, warnings: list[str], ending: str = "") -> list[CaseFiles]:
    """Cases of an image folder with the label maps of the same names; `warnings` gains what does not match."""
    if not images.is_dir():
        return []
    label_of = {split_name(p)[0]: p for p in image_files(labels)}
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
    warn_of_unlabelled(cases, warnings)
    orphans = sorted(set(label_of) - set(found))
    if orphans:
        warnings.append(f"{len(orphans)} label maps in {labels} have no image ({few(orphans)}) and are left out.")
    return cases


def image_files(folder: Path) -> list[Path]:
    """The image files of a folder in order; none if there is no such folder."""
    return [p for p in sorted(folder.iterdir()) if is_image(p)] if folder.is_dir() else []


def warn_of_unlabelled(cases: Sequence[CaseFiles], warnings: list[str]) -> None:
    """Add a sentence if some cases have no label map."""
    without = [c.id for c in cases if c.label is None]
    if without:
        warnings.append(f"{len(without)} of {len(cases)} cases have no label map ({few(without)}).")


def require_channels(cases: Sequence[CaseFiles], channels: Sequence[str], folder: Path) -> None:
    """Raise DatasetError if a case has another number of image files than there are channels."""
    for case in cases:
        if len(case.images) != len(channels):
            raise DatasetError(
                f"Case {case.id} of {folder} has {len(case.images)} image files, but there are {len(channels)} "
                f"channels ({', '.join(channels)}). Add the missing files or remove the case."
            )


def few(names: Sequence[str]) -> str:
    """The first three of some names."""
    return ", ".join(names[:3]) + (", …" if len(names) > 3 else "")
