import struct
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from ufseg.errors import GeometryError, ImageError, LabelError
from ufseg.images.case_files import CaseFiles, Region
from ufseg.images.class_table import ClassTable
from ufseg.images.geometry import Geometry
from ufseg.images.image import Image, LabelMap
from ufseg.images.reading import read_case, read_image, read_label_map
from ufseg.images.writing import write_image, write_label_map

GRID = Geometry(size=(8, 7, 6), spacing=(1, 1, 2), origin=(3, 4, 5), direction=(1, 0, 0, 0, 1, 0, 0, 0, 1))
VALUES = np.random.default_rng(0).normal(scale=100, size=(1, *GRID.array_shape))
CLASSES = ClassTable.of({"a": 1, "b": 2})


def write_raw(path: Path, array: np.ndarray) -> Path:
    """Write an array that is no valid Image of ours."""
    sitk.WriteImage(sitk.GetImageFromArray(array), str(path))
    return path


@pytest.fixture
def label_array() -> np.ndarray:
    array = np.zeros(GRID.array_shape, np.uint8)
    array[1:3, 2:4, 3:5] = 1
    array[4, 4, 4] = 2
    return array


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match=r"There is no file .*absent\.nii\.gz"):
        read_image(tmp_path / "absent.nii.gz")


@pytest.mark.parametrize("name", ["x.nii", "x.nii.gz", "x.nrrd", "x.mha", "x.png", "x.dcm"])
def test_an_empty_file_and_one_of_another_kind(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"")
    with pytest.raises(ImageError, match="0 bytes"):
        read_image(tmp_path / name)
    (tmp_path / name).write_bytes(b"this is a letter, not an image" * 40)
    with pytest.raises(ImageError, match=name):
        read_image(tmp_path / name)


@pytest.mark.parametrize("kind", ["x.nii", "x.nii.gz", "x.nrrd", "x.mha", "x.png", "x.jpg", "x.bmp", "x.tif"])
@pytest.mark.parametrize("kept", [0.02, 0.3, 0.6, 0.97])
def test_truncated_files_are_refused(tmp_path: Path, kind: str, kept: float) -> None:
    path = tmp_path / kind
    random = np.random.default_rng(1)
    volume = kind.endswith((".nii", ".gz", ".nrrd", ".mha"))
    write_raw(path, random.integers(0, 255, (20, 30, 40) if volume else (60, 70)).astype(np.uint8))
    read_image(path)
    whole = path.read_bytes()
    path.write_bytes(whole[: int(len(whole) * kept)])
    with pytest.raises(ImageError, match=kind):
        read_image(path)


def test_truncated_compressed_nrrd_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.nrrd"
    array = np.random.default_rng(1).integers(0, 255, (20, 30, 40)).astype(np.uint8)
    sitk.WriteImage(sitk.GetImageFromArray(array), str(path), useCompression=True)
    path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(ImageError, match=r"x\.nrrd"):
        read_image(path)


def test_a_tiff_stack_that_lost_its_last_page_is_refused(tmp_path: Path) -> None:
    path = write_raw(tmp_path / "x.tif", np.random.default_rng(1).integers(0, 255, (5, 30, 40)).astype(np.uint8))
    assert read_image(path).array.shape == (1, 5, 30, 40)
    path.write_bytes(path.read_bytes()[:-600])
    with pytest.raises(ImageError, match="truncated"):
        read_image(path)


def test_a_time_series_is_refused_with_its_shape(tmp_path: Path) -> None:
    image = sitk.JoinSeries([sitk.Image(5, 6, 7, sitk.sitkInt16)] * 4)
    sitk.WriteImage(image, str(tmp_path / "x.nii.gz"))
    with pytest.raises(ImageError, match=r"x\.nii\.gz has 4 axes \(5 × 6 × 7 × 4\)"):
        read_image(tmp_path / "x.nii.gz")


def test_a_fourth_axis_of_one_entry_is_dropped(tmp_path: Path) -> None:
    sitk.WriteImage(sitk.JoinSeries([sitk.Image(5, 6, 7, sitk.sitkInt16)]), str(tmp_path / "x.nrrd"))
    assert read_image(tmp_path / "x.nrrd").array.shape == (1, 7, 6, 5)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("ending", [".nrrd", ".nii.gz", ".mha"])
def test_values_that_are_not_finite_are_counted_and_located(tmp_path: Path, bad: float, ending: str) -> None:
    array = VALUES.copy()
    array[0, 2, 3, 4] = array[0, 5, 6, 7] = bad
    path = write_raw(tmp_path / f"x{ending}", array[0])
    with pytest.raises(ImageError, match=r"holds 2 values .* NaN or infinite .*voxel \(4, 3, 2\)\) out of 336"):
        read_image(path)


def test_complex_images_are_refused(tmp_path: Path) -> None:
    path = write_raw(tmp_path / "x.nii", VALUES[0].astype(np.complex64))
    with pytest.raises(ImageError, match="complex"):
        read_image(path)


def test_sheared_axes_are_refused_and_rounded_ones_straightened(tmp_path: Path) -> None:
    header = (
        "NRRD0004\ntype: uint8\ndimension: 3\nspace: left-posterior-superior\nsizes: 8 8 8\n"
        "space directions: (1,0,0) ({shear},1,0) (0,0,1)\nencoding: raw\nspace origin: (0,0,0)\n\n"
    )
    path = tmp_path / "x.nrrd"
    path.write_bytes(header.format(shear=0.4).encode() + bytes(512))
    with pytest.raises(GeometryError, match=r"sheared by 21\.8 degrees"):
        read_image(path)
    path.write_bytes(header.format(shear=0.003).encode() + bytes(512))
    geometry = read_image(path).geometry
    np.testing.assert_allclose(geometry.matrix.T @ geometry.matrix, np.eye(3), atol=1e-12)
    np.testing.assert_allclose(geometry.position((3.5, 3.5, 3.5)), (3.5 + 3.5 * 0.003, 3.5, 3.5), atol=1e-4)


def test_an_image_on_an_impossible_grid_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.mha"
    path.write_bytes(
        b"ObjectType = Image\nNDims = 3\nBinaryData = True\nBinaryDataByteOrderMSB = False\nCompressedData = False\n"
        b"TransformMatrix = 1 0 0 1 0 0 0 0 1\nOffset = 0 0 0\nElementSpacing = 1 1 1\nDimSize = 2 2 2\n"
        b"ElementType = MET_UCHAR\nElementDataFile = LOCAL\n" + bytes(8)
    )
    with pytest.raises((GeometryError, ImageError), match=r"x\.mha"):
        read_image(path)


@pytest.mark.parametrize("ending", [".nrrd", ".nii.gz", ".mha"])
@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.float32, np.float64])
def test_label_maps_of_any_type_with_whole_values(
    tmp_path: Path, label_array: np.ndarray, ending: str, dtype: type
) -> None:
    write_image(tmp_path / f"x{ending}", Image(label_array[np.newaxis].astype(dtype), GRID))
    label = read_label_map(tmp_path / f"x{ending}", CLASSES, GRID)
    assert label.array.dtype == np.uint8
    np.testing.assert_array_equal(label.array, label_array)


def test_fractional_label_values_are_counted_and_shown(tmp_path: Path, label_array: np.ndarray) -> None:
    array = label_array.astype(np.float32)
    array[0, 0, :3] = (0.25, 0.5, 0.5)
    write_image(tmp_path / "x.nrrd", Image(array[np.newaxis], GRID))
    with pytest.raises(LabelError, match=r"holds 3 fractional values \(0\.25, 0\.5\)"):
        read_label_map(tmp_path / "x.nrrd")


@pytest.mark.parametrize("value", [-1, 70000])
def test_label_values_out_of_range_are_refused(tmp_path: Path, label_array: np.ndarray, value: int) -> None:
    array = label_array.astype(np.int32)
    array[0, 0, 0] = value
    write_image(tmp_path / "x.nrrd", Image(array[np.newaxis], GRID))
    with pytest.raises(LabelError, match=str(value)):
        read_label_map(tmp_path / "x.nrrd")


def test_nan_in_a_label_map_is_refused(tmp_path: Path, label_array: np.ndarray) -> None:
    array = label_array.astype(np.float32)
    array[0, 0, 0] = np.nan
    write_image(tmp_path / "x.nrrd", Image(array[np.newaxis], GRID))
    with pytest.raises(ImageError, match="1 value that is NaN"):
        read_label_map(tmp_path / "x.nrrd")


def test_values_above_255_stay_as_they_are(tmp_path: Path, label_array: np.ndarray) -> None:
    write_label_map(tmp_path / "x.nrrd", LabelMap(label_array.astype(np.uint16) * 300, GRID))
    assert read_label_map(tmp_path / "x.nrrd").values() == [0, 300, 600]


def test_a_value_that_no_class_has_is_named(tmp_path: Path, label_array: np.ndarray) -> None:
    write_label_map(tmp_path / "x.nrrd", LabelMap(label_array, GRID))
    with pytest.raises(LabelError, match=r"x\.nrrd holds the value 2, which no class has \(0 = background, 1 = a\)"):
        read_label_map(tmp_path / "x.nrrd", ClassTable.of({"a": 1}))


def test_colour_pictures_are_no_label_maps(tmp_path: Path) -> None:
    write_raw(tmp_path / "x.png", np.zeros((4, 4), np.uint8))
    sitk.WriteImage(sitk.GetImageFromArray(np.zeros((4, 4, 3), np.uint8), isVector=True), str(tmp_path / "y.png"))
    assert read_label_map(tmp_path / "x.png").values() == [0]
    with pytest.raises(LabelError, match="3 values per voxel"):
        read_label_map(tmp_path / "y.png")


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"size": (8, 7, 5)}, "size"),
        ({"spacing": (1.0, 1.0, 2.5)}, "spacing"),
        ({"origin": (3.0, 4.0, 6.0)}, "origin"),
        ({"direction": (1.0, 0, 0, 0, -1.0, 0, 0, 0, 1.0)}, "direction"),
    ],
)
def test_a_label_on_another_grid_is_refused(tmp_path: Path, change: dict[str, tuple[float, ...]], word: str) -> None:
    geometry = GRID.model_copy(update=change)
    write_label_map(tmp_path / "x.nrrd", LabelMap(np.zeros(geometry.array_shape, np.uint8), geometry))
    with pytest.raises(GeometryError, match=rf"x\.nrrd and its image lie on different grids: {word} .* against"):
        read_label_map(tmp_path / "x.nrrd", grid=GRID)


def test_a_case_stacks_channels_and_crops_to_its_region(tmp_path: Path, label_array: np.ndarray) -> None:
    paths = tuple(tmp_path / f"c{n}.nrrd" for n in range(2))
    for n, path in enumerate(paths):
        write_image(path, Image((VALUES + 1000 * n).astype(np.int16), GRID))
    write_label_map(tmp_path / "l.nrrd", LabelMap(label_array, GRID))
    files = CaseFiles(id="c", subject="s", images=paths, label=tmp_path / "l.nrrd")
    image, label = read_case(files, CLASSES)
    assert label is not None
    assert image.array.shape == (2, 6, 7, 8)

    region = files.model_copy(update={"region": Region(start=(2, 1, 0), stop=(8, 5, 3))})
    cut, cut_label = read_case(region, CLASSES)
    assert cut_label is not None
    assert cut.geometry == cut_label.geometry
    assert cut.geometry.size == (6, 4, 3)
    np.testing.assert_allclose(cut.geometry.origin, GRID.position((2, 1, 0)))
    np.testing.assert_array_equal(cut.array, image.array[:, 0:3, 1:5, 2:8])
    np.testing.assert_array_equal(cut_label.array, label_array[0:3, 1:5, 2:8])


@pytest.mark.parametrize("stop", [(9, 7, 6), (1, 7, 6), (8, 7)])
def test_a_region_outside_the_image_is_refused(tmp_path: Path, stop: tuple[int, ...]) -> None:
    write_image(tmp_path / "i.nrrd", Image(VALUES, GRID))
    region = Region(start=(1, 0, 0)[: len(stop)], stop=stop)
    with pytest.raises(GeometryError, match=r"region .* of case c .* size \(8, 7, 6\)"):
        read_case(CaseFiles(id="c", subject="c", images=(tmp_path / "i.nrrd",), region=region), CLASSES)


def test_an_unlabelled_case_has_no_label_map(tmp_path: Path) -> None:
    write_image(tmp_path / "i.nrrd", Image(VALUES, GRID))
    assert read_case(CaseFiles(id="c", subject="c", images=(tmp_path / "i.nrrd",)), None)[1] is None


def test_every_real_geometry_file_is_read_or_refused_in_words(shared_data: Path) -> None:
    refused = {}
    for path in sorted((shared_data / "geometry").iterdir()):
        try:
            read_image(path)
        except ImageError as error:
            refused[path.name] = str(error)
    assert sorted(refused) == ["ax_asc_35sl_6.nii", "cor_asc_35sl_16.nii", "example4d.nii.gz", "example_nifti2.nii.gz",
                               "pcasl.nii.gz", "sag_asc_35sl_22.nii"]  # fmt: skip
    assert all("has 4 axes (" in message for message in refused.values())


@pytest.mark.parametrize("folder", ["hippocampus_mri", "lgg_flair_mri", "lung_ct_slices"])
def test_real_label_maps_lie_on_their_images(shared_data: Path, folder: str) -> None:
    for path in sorted((shared_data / folder / "images").iterdir())[::9]:
        image = read_image(path)
        label = read_label_map(shared_data / folder / "labels" / path.name, grid=image.geometry)
        assert label.array.dtype == np.uint8
        assert len(label.values()) > 1


def test_big_endian_tiff_is_read_whole(tmp_path: Path) -> None:
    pixels = bytes(range(12))
    entries = [(256, 3, 1, 4 << 16), (257, 3, 1, 3 << 16), (258, 3, 1, 8 << 16), (262, 3, 1, 1 << 16),
               (273, 4, 1, 8), (277, 3, 1, 1 << 16), (278, 3, 1, 3 << 16), (279, 4, 1, 12)]  # fmt: skip
    directory = struct.pack(">H", len(entries)) + b"".join(struct.pack(">HHII", *e) for e in entries) + bytes(4)
    path = tmp_path / "x.tif"
    path.write_bytes(b"MM\0*" + struct.pack(">I", 20) + pixels + directory)
    assert read_image(path).array.reshape(-1).tolist() == list(pixels)
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(ImageError, match="truncated"):
        read_image(path)
