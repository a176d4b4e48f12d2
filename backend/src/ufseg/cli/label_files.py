"""The files that a prediction writes."""

from __future__ import annotations

import json
from collections.abc import Sequence
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING

from ufseg.errors import InputError, StorageError

if TYPE_CHECKING:
    from ufseg.images.class_table import ClassTable
    from ufseg.images.image import LabelMap

CLASSES_FILE = "classes.json"


class OutputFormat(str, Enum):
    """Formats of label maps."""

    NIFTI = "nii.gz"
    NRRD = "nrrd"
    SLICER = "seg.nrrd"
    DICOM = "dicom-seg"

    @property
    def ending(self) -> str:
        """Of the files' names, without the dot."""
        return "dcm" if self is OutputFormat.DICOM else self.value


def describe_classes(folder: Path, classes: ClassTable, form: OutputFormat) -> None:
    """Write names, values and colours of the classes beside label maps that cannot hold them.

    Raises:
        InputError: the folder describes other classes already.
        StorageError: the file cannot be written.
    """
    if form in (OutputFormat.SLICER, OutputFormat.DICOM):
        return
    from ufseg.images.colors import with_colors

    path = folder / CLASSES_FILE
    text = json.dumps(with_colors(classes).model_dump(mode="json", exclude_none=True), indent=2, ensure_ascii=False)
    try:
        if not path.exists():
            path.write_text(text + "\n", encoding="utf-8")
        elif path.read_text(encoding="utf-8", errors="replace") != text + "\n":
            raise InputError(
                f"{path} describes other classes than this model's, and would have to be replaced. Choose another "
                "folder for these label maps."
            )
    except OSError as error:
        raise StorageError(
            f"{path} could not be written: {error.strerror or error}. Choose another folder or free some space."
        ) from error


def write_labels(path: Path, label: LabelMap, classes: ClassTable, form: OutputFormat, image: Sequence[Path]) -> None:
    """Write a label map to a file that is not there yet.

    Args:
        path: the file.
        label: class values on the image's grid.
        classes: their meaning.
        form: of the file.
        image: what was segmented; a DICOM SEG names its series.

    Raises:
        InputError: the file is there, or a DICOM SEG is wanted of several channels.
        UfsegError: it cannot be written.
    """
    from ufseg.images.segmentation_file import write_segmentation
    from ufseg.images.writing import write_label_map

    if path.exists():
        raise InputError(f"{path} appeared while its image was segmented. Move it away and predict again.")
    if form is OutputFormat.SLICER:
        write_segmentation(path, label, classes)
    elif form is OutputFormat.DICOM:
        from ufseg.exchange.dicom_seg import write_dicom_seg

        if len(image) != 1:
            raise InputError(
                f"A DICOM SEG refers to one series, and the image has {len(image)} channels. Choose another format."
            )
        write_dicom_seg(path, label, classes, image[0])
    else:
        write_label_map(path, label, classes)
