"""The wire format against ITK's reader and writer, which the backend uses."""

from __future__ import annotations

import time

import numpy as np
import pytest
import SimpleITK as sitk
from hypothesis import given, settings
from hypothesis import strategies as st

from geometries import SYNTHETIC, grid, of_image
from UnifiedFocalSegLib import nrrd
from UnifiedFocalSegLib.errors import WireError

TYPES = (np.int8, np.uint8, np.int16, np.uint16, np.int32, np.uint32, np.int64, np.uint64, np.float32, np.float64)


@pytest.mark.parametrize("name", SYNTHETIC)
def test_itk_reads_what_is_sent(name, tmp_path):
    geometry = SYNTHETIC[name]
    array = np.arange(np.prod(geometry.size), dtype=np.int16).reshape(geometry.array_shape)
    path = tmp_path / "sent.nrrd"
    path.write_bytes(nrrd.encode(array, geometry))
    image = sitk.ReadImage(str(path))
    np.testing.assert_array_equal(sitk.GetArrayFromImage(image), array)
    assert of_image(image).largest_shift(geometry) < 1e-9


@pytest.mark.parametrize("dtype", TYPES)
def test_every_voxel_type_arrives(dtype, tmp_path):
    geometry = grid(np.eye(3), size=(4, 3, 2))
    array = np.linspace(0, 100, 24).astype(dtype).reshape(2, 3, 4)
    path = tmp_path / "sent.nrrd"
    path.write_bytes(nrrd.encode(array, geometry))
    read = sitk.GetArrayFromImage(sitk.ReadImage(str(path)))
    assert read.dtype == dtype
    np.testing.assert_array_equal(read, array)


def test_colour_components_arrive_as_a_vector_image(tmp_path):
    geometry = grid(np.eye(3), size=(5, 4, 3))
    array = np.random.default_rng(1).integers(0, 255, (3, 4, 5, 3)).astype(np.uint8)
    path = tmp_path / "sent.nrrd"
    path.write_bytes(nrrd.encode(array, geometry))
    image = sitk.ReadImage(str(path))
    assert (image.GetDimension(), image.GetNumberOfComponentsPerPixel()) == (3, 3)
    np.testing.assert_array_equal(sitk.GetArrayFromImage(image), array)
    assert of_image(image).largest_shift(geometry) < 1e-9


@pytest.mark.parametrize("name", SYNTHETIC)
def test_what_itk_writes_is_read(name, tmp_path):
    geometry = SYNTHETIC[name]
    array = np.random.default_rng(2).integers(0, 4, geometry.array_shape).astype(np.uint8)
    image = sitk.GetImageFromArray(array)
    image.SetSpacing(geometry.spacing)
    image.SetOrigin(geometry.origin)
    image.SetDirection(geometry.direction)
    path = tmp_path / "label.nrrd"
    sitk.WriteImage(image, str(path), useCompression=False)
    read, where = nrrd.decode(path.read_bytes())
    np.testing.assert_array_equal(read, array)
    assert where.difference(geometry) is None


@settings(max_examples=50, deadline=None)
@given(
    size=st.tuples(*[st.integers(1, 7)] * 3),
    spacing=st.tuples(*[st.floats(0.01, 50)] * 3),
    origin=st.tuples(*[st.floats(-1000, 1000)] * 3),
    flips=st.tuples(*[st.sampled_from((-1.0, 1.0))] * 3),
    axes=st.permutations(range(3)),
)
def test_encode_and_decode_are_inverse(size, spacing, origin, flips, axes):
    geometry = grid(np.eye(3)[:, list(axes)] * flips, spacing, origin, size)
    array = np.arange(np.prod(size), dtype=np.float32).reshape(geometry.array_shape)
    read, where = nrrd.decode(nrrd.encode(array, geometry))
    np.testing.assert_array_equal(read, array)
    assert where.largest_shift(geometry) < 1e-9


def test_flat_image_of_itk_becomes_one_slice(tmp_path):
    array = np.arange(12, dtype=np.uint8).reshape(3, 4)
    image = sitk.GetImageFromArray(array)
    image.SetSpacing((0.5, 2.0))
    path = tmp_path / "flat.nrrd"
    sitk.WriteImage(image, str(path), useCompression=False)
    read, where = nrrd.decode(path.read_bytes())
    assert read.shape == (1, 3, 4)
    assert (where.size, where.spacing) == ((4, 3, 1), (0.5, 2.0, 1.0))


def test_large_volume_is_ready_at_once_and_shares_memory():
    geometry = grid(np.eye(3), size=(512, 512, 200))
    array = np.zeros(geometry.array_shape, dtype=np.int16)
    begin = time.perf_counter()
    body = nrrd.Body(array, geometry)
    length = sum(len(piece) for piece in body)
    seconds = time.perf_counter() - begin
    assert length == len(body) == len(nrrd.encode_header(array, geometry)) + array.nbytes
    assert seconds < 0.1, f"building the body of {array.nbytes / 1e6:.0f} MB took {seconds:.3f} s"
    array[-1, -1, -1] = 258
    assert bytes(list(body)[-1][-2:]) == b"\x02\x01"


def test_body_can_be_sent_again_and_reports_its_progress():
    geometry = grid(np.eye(3))
    counts: list[int] = []
    body = nrrd.Body(np.ones(geometry.array_shape, dtype=np.float64), geometry, counts.append)
    assert b"".join(map(bytes, body)) == b"".join(map(bytes, body))
    assert counts[-1] == len(body)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"<html>proxy error</html>", "not an NRRD image"),
        (b"NRRD0004\ntype: uint8\ndimension: 3\nencoding: gzip\nendian: little\n\n", "encoding gzip"),
    ],
)
def test_foreign_bytes_are_refused_in_words(data, words):
    with pytest.raises(WireError, match=words):
        nrrd.decode(data)


def test_cut_off_image_is_refused_with_the_numbers():
    geometry = grid(np.eye(3), size=(4, 3, 2))
    data = nrrd.encode(np.zeros((2, 3, 4), dtype=np.int16), geometry)
    with pytest.raises(WireError, match="41 of 48 bytes"):
        nrrd.decode(data[:-7])


def test_voxel_type_without_a_name_is_refused():
    with pytest.raises(WireError, match="complex128"):
        nrrd.encode_header(np.zeros((2, 3, 4), dtype=complex), grid(np.eye(3), size=(4, 3, 2)))
