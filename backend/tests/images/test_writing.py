import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from small_disk import small_disk_at

from ufseg.errors import ImageError, LabelError, StorageError
from ufseg.images.class_table import ClassTable
from ufseg.images.geometry import Geometry
from ufseg.images.image import Image, LabelMap
from ufseg.images.reading import read_image
from ufseg.images.writing import write_image, write_label_map

GRID = Geometry(size=(64, 64, 40), spacing=(1, 1, 2), origin=(0, 0, 0), direction=(1, 0, 0, 0, 1, 0, 0, 0, 1))
NOISE = Image(np.random.default_rng(0).integers(-1000, 1000, (1, *GRID.array_shape)).astype(np.int16), GRID)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    with small_disk_at(tmp_path / "disk", "200k") as folder:
        yield folder


@pytest.mark.parametrize("ending", [".nrrd", ".nii", ".nii.gz", ".mha"])
def test_a_full_disk_is_said_and_leaves_nothing_behind(small_disk: Path, ending: str) -> None:
    path = small_disk / f"x{ending}"
    path.write_bytes(b"what was there before")
    with pytest.raises(StorageError, match=r"No space left on device \(0\.3 MB to write, .* free\)"):
        write_image(path, NOISE)
    assert [p.name for p in small_disk.iterdir()] == [path.name]
    assert path.read_bytes() == b"what was there before"


def test_missing_folders_are_made(tmp_path: Path) -> None:
    write_image(tmp_path / "a" / "b" / "x.nrrd", NOISE)
    np.testing.assert_array_equal(read_image(tmp_path / "a" / "b" / "x.nrrd").array, NOISE.array)


def test_a_file_in_place_of_the_folder_is_a_storage_error(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("no folder", encoding="utf-8")
    with pytest.raises(StorageError, match=r"a/x\.nrrd could not be written"):
        write_image(tmp_path / "a" / "x.nrrd", NOISE)


@pytest.mark.skipif(hasattr(os, "geteuid") and os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_without_permission_is_a_storage_error(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(StorageError, match="Permission denied"):
        write_image(tmp_path / "x.nrrd", NOISE)


@pytest.mark.parametrize("name", ["x.dcm", "x.jpg", "x.nhdr", "x.hdr", "x", "x.txt"])
def test_formats_that_lose_something_are_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(ImageError, match=r"are written as \.nrrd"):
        write_image(tmp_path / name, NOISE)
    assert not list(tmp_path.iterdir())


def test_png_refuses_volumes_and_places(tmp_path: Path) -> None:
    placed = Geometry(size=(4, 3), spacing=(2, 2), origin=(0, 0), direction=(1, 0, 0, 1))
    for image in (NOISE, Image(np.zeros((1, 3, 4), np.uint8), placed)):
        with pytest.raises(ImageError, match="PNG holds 2D pictures only"):
            write_image(tmp_path / "x.png", image)


def test_png_refuses_floats_in_words(tmp_path: Path) -> None:
    grid = Geometry(size=(4, 3), spacing=(1, 1), origin=(0, 0), direction=(1, 0, 0, 1))
    with pytest.raises(ImageError, match=r"x\.png cannot be written: .* Choose another format"):
        write_image(tmp_path / "x.png", Image(np.zeros((1, 3, 4), np.float32), grid))


def test_nifti_refuses_channels_of_a_single_slice(tmp_path: Path) -> None:
    grid = GRID.model_copy(update={"size": (4, 3, 1)})
    with pytest.raises(ImageError, match="2 channels of a single slice"):
        write_image(tmp_path / "x.nii.gz", Image(np.zeros((2, 1, 3, 4), np.uint8), grid))


@pytest.mark.parametrize("dtype", [np.bool_, np.float16])
def test_types_without_a_file_format_become_the_next_wider(tmp_path: Path, dtype: type) -> None:
    array = (np.arange(NOISE.array.size).reshape(NOISE.array.shape) % 2).astype(dtype)
    write_image(tmp_path / "x.nrrd", Image(array, GRID))
    np.testing.assert_array_equal(read_image(tmp_path / "x.nrrd").array, array)


def test_label_values_are_checked_before_writing(tmp_path: Path) -> None:
    label = LabelMap(np.full(GRID.array_shape, 4, np.uint8), GRID)
    with pytest.raises(LabelError, match="value 4"):
        write_label_map(tmp_path / "x.nrrd", label, ClassTable.of({"a": 1}))
    assert not list(tmp_path.iterdir())


def test_nrrd_is_raw_and_holds_no_tags_but_geometry(tmp_path: Path) -> None:
    write_image(tmp_path / "x.nrrd", NOISE)
    header, _, data = (tmp_path / "x.nrrd").read_bytes().partition(b"\n\n")
    assert b"encoding: raw" in header
    assert len(data) == NOISE.array.nbytes
    reader = sitk.ImageFileReader()
    reader.SetFileName(str(tmp_path / "x.nrrd"))
    reader.ReadImageInformation()
    assert not [k for k in reader.GetMetaDataKeys() if not k.startswith(("NRRD_", "ITK_"))]
