"""The paper's datasets, as they are published; real files where there are any, else small ones laid out alike."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from numpy.typing import NDArray
from PIL import Image as Picture

from ufseg.errors import DatasetError, GeometryError, LabelError
from ufseg.images.datasets import read_dataset
from ufseg.images.reading import read_case, read_field_of_view
from ufseg.images.selection import select_channels, select_classes

SHAPE = (12, 10)


def picture(path: Path, array: NDArray[np.uint8], **options: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Picture.fromarray(array).save(path, **options)


def photo(path: Path, **options: object) -> None:
    picture(path, np.random.default_rng(0).integers(0, 255, (*SHAPE, 3), dtype=np.uint8), **options)


def square(path: Path, white: int = 255, colour: bool = False) -> None:
    """A mask of 6 pixels."""
    array = np.zeros(SHAPE, np.uint8)
    array[2:4, 3:6] = white
    picture(path, np.stack([array] * 3, axis=-1) if colour else array)


def volume(path: Path, *values: int) -> None:
    array = np.zeros((3, 4, 5), np.int16)
    array.reshape(-1)[: len(values)] = values
    path.parent.mkdir(parents=True, exist_ok=True)
    sitk.WriteImage(sitk.GetImageFromArray(array), str(path))


def drive(folder: Path) -> Path:
    for part, kind, numbers in (("training", "training", (21, 22)), ("test", "test", (1, 2))):
        for n in numbers:
            # Photographs carry a resolution for printing, the masks none.
            photo(folder / part / "images" / f"{n:02d}_{kind}.tif", dpi=(72, 72))
            square(folder / part / "1st_manual" / f"{n:02d}_manual1.gif")
            square(folder / part / "mask" / f"{n:02d}_{kind}_mask.gif")
    square(folder / "test" / "2nd_manual" / "01_manual2.gif")
    return folder


def test_drive_as_published(tmp_path: Path) -> None:
    dataset = read_dataset(drive(tmp_path))
    assert [c.id for c in dataset.cases] == ["21_training", "22_training"]
    assert [c.id for c in dataset.test] == ["01_test", "02_test"]
    assert dataset.warnings == []
    image, label = read_case(dataset.test[0], dataset.classes)
    assert image.array.shape == (3, *SHAPE)
    assert label is not None
    assert label.geometry == image.geometry
    assert label.counts()[1] == 6
    seen = read_field_of_view(dataset.test[0], image.geometry)
    assert seen is not None
    assert seen.sum() == 6


def test_drive_without_public_test_annotations(tmp_path: Path) -> None:
    for path in (drive(tmp_path) / "test" / "1st_manual").iterdir():
        path.unlink()
    dataset = read_dataset(tmp_path)
    assert [c.label for c in dataset.test] == [None, None]
    assert dataset.warnings == ["2 of 2 test images have no annotation (01_test, 02_test)."]


def test_drive_with_two_annotations_of_one_image(tmp_path: Path) -> None:
    square(drive(tmp_path) / "training" / "1st_manual" / "21_other.gif")
    with pytest.raises(DatasetError, match="same number"):
        read_dataset(tmp_path)


def test_real_drive_copy(shared_data: Path) -> None:
    dataset = read_dataset(shared_data / "drive_fundus")
    assert (dataset.name, len(dataset.cases), len(dataset.test)) == ("DRIVE", 20, 20)
    assert dataset.classes.names == ["vessel"]
    image, label = read_case(dataset.test[0], dataset.classes)
    assert image.array.shape == (3, 584, 565)
    assert label is not None
    assert 0.05 < label.array.mean() < 0.15
    seen = read_field_of_view(dataset.test[0], image.geometry)
    assert seen is not None
    assert 0.6 < seen.mean() < 0.75
    # Vessels are annotated inside the field of view only, but for its rim.
    assert label.array[~seen].sum() < 0.01 * label.array.sum()


@pytest.mark.parametrize("ending", ["tif", "png"])
@pytest.mark.parametrize("place", ["", "PNG", "CVC-ClinicDB"])
def test_cvc_clinicdb(tmp_path: Path, ending: str, place: str) -> None:
    for frame in (1, 25, 26, 612):
        photo(tmp_path / place / "Original" / f"{frame}.{ending}")
        square(tmp_path / place / "Ground Truth" / f"{frame}.{ending}", colour=ending == "png")
    dataset = read_dataset(tmp_path)
    assert {c.id: c.subject for c in dataset.cases} == {
        "1": "video 1",
        "25": "video 1",
        "26": "video 2",
        "612": "video 29",
    }
    assert dataset.warnings == []
    image, label = read_case(dataset.cases[0], dataset.classes)
    assert image.channels == len(dataset.channel_names) == 3
    assert label is not None
    assert label.counts()[1] == 6


def test_cvc_clinicdb_videos_by_metadata(tmp_path: Path) -> None:
    for frame in ("1", "2", "renamed"):
        photo(tmp_path / "PNG" / "Original" / f"{frame}.png")
        square(tmp_path / "PNG" / "Ground Truth" / f"{frame}.png")
    with (tmp_path / "metadata.csv").open("w", newline="") as file:
        csv.writer(file).writerows([["frame_id", "sequence_id", "png_image_path"], ["1", "7", "-"], ["2", "8", "-"]])
    dataset = read_dataset(tmp_path)
    assert [c.subject for c in dataset.cases] == ["video 7", "video 8", "renamed"]
    assert "not known which video" in dataset.warnings[0]
    (tmp_path / "metadata.csv").write_text("a,b\n1,2\n", encoding="utf-8")
    with pytest.raises(DatasetError, match="frame_id and sequence_id"):
        read_dataset(tmp_path)


def test_bus2017(tmp_path: Path) -> None:
    for number in (1, 2):
        picture(tmp_path / "original" / f"{number:06d}.png", np.full(SHAPE, 90, np.uint8))
        square(tmp_path / "GT" / f"{number:06d}.png")
    dataset = read_dataset(tmp_path)
    assert (dataset.name, dataset.classes.names, dataset.channel_names) == ("BUS2017", ["lesion"], ["ultrasound"])
    _, label = read_case(dataset.cases[1], dataset.classes)
    assert label is not None
    assert label.counts()[1] == 6


def brats(folder: Path, ending: str = "nii.gz") -> Path:
    for name in ("MICCAI_BraTS2020_TrainingData/BraTS20_Training_001",
                 "MICCAI_BraTS2020_TrainingData/BraTS20_Training_355",
                 "MICCAI_BraTS2020_ValidationData/BraTS20_Validation_001"):  # fmt: skip
        patient = folder / name
        for number, channel in enumerate(("flair", "t1", "t1ce", "t2")):
            volume(patient / f"{patient.name}_{channel}.{ending}", number)
    training = folder / "MICCAI_BraTS2020_TrainingData"
    volume(training / "BraTS20_Training_001" / f"BraTS20_Training_001_seg.{ending}", 1, 2, 2, 4, 4, 4)
    volume(training / "BraTS20_Training_355" / "W39_1998.09.19_Segm.nii", 4)
    (training / "name_mapping.csv").write_text("Grade\n", encoding="utf-8")
    return folder


@pytest.mark.parametrize("ending", ["nii.gz", "nii"])
@pytest.mark.parametrize("level", [".", "MICCAI_BraTS2020_TrainingData"])
def test_brats20(tmp_path: Path, ending: str, level: str) -> None:
    dataset = read_dataset(brats(tmp_path, ending) / level)
    assert [c.id for c in dataset.cases] == ["BraTS20_Training_001", "BraTS20_Training_355"]
    assert [c.label for c in dataset.test] == ([None] if level == "." else [])
    assert dataset.modality == "MRI"
    assert dataset.warnings == []
    image, label = read_case(dataset.cases[0], dataset.classes)
    assert image.array[:, 0, 0, 0].tolist() == [0, 1, 2, 3]
    assert label is not None
    assert label.values() == [0, 1, 2, 4]
    _, renamed = read_case(dataset.cases[1], dataset.classes)
    assert renamed is not None
    assert renamed.values() == [0, 4]


def test_brats20_as_the_paper_uses_it(tmp_path: Path) -> None:
    whole = read_dataset(brats(tmp_path))
    dataset = select_classes(select_channels(whole, ["t1ce"]), {"enhancing tumour": ["enhancing tumour"]})
    assert dataset.channel_names == ["t1ce"]
    assert {e.name: e.value for e in dataset.classes.entries} == {"enhancing tumour": 1}
    image, label = read_case(dataset.cases[0], dataset.classes)
    assert image.array[:, 0, 0, 0].tolist() == [2]
    assert label is not None
    assert label.counts()[:2].tolist() == [60 - 3, 3]


def test_a_patient_of_brats20_without_a_sequence(tmp_path: Path) -> None:
    (brats(tmp_path) / "MICCAI_BraTS2020_TrainingData/BraTS20_Training_001/BraTS20_Training_001_t1ce.nii.gz").unlink()
    with pytest.raises(DatasetError, match=r"lacks BraTS20_Training_001_t1ce\.nii\.gz"):
        read_dataset(tmp_path)


@pytest.mark.parametrize("place", ["", "data"])
def test_kits19(tmp_path: Path, place: str) -> None:
    for number in (0, 1, 210):
        volume(tmp_path / place / f"case_{number:05d}" / "imaging.nii.gz", 5)
    volume(tmp_path / place / "case_00000" / "segmentation.nii.gz", 1, 2, 1)
    volume(tmp_path / place / "case_00002" / "segmentation.nii.gz", 1)
    dataset = read_dataset(tmp_path)
    assert [c.id for c in dataset.cases] == ["case_00000"]
    assert [c.id for c in dataset.test] == ["case_00001", "case_00210"]
    assert dataset.modality == "CT"
    assert dataset.classes.names == ["kidney", "tumour"]
    assert [w.split(" (")[0] for w in dataset.warnings] == [
        "1 cases have no imaging.nii.gz",
        "1 cases that KiTS19 annotates have no segmentation.nii.gz",
    ]
    merged = select_classes(dataset, {"kidney with tumour": ["tumour", "kidney"]})
    _, label = read_case(merged.cases[0], merged.classes)
    assert label is not None
    assert label.counts()[1] == 3


def test_kits19_before_the_images_were_downloaded(tmp_path: Path) -> None:
    volume(tmp_path / "data" / "case_00000" / "segmentation.nii.gz", 1)
    with pytest.raises(DatasetError, match="no case was found"):
        read_dataset(tmp_path)


def test_subjects_json_overrules_the_layout(tmp_path: Path) -> None:
    photo(tmp_path / "Original" / "1.tif")
    square(tmp_path / "Ground Truth" / "1.tif")
    (tmp_path / "subjects.json").write_text('{"1": "Ann"}', encoding="utf-8")
    assert read_dataset(tmp_path).cases[0].subject == "Ann"


@pytest.mark.parametrize(
    ("write", "error", "match"),
    [
        (lambda p: square(p, white=1), LabelError, "values from 0 to 1; a mask picture is 0 and 255"),
        (photo, LabelError, "is coloured"),
        (lambda p: picture(p, np.zeros((5, 5), np.uint8)), GeometryError, "5 × 5 pixels, but its image has 10 × 12"),
    ],
)
def test_masks_that_are_none(tmp_path: Path, write: Callable[[Path], None], error: type[Exception], match: str) -> None:
    photo(tmp_path / "original" / "1.png")
    write(tmp_path / "GT" / "1.png")
    dataset = read_dataset(tmp_path)
    with pytest.raises(error, match=match):
        read_case(dataset.cases[0], dataset.classes)


def test_greys_at_a_mask_s_border_are_divided_at_half(tmp_path: Path) -> None:
    photo(tmp_path / "original" / "1.png")
    array = np.zeros(SHAPE, np.uint8)
    array[0, :5] = 10, 127, 128, 200, 255
    picture(tmp_path / "GT" / "1.png", array)
    dataset = read_dataset(tmp_path)
    _, label = read_case(dataset.cases[0], dataset.classes)
    assert label is not None
    assert label.array[0, :5].tolist() == [0, 0, 1, 1, 1]


def test_channels_and_classes_that_do_not_exist(tmp_path: Path) -> None:
    dataset = read_dataset(brats(tmp_path))
    for names in ([], ["t3"], ["t1", "t1"]):
        with pytest.raises(DatasetError, match="cannot be taken"):
            select_channels(dataset, names)
    for parts in ({}, {"a": ["none"]}, {"a": ["oedema"], "b": ["oedema"]}, {"a": []}):
        with pytest.raises(DatasetError, match="cannot be taken"):
            select_classes(dataset, parts)
    with pytest.raises(DatasetError, match="cannot be taken apart"):
        select_channels(read_dataset(drive(tmp_path / "drive")), ["green"])
