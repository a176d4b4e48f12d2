"""NIfTI files that ITK alone misreads."""

import gzip
import shutil
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from ufseg.errors import GeometryError, ImageError
from ufseg.images.geometry import Geometry
from ufseg.images.image import Image
from ufseg.images.nifti import HEADER_1, HEADER_2
from ufseg.images.reading import read_image
from ufseg.images.writing import write_image

ANGLE = 0.3
GRID = Geometry(
    size=(8, 7, 6),
    spacing=(0.5, 1.5, 2),
    origin=(30, -40, 50),
    direction=(np.cos(ANGLE), -np.sin(ANGLE), 0, np.sin(ANGLE), np.cos(ANGLE), 0, 0, 0, 1),
)
IMAGE = Image(np.random.default_rng(0).integers(-1000, 1000, (1, *GRID.array_shape)).astype(np.int16), GRID)


@pytest.fixture
def plain(tmp_path: Path) -> Path:
    write_image(tmp_path / "x.nii", IMAGE)
    return tmp_path / "x.nii"


def header_of(path: Path) -> np.ndarray:
    return np.frombuffer(path.read_bytes()[: HEADER_1.itemsize], HEADER_1).copy()


def replace_header(path: Path, header: np.ndarray) -> None:
    path.write_bytes(header.tobytes() + path.read_bytes()[HEADER_1.itemsize :])


def as_nifti_2(path: Path, order: str = "<") -> bytes:
    """The same image in NIfTI-2."""
    old = header_of(path)
    header = np.zeros(1, HEADER_2.newbyteorder(order))
    for field in set(HEADER_2.names or ()) & set(HEADER_1.names or ()) - {"sizeof_hdr", "magic", "vox_offset"}:
        header[field] = old[field]
    header["sizeof_hdr"], header["magic"], header["vox_offset"] = 540, b"n+2\0\r\n\x1a\n", 544
    data = np.frombuffer(path.read_bytes()[352:], "<i2").astype(order + "i2")
    return header.tobytes() + bytes(4) + data.tobytes()


def test_header_layouts_have_the_lengths_of_the_standard() -> None:
    assert HEADER_1.itemsize == 348
    assert HEADER_2.itemsize == 540


def test_a_neighbour_without_gz_is_not_read_instead(tmp_path: Path) -> None:
    other = Image(np.zeros_like(IMAGE.array), GRID)
    write_image(tmp_path / "x.nii.gz", IMAGE)
    write_image(tmp_path / "x.nii", other)
    np.testing.assert_array_equal(read_image(tmp_path / "x.nii.gz").array, IMAGE.array)
    np.testing.assert_array_equal(read_image(tmp_path / "x.nii").array, other.array)


def test_writing_gz_beside_a_neighbour_leaves_it(tmp_path: Path) -> None:
    other = Image(np.zeros_like(IMAGE.array), GRID)
    write_image(tmp_path / "x.nii", other)
    write_image(tmp_path / "x.nii.gz", IMAGE)
    np.testing.assert_array_equal(read_image(tmp_path / "x.nii").array, other.array)
    np.testing.assert_array_equal(read_image(tmp_path / "x.nii.gz").array, IMAGE.array)


@pytest.mark.parametrize("missing", [1, 2, 100])
def test_a_few_missing_bytes_are_noticed_with_the_numbers(plain: Path, missing: int) -> None:
    plain.write_bytes(plain.read_bytes()[:-missing])
    with pytest.raises(
        ImageError, match=f"1024 bytes are needed for its 8 × 7 × 6 voxels, but it holds {1024 - missing}"
    ):
        read_image(plain)


def test_a_compressed_file_with_a_flipped_byte_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.nii.gz"
    write_image(path, IMAGE)
    content = bytearray(path.read_bytes())
    content[len(content) * 3 // 4] ^= 0xFF
    path.write_bytes(content)
    with pytest.raises(ImageError, match="truncated or damaged"):
        read_image(path)


def test_a_compressed_file_that_was_truncated_before_compression(tmp_path: Path, plain: Path) -> None:
    (tmp_path / "y.nii.gz").write_bytes(gzip.compress(plain.read_bytes()[:-10]))
    with pytest.raises(ImageError, match="1024 bytes are needed"):
        read_image(tmp_path / "y.nii.gz")


@pytest.mark.parametrize("name", ["x.nii", "x.nii.gz"])
def test_compression_goes_by_content_not_by_name(tmp_path: Path, plain: Path, name: str) -> None:
    content = plain.read_bytes()
    path = tmp_path / "sub" / name
    path.parent.mkdir()
    path.write_bytes(content if name.endswith(".gz") else gzip.compress(content))
    np.testing.assert_array_equal(read_image(path).array, IMAGE.array)


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("compressed", [False, True])
def test_nifti_2_is_read(tmp_path: Path, plain: Path, order: str, compressed: bool) -> None:
    content = as_nifti_2(plain, order)
    path = tmp_path / ("y.nii.gz" if compressed else "y.nii")
    path.write_bytes(gzip.compress(content) if compressed else content)
    image = read_image(path)
    np.testing.assert_array_equal(image.array, IMAGE.array)
    assert GRID.difference(image.geometry) is None


def test_a_truncated_nifti_2_is_refused(tmp_path: Path, plain: Path) -> None:
    for kept in (300, 541, 900):
        (tmp_path / "y.nii").write_bytes(as_nifti_2(plain)[:kept])
        with pytest.raises(ImageError, match="truncated"):
            read_image(tmp_path / "y.nii")


def test_real_nifti_2_has_the_same_header_as_nibabel_documents(shared_data: Path) -> None:
    with pytest.raises(ImageError, match=r"4 axes \(32 × 20 × 12 × 2\)"):
        read_image(shared_data / "geometry" / "example_nifti2.nii.gz")


def test_big_endian_files(tmp_path: Path, plain: Path) -> None:
    header = header_of(plain).astype(HEADER_1.newbyteorder(">"))
    data = np.frombuffer(plain.read_bytes()[352:], "<i2").astype(">i2")
    (tmp_path / "y.nii").write_bytes(header.tobytes() + bytes(4) + data.tobytes())
    image = read_image(tmp_path / "y.nii")
    np.testing.assert_array_equal(image.array, IMAGE.array)
    assert GRID.difference(image.geometry) is None


@pytest.mark.parametrize("order", ["<", ">"])
def test_nan_is_found_in_either_byte_order(tmp_path: Path, plain: Path, order: str) -> None:
    header = header_of(plain).astype(HEADER_1.newbyteorder(order))
    header["datatype"], header["bitpix"] = 16, 32
    data = IMAGE.array[0].astype(order + "f4")
    data[1, 2, 3] = np.nan
    (tmp_path / "y.nii").write_bytes(header.tobytes() + bytes(4) + data.tobytes())
    with pytest.raises(ImageError, match=r"1 value that is NaN or infinite \(at voxel \(3, 2, 1\)\)"):
        read_image(tmp_path / "y.nii")


@pytest.mark.parametrize("shear", [1e-5, 1e-4, 1e-3, 1e-2])
@pytest.mark.parametrize("qform_code", [0, 1])
def test_nearly_orthogonal_sforms_are_straightened(plain: Path, shear: float, qform_code: int) -> None:
    header = header_of(plain)
    header["srow"][0, 0, 1] += shear
    header["qform_code"] = qform_code
    replace_header(plain, header)
    image = read_image(plain)
    np.testing.assert_array_equal(image.array, IMAGE.array)
    matrix = image.geometry.matrix
    np.testing.assert_allclose(matrix.T @ matrix, np.eye(3), atol=1e-5)
    for corner in ((0, 0, 0), (7, 6, 5), (0, 6, 0)):
        np.testing.assert_allclose(image.geometry.position(corner), GRID.position(corner), atol=6 * shear + 1e-4)


def test_sheared_volumes_are_refused_with_the_angle(plain: Path) -> None:
    header = header_of(plain)
    header["srow"][0, 0, 1] += 0.8
    header["qform_code"] = 0
    replace_header(plain, header)
    with pytest.raises(GeometryError, match=r"x\.nii are sheared by \d\d\.?\d? degrees"):
        read_image(plain)


def test_the_sform_gives_the_spacing_where_pixdim_disagrees(plain: Path) -> None:
    header = header_of(plain)
    header["pixdim"][0, 1:4] = 1
    header["qform_code"] = 0
    replace_header(plain, header)
    assert GRID.difference(read_image(plain).geometry) is None


def test_a_pair_of_header_and_data_is_read_and_checked(tmp_path: Path) -> None:
    sitk.WriteImage(sitk.GetImageFromArray(IMAGE.array[0]), str(tmp_path / "x.hdr"))
    for name in ("x.hdr", "x.img"):
        np.testing.assert_array_equal(read_image(tmp_path / name).array, IMAGE.array)
    data = tmp_path / "x.img"
    data.write_bytes(data.read_bytes()[:-5])
    with pytest.raises(ImageError, match=r"x\.img is truncated"):
        read_image(tmp_path / "x.hdr")
    data.unlink()
    with pytest.raises(ImageError, match="missing"):
        read_image(tmp_path / "x.hdr")


@pytest.mark.parametrize("dim", [[0] * 8, [9, 8, 7, 6, 1, 1, 1, 1], [3, 8, -7, 6, 1, 1, 1, 1]])
def test_impossible_sizes_are_refused(plain: Path, dim: list[int]) -> None:
    header = header_of(plain)
    header["dim"] = dim
    replace_header(plain, header)
    with pytest.raises(ImageError, match="gives the size"):
        read_image(plain)


def test_scaled_values_are_applied(plain: Path) -> None:
    header = header_of(plain)
    header["scl_slope"], header["scl_inter"] = 2, -1024
    replace_header(plain, header)
    np.testing.assert_allclose(read_image(plain).array, IMAGE.array * 2.0 - 1024)


def test_no_unpacked_copies_are_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(folder))
    write_image(tmp_path / "x.nii.gz", IMAGE)
    read_image(tmp_path / "x.nii.gz")
    shutil.copyfile(tmp_path / "x.nii.gz", tmp_path / "y.nii.gz")
    (tmp_path / "y.nii.gz").write_bytes((tmp_path / "y.nii.gz").read_bytes()[:-30])
    with pytest.raises(ImageError):
        read_image(tmp_path / "y.nii.gz")
    assert not list(folder.iterdir())
