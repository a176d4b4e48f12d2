"""DICOM SEG of real series, read back by highdicom and by us."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("highdicom")

import highdicom
import pydicom

from ufseg.errors import GeometryError, ImageError, LabelError
from ufseg.exchange.dicom_seg import read_dicom_seg, write_dicom_seg
from ufseg.images.class_table import ClassEntry, ClassTable
from ufseg.images.dicom import series_files
from ufseg.images.image import LabelMap
from ufseg.images.reading import read_image, read_label_map

LIVER = (
    "Segmentation category and type - 3D Slicer General Anatomy list~SCT^123037004^Anatomical Structure~"
    "SCT^10200004^Liver"
)
CLASSES = ClassTable(
    entries=(
        ClassEntry(value=2, name="liver", color=(221, 130, 101), terminology=LIVER + "~^^~Anatomic codes~^^~^^"),
        ClassEntry(value=5, name="spine"),
        ClassEntry(value=9, name="absent"),
    )
)


@pytest.fixture
def folder(shared_data: Path) -> Path:
    return shared_data / "dicom" / "ct_3slice_with_seg"


@pytest.fixture
def drawn(folder: Path) -> LabelMap:
    """Liver and spine on the three slices, in the values of `CLASSES`."""
    grid = read_image(folder / "ct-3slice").geometry
    liver, spine = (read_label_map(folder / f"{n}_seg.nrrd").array > 0 for n in ("liver", "spine"))
    array = np.zeros(grid.array_shape, np.uint8)
    array[liver] = 2
    array[spine] = 5
    assert liver.any()
    assert spine.any()
    return LabelMap(array, grid)


def test_a_dicom_seg_names_its_series_and_holds_every_voxel(folder: Path, drawn: LabelMap, tmp_path: Path) -> None:
    series = folder / "ct-3slice"
    write_dicom_seg(tmp_path / "label.dcm", drawn, CLASSES, series)
    seg = highdicom.seg.segread(str(tmp_path / "label.dcm"))
    sources = [pydicom.dcmread(name) for name in series_files(series)]
    for tag in ("StudyInstanceUID", "FrameOfReferenceUID", "PatientID"):
        assert seg[tag].value == sources[0][tag].value
    assert seg.SeriesInstanceUID != sources[0].SeriesInstanceUID
    (referenced,) = seg.ReferencedSeriesSequence
    assert referenced.SeriesInstanceUID == sources[0].SeriesInstanceUID
    named = {item.ReferencedSOPInstanceUID for item in referenced.ReferencedInstanceSequence}
    assert named == {source.SOPInstanceUID for source in sources}
    assert list(seg.segment_numbers) == [1, 2, 3]
    liver = seg.get_segment_description(1)
    assert (liver.segment_label, liver.segmented_property_type.value) == ("liver", "10200004")
    assert liver.segmented_property_category.value == "123037004"
    assert liver.algorithm_type.value == "AUTOMATIC"
    planes = seg.get_pixels_by_source_instance([source.SOPInstanceUID for source in sources])
    for index, value in enumerate([2, 5, 9]):
        np.testing.assert_array_equal(planes[..., index] > 0, drawn.array == value)


def test_it_comes_back_as_it_was(folder: Path, drawn: LabelMap, tmp_path: Path) -> None:
    write_dicom_seg(tmp_path / "label.dcm", drawn, CLASSES, folder / "ct-3slice")
    label, classes = read_dicom_seg(tmp_path / "label.dcm", drawn.geometry)
    np.testing.assert_array_equal(label.array, CLASSES.to_indices(drawn.array))
    assert classes.names == ["liver", "spine", "absent"]
    color = classes.entries[0].color
    assert color is not None
    assert np.abs(np.subtract(color, (221, 130, 101))).max() <= 2
    assert classes.entries[0].terminology is not None
    assert classes.entries[0].terminology.split("~")[1:3] == LIVER.split("~")[1:3]


def test_names_keep_their_letters_or_are_refused(folder: Path, drawn: LabelMap, tmp_path: Path) -> None:
    series = tmp_path / "series"
    shutil.copytree(folder / "ct-3slice", series)
    for path in map(Path, series_files(series)):
        source = pydicom.dcmread(path)
        source.SpecificCharacterSet = "ISO_IR 100"
        source.PatientName = "Größe"
        source.save_as(path)
    names = ClassTable.of({"Gefäß": 2, "肝臓": 5, "x" * 70: 9})
    write_dicom_seg(tmp_path / "label.dcm", drawn, names, series)
    label, classes = read_dicom_seg(tmp_path / "label.dcm", drawn.geometry)
    assert classes.names == ["Gefäß", "肝臓", "x" * 64]
    np.testing.assert_array_equal(label.array, names.to_indices(drawn.array))
    assert pydicom.dcmread(tmp_path / "label.dcm").PatientName == "Größe"
    for alike, words in ((("x" * 70, "x" * 71), "begin with"), (("a", "a\\b"), "backslash")):
        with pytest.raises(LabelError, match=words):
            write_dicom_seg(tmp_path / "no.dcm", drawn, ClassTable.of(dict(zip(alike, (2, 5), strict=True))), series)
    assert not (tmp_path / "no.dcm").exists()


def test_another_programs_file_is_read(folder: Path) -> None:
    grid = read_image(folder / "ct-3slice").geometry
    label, classes = read_dicom_seg(folder / "liver.dcm", grid)
    np.testing.assert_array_equal(label.array > 0, read_label_map(folder / "liver_seg.nrrd").array > 0)
    assert len(classes.entries) == 1
    with pytest.raises(LabelError, match="overlap"):
        read_dicom_seg(folder / "partial_overlaps.dcm", grid)


def test_what_could_unfold_without_bounds_is_not_read(
    folder: Path, drawn: LabelMap, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_dicom_seg(tmp_path / "label.dcm", drawn, CLASSES, folder / "ct-3slice")
    data = pydicom.dcmread(tmp_path / "label.dcm")
    data.file_meta.TransferSyntaxUID = pydicom.uid.DeflatedExplicitVRLittleEndian
    data.save_as(tmp_path / "deflated.dcm")
    with pytest.raises(ImageError, match="compressed as a whole"):
        read_dicom_seg(tmp_path / "deflated.dcm", drawn.geometry)
    monkeypatch.setenv("UFSEG_MAX_IMAGE_GB", "0.00001")
    with pytest.raises(ImageError, match="no more than"):
        read_dicom_seg(tmp_path / "label.dcm", drawn.geometry)


def test_an_empty_label_map_is_one_too(folder: Path, drawn: LabelMap, tmp_path: Path) -> None:
    empty = LabelMap(np.zeros_like(drawn.array), drawn.geometry)
    write_dicom_seg(tmp_path / "empty.dcm", empty, CLASSES, folder / "ct-3slice")
    label, _ = read_dicom_seg(tmp_path / "empty.dcm", drawn.geometry)
    assert not label.array.any()


def test_what_does_not_fit_is_refused(folder: Path, drawn: LabelMap, tmp_path: Path) -> None:
    path = tmp_path / "label.dcm"
    with pytest.raises(ImageError, match="several slices in a file"):
        write_dicom_seg(path, drawn, CLASSES, folder / "23x38x3" / "multiframe")
    moved = drawn.geometry.model_copy(update={"origin": (0.0, 0.0, 0.0)})
    with pytest.raises(ImageError, match="off the label map's plane"):
        write_dicom_seg(path, LabelMap(drawn.array, moved), CLASSES, folder / "ct-3slice")
    with pytest.raises(ImageError, match="no folder"):
        write_dicom_seg(path, drawn, CLASSES, folder / "liver.dcm")
    with pytest.raises(LabelError):
        write_dicom_seg(path, drawn, ClassTable.of({"liver": 2}), folder / "ct-3slice")
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(GeometryError):
        read_dicom_seg(folder / "liver.dcm", moved)
    with pytest.raises(ImageError, match="no readable DICOM SEG"):
        read_dicom_seg(folder / "ct-3slice" / "01.dcm", drawn.geometry)
