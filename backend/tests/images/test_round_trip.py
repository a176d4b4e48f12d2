"""Writing and reading keeps voxels, channels and geometry."""

from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from geometry_strategies import geometries
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from ufseg.images.geometry import Geometry
from ufseg.images.image import Image, LabelMap
from ufseg.images.reading import read_image, read_label_map
from ufseg.images.writing import write_image, write_label_map

ENDINGS = (".nrrd", ".nii", ".nii.gz", ".mha")
DTYPES = (np.uint8, np.int16, np.uint16, np.int32, np.float32, np.float64)


def random_image(geometry: Geometry, channels: int, dtype: type, seed: int = 0) -> Image:
    values = np.random.default_rng(seed).normal(scale=60, size=(channels, *geometry.array_shape))
    return Image(np.abs(values).astype(dtype), geometry)


@pytest.mark.parametrize("ending", ENDINGS)
@given(geometries(), st.sampled_from(DTYPES), st.sampled_from((1, 3)))
@settings(max_examples=60, deadline=None)
def test_images_keep_voxels_channels_and_grid(ending: str, geometry: Geometry, dtype: type, channels: int) -> None:
    assume(not ending.startswith(".nii") or channels == 1 or geometry.size[-1] > 1)
    image = random_image(geometry, channels, dtype)
    with TemporaryDirectory() as folder:
        path = Path(folder) / f"image{ending}"
        write_image(path, image)
        again = read_image(path)
        assert [p.name for p in Path(folder).iterdir()] == [path.name]
    assert geometry.difference(again.geometry) is None
    np.testing.assert_array_equal(again.array, image.array)
    assert again.array.dtype == dtype


@pytest.mark.parametrize("ending", ENDINGS)
@given(geometries(), st.sampled_from((np.uint8, np.uint16)))
@settings(max_examples=20, deadline=None)
def test_label_maps_keep_values_and_grid(ending: str, geometry: Geometry, dtype: type) -> None:
    top = 255 if dtype is np.uint8 else 65535
    label = LabelMap(np.random.default_rng(1).integers(0, top, geometry.array_shape).astype(dtype), geometry)
    with TemporaryDirectory() as folder:
        path = Path(folder) / f"label{ending}"
        write_label_map(path, label)
        again = read_label_map(path, grid=geometry)
    np.testing.assert_array_equal(again.array, label.array)
    assert again.geometry == geometry


@pytest.mark.parametrize("ending", ENDINGS)
def test_large_grids_far_from_the_origin_stay_the_same_grid(tmp_path: Path, ending: str) -> None:
    tilt = np.radians(17)
    geometry = Geometry(
        size=(512, 1, 700),
        spacing=(0.48828125, 0.7, 0.625),
        origin=(-1234.5678, 987.654321, -1876.54321),
        direction=(np.cos(tilt), -np.sin(tilt), 0, np.sin(tilt), np.cos(tilt), 0, 0, 0, 1),
    )
    write_image(tmp_path / f"x{ending}", random_image(geometry, 1, np.uint8))
    assert geometry.difference(read_image(tmp_path / f"x{ending}").geometry) is None


def test_a_volume_of_one_slice_stays_a_volume(tmp_path: Path) -> None:
    geometry = Geometry(size=(5, 4, 1), spacing=(1, 1, 8), origin=(0, 0, 3), direction=(1, 0, 0, 0, 1, 0, 0, 0, 1))
    for ending in ENDINGS:
        write_image(tmp_path / f"x{ending}", random_image(geometry, 1, np.int16))
        assert read_image(tmp_path / f"x{ending}").array.shape == (1, 1, 4, 5)


@pytest.mark.parametrize("channels", [1, 3])
def test_pictures_without_a_place_can_be_png(tmp_path: Path, channels: int) -> None:
    geometry = Geometry(size=(5, 4), spacing=(1, 1), origin=(0, 0), direction=(1, 0, 0, 1))
    image = random_image(geometry, channels, np.uint8)
    write_image(tmp_path / "x.png", image)
    np.testing.assert_array_equal(read_image(tmp_path / "x.png").array, image.array)


GEOMETRY_FILES = ("CT_pitch.nii.gz", "sct_t1.nii.gz", "sct_t2.nii.gz", "sct_t2s.nii.gz", "BaselineVolume.nrrd")


@pytest.mark.parametrize("name", GEOMETRY_FILES)
@pytest.mark.parametrize("ending", [".nrrd", ".nii.gz", ".mha"])
def test_real_oblique_and_tilted_volumes(shared_data: Path, tmp_path: Path, name: str, ending: str) -> None:
    image = read_image(shared_data / "geometry" / name)
    write_image(tmp_path / f"x{ending}", image)
    again = read_image(tmp_path / f"x{ending}")
    assert image.geometry.difference(again.geometry) is None
    np.testing.assert_array_equal(image.array, again.array)
