import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ufseg.errors import DatasetError
from ufseg.images.datasets import read_dataset
from ufseg.images.geometry import Geometry
from ufseg.images.image import Image, LabelMap
from ufseg.images.writing import write_image, write_label_map

GRID = Geometry(size=(4, 3, 2), spacing=(1, 1, 1), origin=(0, 0, 0), direction=(1, 0, 0, 0, 1, 0, 0, 0, 1))


def image(path: Path) -> None:
    write_image(path, Image(np.zeros((1, *GRID.array_shape), np.int16), GRID))


def label(path: Path, *values: int) -> None:
    array = np.zeros(GRID.array_shape, np.uint8)
    array.reshape(-1)[: len(values)] = values
    write_label_map(path, LabelMap(array, GRID))


def describe(folder: Path, file: str = "dataset.json", /, **content: Any) -> None:
    folder.mkdir(exist_ok=True)
    (folder / file).write_text(json.dumps(content), encoding="utf-8")


@pytest.fixture
def plain(tmp_path: Path) -> Path:
    """images/ and labels/ with three cases, one of them unlabelled, and one label map too many."""
    for name in ("b", "a", "c"):
        image(tmp_path / "images" / f"{name}.nii.gz")
    label(tmp_path / "labels" / "a.nrrd", 1, 4)
    label(tmp_path / "labels" / "b.nii.gz", 1)
    label(tmp_path / "labels" / "z.nii.gz", 1)
    return tmp_path


def test_plain_folders_pair_by_name_and_say_what_is_missing(plain: Path) -> None:
    dataset = read_dataset(plain)
    assert [c.id for c in dataset.cases] == ["a", "b", "c"]
    assert [c.subject for c in dataset.cases] == ["a", "b", "c"]
    assert dataset.cases[0].label == plain / "labels" / "a.nrrd"
    assert dataset.cases[2].label is None
    assert dataset.warnings == [
        "1 of 3 cases have no label map (c).",
        f"1 label maps in {plain / 'labels'} have no image (z) and are left out.",
    ]
    assert dataset.modality is None
    assert dataset.channel_names == ["image"]
    assert dataset.name == plain.name


def test_classes_are_named_by_value_where_nothing_names_them(plain: Path) -> None:
    assert {e.name: e.value for e in read_dataset(plain).classes.entries} == {"class 1": 1, "class 4": 4}


def test_classes_json_names_them(plain: Path) -> None:
    describe(plain, "classes.json", liver=1, tumour=4)
    assert {e.name: e.value for e in read_dataset(plain).classes.entries} == {"liver": 1, "tumour": 4}


def test_dataset_json_beside_plain_folders(plain: Path) -> None:
    describe(plain, name="Livers", modality={"0": "CT"}, labels={"0": "background", "1": "liver"})
    dataset = read_dataset(plain)
    assert dataset.name == "Livers"
    assert dataset.modality == "CT"
    assert dataset.channel_names == ["CT"]
    assert dataset.classes.names == ["liver"]


def test_subjects_group_cases(plain: Path) -> None:
    describe(plain, "subjects.json", a="Q", b="Q")
    assert [c.subject for c in read_dataset(plain).cases] == ["Q", "Q", "c"]
    describe(plain, "subjects.json", a=["Q"])
    with pytest.raises(DatasetError, match="'a' does not"):
        read_dataset(plain)


def test_channels_by_suffix_in_plain_folders(tmp_path: Path) -> None:
    for case in ("p1", "p2"):
        for channel in range(2):
            image(tmp_path / "images" / f"{case}_{channel:04d}.nrrd")
        label(tmp_path / "labels" / f"{case}.nrrd", 1)
    dataset = read_dataset(tmp_path)
    assert [[p.name for p in c.images] for c in dataset.cases] == [
        ["p1_0000.nrrd", "p1_0001.nrrd"],
        ["p2_0000.nrrd", "p2_0001.nrrd"],
    ]
    assert len(dataset.channel_names) == 2
    (tmp_path / "images" / "p2_0001.nrrd").unlink()
    with pytest.raises(DatasetError, match=r"Case p2 .* has 1 image files, but there are 2 channels"):
        read_dataset(tmp_path)


def test_names_that_end_in_four_digits_are_no_channels(tmp_path: Path) -> None:
    for name in ("ID_0001", "ID_0002"):
        image(tmp_path / "images" / f"{name}.nrrd")
        label(tmp_path / "labels" / f"{name}.nrrd", 1)
    assert [c.id for c in read_dataset(tmp_path).cases] == ["ID_0001", "ID_0002"]


def test_a_dicom_folder_is_one_case(tmp_path: Path) -> None:
    (tmp_path / "images" / "patient").mkdir(parents=True)
    label(tmp_path / "labels" / "patient.nrrd", 1)
    assert read_dataset(tmp_path).cases[0].images == (tmp_path / "images" / "patient",)


def msd(folder: Path, **change: Any) -> Path:
    for name in ("c2", "c1"):
        image(folder / "imagesTr" / f"{name}.nii.gz")
        label(folder / "labelsTr" / f"{name}.nii.gz", 1, 2)
    image(folder / "imagesTs" / "t1.nii.gz")
    content = {
        "name": "Hippocampus",
        "modality": {"0": "MRI"},
        "labels": {"0": "background", "1": "Anterior", "2": "Posterior"},
        "training": [
            {"image": f"./imagesTr/{n}.nii.gz", "label": f"./labelsTr/{n}.nii.gz"} for n in ("c2", "c1")
        ],
        "test": ["./imagesTs/t1.nii.gz"],
    }  # fmt: skip
    describe(folder, **{**content, **change})
    return folder


def test_decathlon_layout(tmp_path: Path) -> None:
    dataset = read_dataset(msd(tmp_path))
    assert (dataset.name, dataset.modality, dataset.channel_names) == ("Hippocampus", "MRI", ["MRI"])
    assert {e.name: e.value for e in dataset.classes.entries} == {"Anterior": 1, "Posterior": 2}
    assert [c.id for c in dataset.cases] == ["c1", "c2"]
    assert [(c.id, c.label) for c in dataset.test] == [("t1", None)]
    assert all(p.is_file() for c in dataset.cases for p in (*c.images, c.label) if p)


def test_decathlon_lists_a_missing_file(tmp_path: Path) -> None:
    (msd(tmp_path) / "labelsTr" / "c1.nii.gz").unlink()
    with pytest.raises(DatasetError, match=r"c1\.nii\.gz, which does not exist"):
        read_dataset(tmp_path)


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"training": 5}, r"'training' in .*dataset\.json is 5; it must be the list of cases"),
        ({"test": 7}, "'test' in .* is 7"),
        ({"test": [{"file": "t1.nii.gz"}]}, "An entry of 'test' .* each names an image"),
        ({"training": [{"image": "c1.nii.gz"}]}, "An entry of 'training' .* each needs 'image' and 'label'"),
    ],
)
def test_decathlon_descriptions_that_list_no_cases(tmp_path: Path, change: dict[str, Any], match: str) -> None:
    with pytest.raises(DatasetError, match=match):
        read_dataset(msd(tmp_path, **change))


@pytest.mark.parametrize(("named", "names"), [(["T1"], ["T1"]), ("T1", ["T1"]), (5, ["5"])])
def test_channels_of_a_plain_folder_may_be_a_list_or_a_name(plain: Path, named: object, names: list[str]) -> None:
    describe(plain, channel_names=named, labels={"a": 1, "b": 2, "c": 3})
    assert read_dataset(plain).channel_names == names


def test_nnunet_1_lists_cases_without_their_channel_suffix(tmp_path: Path) -> None:
    msd(tmp_path, modality={"0": "T1", "1": "T2"})
    for name in ("imagesTr/c1", "imagesTr/c2", "imagesTs/t1"):
        (tmp_path / f"{name}.nii.gz").rename(tmp_path / f"{name}_0000.nii.gz")
        image(tmp_path / f"{name}_0001.nii.gz")
    dataset = read_dataset(tmp_path)
    assert [p.name for p in dataset.cases[0].images] == ["c1_0000.nii.gz", "c1_0001.nii.gz"]
    assert dataset.modality == "MRI"


def nnunet(folder: Path, **change: Any) -> Path:
    for case in ("c1", "c2"):
        for channel in range(2):
            image(folder / "imagesTr" / f"{case}_{channel:04d}.nrrd")
        label(folder / "labelsTr" / f"{case}.nrrd", 1, 2)
    image(folder / "imagesTs" / "t_0000.nrrd")
    image(folder / "imagesTs" / "t_0001.nrrd")
    content = {
        "channel_names": {"0": "T2", "1": "ADC"},
        "labels": {"background": 0, "PZ": 1, "TZ": 2},
        "numTraining": 2,
        "file_ending": ".nrrd",
    }
    describe(folder, **{**content, **change})
    return folder


def test_nnunet_2_layout(tmp_path: Path) -> None:
    dataset = read_dataset(nnunet(tmp_path))
    assert dataset.channel_names == ["T2", "ADC"]
    assert dataset.modality == "MRI"
    assert [[p.name for p in c.images] for c in dataset.cases] == [
        ["c1_0000.nrrd", "c1_0001.nrrd"],
        ["c2_0000.nrrd", "c2_0001.nrrd"],
    ]
    assert [len(c.images) for c in dataset.test] == [2]
    assert dataset.warnings == []


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"labels": {"background": 0, "whole": [1, 2]}}, "region made of the values"),
        ({"labels": {"background": 0, "PZ": 1, "ignore": 2}}, "ignored"),
        ({"labels": {"PZ": 1, "TZ": 1}}, "same value"),
        ({"labels": {"PZ": 300}}, "300"),
        ({"labels": {"PZ": -1}}, "-1"),
        ({"labels": {}}, "'labels'"),
        ({"channel_names": {"0": "T2"}}, "has 2 image files, but there are 1 channels"),
    ],
)
def test_unusable_descriptions_are_refused_in_words(tmp_path: Path, change: dict[str, Any], match: str) -> None:
    with pytest.raises(DatasetError, match=match):
        read_dataset(nnunet(tmp_path, **change))


@pytest.mark.parametrize(
    ("channels", "modality"),
    [(["CT"], "CT"), (["ct"], "CT"), (["FLAIR"], "MRI"), (["T1w", "T2w"], "MRI"), (["red", "green"], "other"),
     (["mri t1ce"], "MRI"), (["PET", "CT"], "CT"), (["ultrasound"], "other")],
)  # fmt: skip
def test_modality_from_channel_names(tmp_path: Path, channels: list[str], modality: str) -> None:
    nnunet(tmp_path, channel_names={str(i): n for i, n in enumerate(channels)})
    for path in (tmp_path / "imagesTr").glob(f"*_{len(channels):04d}.nrrd"):
        path.unlink()
    assert read_dataset(tmp_path).modality == modality


def test_a_missing_folder_and_one_of_another_kind(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="no dataset folder"):
        read_dataset(tmp_path / "absent")
    with pytest.raises(DatasetError, match=r"neither images/ and labels/ nor a dataset\.json"):
        read_dataset(tmp_path)


def test_empty_datasets_are_said_to_be_empty(tmp_path: Path) -> None:
    (tmp_path / "plain" / "images").mkdir(parents=True)
    (tmp_path / "plain" / "images" / "notes.txt").write_text("no image", encoding="utf-8")
    (tmp_path / "plain" / "images" / ".hidden.nrrd").write_text("no image", encoding="utf-8")
    msd(tmp_path / "msd", training=[])
    (tmp_path / "nnunet" / "imagesTr").mkdir(parents=True)
    describe(tmp_path / "nnunet", channel_names={"0": "CT"}, labels={"a": 1})
    for layout in ("plain", "msd", "nnunet"):
        with pytest.raises(DatasetError, match="is empty"):
            read_dataset(tmp_path / layout)


def test_images_without_any_label_map_or_class_names(tmp_path: Path) -> None:
    image(tmp_path / "images" / "a.nrrd")
    with pytest.raises(DatasetError, match="has 1 images but no label map"):
        read_dataset(tmp_path)
    describe(tmp_path, "classes.json", liver=1)
    assert read_dataset(tmp_path).classes.names == ["liver"]


def test_label_maps_that_are_all_background(tmp_path: Path) -> None:
    image(tmp_path / "images" / "a.nrrd")
    label(tmp_path / "labels" / "a.nrrd")
    with pytest.raises(DatasetError, match=r"All 1 label maps .* are empty"):
        read_dataset(tmp_path)


@pytest.mark.parametrize("content", ["{broken", "[1, 2]", '"text"'])
def test_broken_json_is_named(plain: Path, content: str) -> None:
    (plain / "dataset.json").write_text(content, encoding="utf-8")
    with pytest.raises(DatasetError, match=r"dataset\.json"):
        read_dataset(plain)


def test_real_dataset_folders(shared_data: Path) -> None:
    hippocampus = read_dataset(shared_data / "hippocampus_mri")
    assert len(hippocampus.cases) == 212
    assert hippocampus.classes.names == ["class 1", "class 2"]
    assert hippocampus.warnings == []
    assert len(read_dataset(shared_data / "lgg_flair_mri").cases) == 40
    assert read_dataset(shared_data / "drive_fundus" / "train").classes.values == [255]
    slices = read_dataset(shared_data / "lung_ct_slices")
    assert len(slices.cases) == 60
    assert all(len(c.images) == 1 for c in slices.cases)
