"""3D Slicer's segmentation files."""

from __future__ import annotations

import json
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from ufseg.errors import ImageError, LabelError
from ufseg.images.class_table import ClassEntry, ClassTable
from ufseg.images.geometry import Geometry
from ufseg.images.image import LabelMap
from ufseg.images.reading import read_label_map
from ufseg.images.segmentation_file import write_segmentation

LIVER = "Segmentation category and type~SCT^123037004^Anatomical Structure~SCT^10200004^Liver~^^~Anatomic codes~^^~^^"
CLASSES = ClassTable(
    entries=(
        ClassEntry(value=2, name="liver", color=(255, 0, 51), terminology=LIVER),
        ClassEntry(value=5, name="Läsion\nunklar"),
        ClassEntry(value=6, name="spleen"),
    )
)
GRID = Geometry(
    size=(7, 6, 5), spacing=(1.5, 1, 2), origin=(4, -3, 9), direction=(0, 1, 0, 1, 0, 0, 0, 0, -1)
)  # turned and flipped

READ_WITH_SLICER = """
import json, sys
import slicer, vtk
node, storage = slicer.vtkMRMLSegmentationNode(), slicer.vtkMRMLSegmentationStorageNode()
storage.SetFileName(sys.argv[1])
assert storage.ReadData(node)
found = []
segmentation = node.GetSegmentation()
for identity in segmentation.GetSegmentIDs():
    segment = segmentation.GetSegment(identity)
    labels = segment.GetRepresentation("Binary labelmap")
    at = labels.GetScalarComponentAsDouble
    i0, i1, j0, j1, k0, k1 = labels.GetExtent()
    index = [
        [i, j, k]
        for i in range(i0, i1 + 1) for j in range(j0, j1 + 1) for k in range(k0, k1 + 1)
        if at(i, j, k, 0) == segment.GetLabelValue()
    ]
    terminology = vtk.reference("")
    segment.GetTag(segment.GetTerminologyEntryTagName(), terminology)
    matrix = vtk.vtkMatrix4x4()
    labels.GetImageToWorldMatrix(matrix)
    found.append({
        "name": segment.GetName(), "color": segment.GetColor(), "value": segment.GetLabelValue(),
        "terminology": str(terminology),
        "places": [matrix.MultiplyPoint([*map(float, ijk), 1.0])[:3] for ijk in index],
    })
print("RESULT" + json.dumps(found))
"""


@pytest.fixture
def label() -> LabelMap:
    array = np.zeros(GRID.array_shape, np.uint8)
    array[1, 2, 3] = 2
    array[4, 5, 6] = 5
    return LabelMap(array, GRID)


def test_the_header_names_every_class(tmp_path: Path, label: LabelMap) -> None:
    write_segmentation(tmp_path / "x.seg.nrrd", label, CLASSES)
    fields = sitk.ReadImage(str(tmp_path / "x.seg.nrrd"))
    assert fields.GetMetaData("Segment0_Name") == "liver"
    assert fields.GetMetaData("Segment0_LabelValue") == "2"
    assert fields.GetMetaData("Segment0_Color") == "1 0 0.2"
    assert LIVER in fields.GetMetaData("Segment0_Tags")
    assert fields.GetMetaData("Segment1_Name") == "Läsion unklar"
    assert {fields.GetMetaData(f"Segment{n}_Layer") for n in range(3)} == {"0"}
    assert fields.GetMetaData("Segment2_Extent") == "0 6 0 5 0 4"
    assert len({fields.GetMetaData(f"Segment{n}_ID") for n in range(3)}) == 3
    assert not fields.HasMetaDataKey("Segment3_ID")
    assert fields.GetMetaData("Segmentation_ContainedRepresentationNames") == "Binary labelmap|"


def test_it_is_also_a_label_map(tmp_path: Path, label: LabelMap) -> None:
    write_segmentation(tmp_path / "x.seg.nrrd", label, CLASSES)
    again = read_label_map(tmp_path / "x.seg.nrrd", CLASSES, GRID)
    np.testing.assert_array_equal(again.array, label.array)


def test_a_picture_becomes_a_slice(tmp_path: Path) -> None:
    flat = Geometry(size=(4, 3), spacing=(2, 3), origin=(1, 5), direction=(1, 0, 0, -1))
    write_segmentation(tmp_path / "x.seg.nrrd", LabelMap(np.full((3, 4), 6, np.uint8), flat), CLASSES)
    again = read_label_map(tmp_path / "x.seg.nrrd", CLASSES)
    assert again.geometry.size == (4, 3, 1)
    assert again.geometry.origin == (1, 5, 0)
    assert np.linalg.det(again.geometry.matrix) == pytest.approx(1)


def test_other_endings_and_unknown_values_are_refused(tmp_path: Path, label: LabelMap) -> None:
    with pytest.raises(ImageError, match=r"\.seg\.nrrd"):
        write_segmentation(tmp_path / "x.nrrd", label, CLASSES)
    with pytest.raises(LabelError, match="value 5"):
        write_segmentation(tmp_path / "x.seg.nrrd", label, ClassTable.of({"liver": 2}))
    assert not list(tmp_path.iterdir())


@pytest.mark.skipif(find_spec("slicer") is None, reason="slicer-core is not installed")
def test_slicer_reads_names_colours_and_places(tmp_path: Path, label: LabelMap) -> None:
    write_segmentation(tmp_path / "x.seg.nrrd", label, CLASSES)
    done = subprocess.run(
        [sys.executable, "-c", READ_WITH_SLICER, str(tmp_path / "x.seg.nrrd")],
        capture_output=True,
        encoding="utf-8",
        timeout=100,
        check=False,
    )
    assert "RESULT" in done.stdout, done.stderr
    liver, lesion, spleen = json.loads(done.stdout.partition("RESULT")[2])
    assert (liver["name"], lesion["name"], spleen["name"]) == ("liver", "Läsion unklar", "spleen")
    assert (liver["value"], lesion["value"], spleen["value"]) == (2, 5, 6)
    assert liver["color"] == pytest.approx([1, 0, 0.2])
    assert liver["terminology"] == LIVER
    assert spleen["places"] == []
    for segment, index in ((liver, (3, 2, 1)), (lesion, (6, 5, 4))):
        x, y, z = GRID.position(index)
        assert segment["places"] == [pytest.approx([-x, -y, z])]  # Slicer's world is RAS
