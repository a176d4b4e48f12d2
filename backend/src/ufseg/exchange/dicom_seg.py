"""Label maps as DICOM SEG, which names the series that they were drawn on.

A DICOM SEG belongs to the study and the patient of its source series: the standard makes it carry their
identification, so that an archive files it there. It is the only file that ufseg writes such data to, and only when it
is asked for one.

Source: DICOM PS3.3 A.51 and C.8.20; https://highdicom.readthedocs.io/en/latest/seg.html
"""

from __future__ import annotations

import os
import warnings
from pathlib import Path
from typing import Any

import numpy as np

from ufseg._version import __version__
from ufseg.errors import ImageError, InputError, LabelError, StorageError
from ufseg.images.class_table import ClassEntry, ClassTable
from ufseg.images.colors import with_colors
from ufseg.images.dicom import series_files
from ufseg.images.geometry import Geometry
from ufseg.images.image import LabelMap
from ufseg.images.segmentation_file import TISSUE
from ufseg.images.size_limit import require_bounded

# What DICOM lets be told apart: DS numbers have 16 characters.
_PLACE_TOLERANCE_MM = 1e-2
_SERIES_NUMBER = 9100
_LONGEST_LABEL = 64
_UNICODE = "ISO_IR 192"
_DEFLATED = "1.2.840.10008.1.2.1.99"


def require_highdicom() -> None:
    """Raise InputError if the package that writes DICOM SEG is not installed."""
    try:
        import highdicom  # noqa: F401
    except ImportError as error:
        raise InputError("DICOM SEG needs the package highdicom. Install ufseg[dicom].") from error


def write_dicom_seg(path: Path, label: LabelMap, classes: ClassTable, series: Path) -> None:
    """Write a label map of a DICOM series as DICOM SEG (BINARY), referring to each of its slices.

    Every class becomes a segment, numbered from 1 in the order of the class values, with its name, terminology codes
    and colour; also one that does not occur.

    Args:
        path: of the file.
        label: on the grid of the series.
        classes: the meaning of its values.
        series: folder of the source series, one slice in a file.

    Raises:
        InputError: highdicom is not installed.
        ImageError: the series is no such folder, or lacks what the standard requires.
        LabelError: a value without a class, or two classes whose names DICOM cannot tell apart.
        GeometryError: the label map lies on another grid.
        StorageError: the file cannot be written.
    """
    require_highdicom()
    import highdicom as hd

    classes.check_values(label.values(), "The label map to be written")
    _check_names(classes)
    sources = _sources(series, label.geometry)
    # Segment numbers are consecutive by the standard, class values need not be.
    numbers = classes.to_indices(label.array)
    described = [_segment(number, entry) for number, entry in enumerate(with_colors(classes).entries, start=1)]
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # they quote the patient's name
            if not all(f"{entry.name}{entry.terminology}".isascii() for entry in classes.entries):
                for source in sources:  # highdicom takes the character set of the series, which may lack letters
                    source.decode()
                    source.SpecificCharacterSet = _UNICODE
            segmentation = hd.seg.Segmentation(
                source_images=sources,
                pixel_array=numbers,
                segmentation_type=hd.seg.SegmentationTypeValues.BINARY,
                segment_descriptions=described,
                series_instance_uid=hd.UID(),
                series_number=_SERIES_NUMBER,
                sop_instance_uid=hd.UID(),
                instance_number=1,
                manufacturer="UnifiedFocalSeg",
                manufacturer_model_name="ufseg",
                software_versions=__version__,
                device_serial_number="none",
                content_label="UFSEG",
                series_description="UnifiedFocalSeg segmentation",
            )
    except (AttributeError, KeyError, ValueError, TypeError) as error:
        raise ImageError(
            f"The series {series} cannot be referred to by a DICOM SEG ({_without_values(error)}). Use another format."
        ) from error
    part = path.with_name(f".{path.name}.part")
    try:
        with part.open("wb") as stream:
            segmentation.save_as(stream)
            stream.flush()
            os.fsync(stream.fileno())
        os.replace(part, path)
    except OSError as error:
        raise StorageError(
            f"{path} could not be written: {error.strerror or error}. Free some space or choose another folder."
        ) from error
    finally:
        part.unlink(missing_ok=True)


def read_dicom_seg(path: Path, grid: Geometry) -> tuple[LabelMap, ClassTable]:
    """Read a DICOM SEG on the grid of its source image.

    Args:
        path: the file.
        grid: of the image that it was drawn on; what the file leaves out is background.

    Returns:
        The label map, whose values are the segment numbers, and their names and colours.

    Raises:
        InputError: highdicom is not installed.
        ImageError: it is no readable DICOM SEG.
        LabelError: segments overlap, or have the same name.
        GeometryError: it lies on another grid.
    """
    require_highdicom()
    import highdicom as hd
    from pydicom.errors import InvalidDicomError
    from pydicom.filereader import read_file_meta_info

    try:
        if read_file_meta_info(path).get("TransferSyntaxUID") == _DEFLATED:
            raise ImageError(
                f"{path} is compressed as a whole, which is not read since it could unfold without bounds. Save it in "
                "another transfer syntax."
            )
        segmentation = hd.seg.segread(str(path))
        require_bounded(path, segmentation.Rows * segmentation.Columns * int(segmentation.NumberOfFrames))
        numbers = [int(n) for n in segmentation.segment_numbers]
        entries = [_entry(segmentation.get_segment_description(n)) for n in numbers]
    except (OSError, InvalidDicomError, ValueError, AttributeError, KeyError, TypeError) as error:
        raise ImageError(f"{path} is no readable DICOM SEG. Give a file of modality SEG.") from error
    try:
        volume = segmentation.get_volume(combine_segments=True)
        table = ClassTable(entries=tuple(entries))
    except (RuntimeError, ValueError) as error:
        raise LabelError(
            f"{path} is no label map: its segments overlap, have the same name, or its planes are no volume "
            f"({_without_values(error)}). Export its segments one by one."
        ) from error
    array = np.asarray(volume.array, np.uint8)
    return LabelMap(_placed(array, volume, grid, path), grid), table


def _placed(array: np.ndarray[Any, Any], volume: Any, grid: Geometry, path: Path) -> np.ndarray[Any, Any]:
    """Put the planes of a SEG into the whole grid, turned the other way round where they are."""
    # Both axes systems are LPS in DICOM; its array axes are (k, j, i), too.
    whole = np.zeros(grid.array_shape, np.uint8)
    affine = np.asarray(volume.affine)
    found = Geometry(
        size=tuple(reversed(array.shape)),
        spacing=tuple(float(np.linalg.norm(affine[:3, axis])) for axis in (2, 1, 0)),
        origin=tuple(affine[:3, 3].tolist()),
        direction=tuple(
            np.stack([affine[:3, axis] / np.linalg.norm(affine[:3, axis]) for axis in (2, 1, 0)], axis=1)
            .reshape(-1)
            .tolist()
        ),
    )
    if float(found.matrix[:, 2] @ grid.matrix[:, 2]) < 0:
        array = array[::-1]
        last = found.position((0.0, 0.0, found.size[2] - 1.0))
        matrix = found.matrix * np.array([1.0, 1.0, -1.0])
        found = found.model_copy(
            update={"origin": tuple(last.tolist()), "direction": tuple(matrix.reshape(-1).tolist())}
        )
    index = np.linalg.solve(grid.matrix * grid.spacing, np.asarray(found.origin) - np.asarray(grid.origin))
    start = tuple(int(n) for n in np.rint(index))
    inside = all(a >= 0 and a + n <= m for a, n, m in zip(start, found.size, grid.size, strict=True))
    expected = grid.model_copy(
        update={"size": found.size, "origin": tuple(grid.position(start).tolist())} if inside else {}
    )
    found.require_same(expected, f"The DICOM SEG {path}", "its image", "Give the series that it was drawn on.")
    box = tuple(slice(a, a + n) for a, n in zip(reversed(start), array.shape, strict=True))
    whole[box] = array
    return whole


def _sources(series: Path, grid: Geometry) -> list[Any]:
    """The headers of a series' slices, in the order of the label map's planes."""
    from pydicom import dcmread

    if not series.is_dir():
        raise ImageError(f"{series} is no folder of a DICOM series, and a DICOM SEG must name one. Give the folder.")
    sources = [dcmread(name, stop_before_pixels=True) for name in series_files(series)]
    if any("NumberOfFrames" in source for source in sources):
        raise ImageError(f"The series {series} holds several slices in a file. Give one with a file for each slice.")
    missing = [t for t in ("ImagePositionPatient", "FrameOfReferenceUID", "SOPInstanceUID") if t not in sources[0]]
    if missing:
        raise ImageError(f"The slices of {series} lack {', '.join(missing)}, which a DICOM SEG refers to. Use .nrrd.")
    if grid.ndim != 3 or len(sources) != grid.size[2]:
        raise ImageError(f"The series {series} has {len(sources)} slices, and its label map {grid.array_shape} voxels.")
    for k, source in enumerate(sources):
        moved = np.asarray([float(n) for n in source.ImagePositionPatient]) - grid.position((0.0, 0.0, float(k)))
        if float(np.abs(moved).max()) > max(_PLACE_TOLERANCE_MM, 0.02 * grid.spacing[2]):
            raise ImageError(
                f"Slice {k + 1} of {series} lies {float(np.abs(moved).max()):.3g} mm off the label map's plane. Choose "
                "another format."
            )
        if not source.get("SpecificCharacterSet", "-"):
            del source.SpecificCharacterSet  # empty means none, which highdicom does not know
    return sources


def _check_names(classes: ClassTable) -> None:
    for name in classes.names:
        if "\\" in name:
            raise LabelError(f"DICOM has no backslash in names, as in the class {name!r}. Use another format.")
    labels = [name[:_LONGEST_LABEL] for name in classes.names]
    alike = sorted({label for label in labels if labels.count(label) > 1})
    if alike:
        raise LabelError(
            f"Several classes begin with {alike[0]!r}, and DICOM keeps only {_LONGEST_LABEL} characters of a name. Use "
            "another format."
        )


def _segment(number: int, entry: ClassEntry) -> Any:
    import highdicom as hd
    from pydicom.sr.codedict import codes

    category, kind = _codes(entry.terminology)
    return hd.seg.SegmentDescription(
        segment_number=number,
        segment_label=entry.name[:_LONGEST_LABEL],
        segmented_property_category=category,
        segmented_property_type=kind,
        algorithm_type=hd.seg.SegmentAlgorithmTypeValues.AUTOMATIC,
        algorithm_identification=hd.AlgorithmIdentificationSequence(
            name="UnifiedFocalSeg", version=__version__, family=codes.DCM.ArtificialIntelligence
        ),
        tracking_uid=hd.UID(),
        tracking_id=f"{number}",
        display_color=hd.color.CIELabColor.from_rgb(*(entry.color or (0, 0, 0))),
    )


def _codes(terminology: str | None) -> tuple[Any, Any]:
    """Category and type of 3D Slicer's serialised terminology entry: ``context~category~type~modifier~…``."""
    parts = (terminology or TISSUE).split("~")
    default = TISSUE.split("~")
    category, kind = (_code(parts[n] if n < len(parts) else "") or _code(default[n]) for n in (1, 2))
    return category, kind


def _code(part: str) -> Any:
    from pydicom.sr.coding import Code

    scheme, value, meaning = [*part.split("^"), "", "", ""][:3]
    return Code(value, scheme, meaning) if scheme and value and meaning else None


def _entry(description: Any) -> ClassEntry:
    color = description.get("RecommendedDisplayCIELabValue")
    if color is not None:
        from highdicom.color import CIELabColor

        red, green, blue = CIELabColor.from_dicom_value(list(color)).to_rgb()
        color = (int(red), int(green), int(blue))
    category, kind = description.segmented_property_category, description.segmented_property_type
    coded = "~".join(f"{c.scheme_designator}^{c.value}^{c.meaning}" for c in (category, kind))
    return ClassEntry(
        value=int(description.segment_number),
        name=str(description.segment_label),
        color=color,
        terminology=f"Segmentation category and type - DICOM master list~{coded}~^^~Anatomic codes - DICOM master "
        "list~^^~^^",
    )


def _without_values(error: Exception) -> str:
    """A library's message, unless it may quote what stands in a header."""
    return f"{type(error).__name__}"
