import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ufseg.errors import LabelError, PlanError
from ufseg.images.class_table import ClassTable
from ufseg.images.geometry import Geometry
from ufseg.images.image import Image, LabelMap
from ufseg.images.orientation import from_canonical
from ufseg.plans.plan import HuWindow, Plan, ZScore
from ufseg.plans.preprocessing import (
    canonical_geometry,
    preprocess_image,
    preprocess_label,
    resample_linear,
    resample_nearest,
)

AS_IS = HuWindow(low=-1e6, high=1e6, mean=0, std=1)
CLASSES = ClassTable.of({"a": 3, "b": 7})
AXES_3D = [(0, 1, 2), (2, 1, 0), (1, 2, 0)]


def plan(spacing: tuple[float, ...], *normalisation: HuWindow | ZScore) -> Plan:
    n = len(spacing)
    return Plan(
        dimension=2 if n == 2 else 3,
        modality="CT",
        spacing=spacing,
        patch_size=(8,) * n,
        batch_size=2,
        features=(8, 16),
        kernel_sizes=((3,) * n,) * 2,
        strides=((1,) * n, (2,) * n),
        normalisation=normalisation or (AS_IS,),
        classes=3,
    )


def grid(size: tuple[int, ...], spacing: tuple[float, ...], angle: float = 0.0, order: int = 0) -> Geometry:
    if len(size) == 2:
        matrix = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        return Geometry(size=size, spacing=spacing, origin=(5, -6), direction=tuple(matrix.reshape(-1)))
    matrix = np.array([[np.cos(angle), -np.sin(angle), 0], [np.sin(angle), np.cos(angle), 0], [0, 0, -1]])
    matrix = matrix[:, AXES_3D[order]]
    return Geometry(size=size, spacing=spacing, origin=(5, -6, 70), direction=tuple(matrix.reshape(-1)))


def all_positions(geometry: Geometry) -> np.ndarray:
    """LPS millimetres per voxel, ``[k, j, i, 3]`` or ``[j, i, 2]``."""
    index = np.stack(np.meshgrid(*[np.arange(n) for n in geometry.array_shape], indexing="ij"), axis=-1)[..., ::-1]
    return index * np.asarray(geometry.spacing) @ geometry.matrix.T + np.asarray(geometry.origin)


def ramp(geometry: Geometry) -> np.ndarray:
    return all_positions(geometry) @ np.asarray((1.0, -2.0, 0.5)[: geometry.ndim])


@given(
    size=st.tuples(*[st.integers(4, 12)] * 3),
    spacing=st.tuples(*[st.floats(0.4, 4)] * 3),
    target=st.tuples(*[st.floats(0.4, 4)] * 3),
    angle=st.floats(-0.7, 0.7),
    order=st.integers(0, 2),
)
@settings(max_examples=60, deadline=None)
def test_a_linear_ramp_in_space_stays_the_same_ramp(
    size: tuple[int, ...], spacing: tuple[float, ...], target: tuple[float, ...], angle: float, order: int
) -> None:
    geometry = grid(size, spacing, angle, order)
    array, resampled = preprocess_image(Image(ramp(geometry)[np.newaxis], geometry), plan(target))
    assert array.dtype == np.float32
    assert array.shape == (1, *resampled.array_shape)
    # Voxels whose centre lies between the outermost centres of the image are interpolated, not continued.
    at = (all_positions(resampled) - np.asarray(geometry.origin)) @ geometry.matrix / np.asarray(geometry.spacing)
    inside = np.all((at >= 0) & (at <= np.asarray(geometry.size) - 1), axis=-1)
    np.testing.assert_allclose(array[0][inside], ramp(resampled)[inside], atol=2e-3)


@given(
    size=st.tuples(*[st.integers(1, 12)] * 3),
    spacing=st.tuples(*[st.floats(0.4, 4)] * 3),
    target=st.tuples(*[st.floats(0.4, 4)] * 3),
    order=st.integers(0, 2),
)
@settings(max_examples=60)
def test_the_resampled_grid_covers_the_same_box_at_about_the_plan_s_spacing(
    size: tuple[int, ...], spacing: tuple[float, ...], target: tuple[float, ...], order: int
) -> None:
    geometry = grid(size, spacing, 0.2, order)
    _, resampled = preprocess_image(Image(np.zeros((1, *geometry.array_shape)), geometry), plan(target))
    canonical = canonical_geometry(geometry, plan(target))
    for face in (-0.5, 0.5):
        corners = [g.position(tuple(-0.5 if face < 0 else n - 0.5 for n in g.size)) for g in (canonical, resampled)]
        np.testing.assert_allclose(corners[0], corners[1], atol=1e-6)
    extent = np.asarray(canonical.size) * np.asarray(canonical.spacing)
    expected = np.maximum(1, np.round(extent / np.asarray(target[::-1])))
    np.testing.assert_array_equal(resampled.size, expected)


def test_the_plan_s_spacing_is_in_array_order_of_the_canonical_axes() -> None:
    # Sagittal storage: the image axes i, j, k run along P, S, L.
    geometry = Geometry(size=(10, 20, 30), spacing=(1, 1, 1), origin=(0, 0, 0), direction=(0, 0, 1, 1, 0, 0, 0, 1, 0))
    array, resampled = preprocess_image(Image(np.zeros((1, 30, 20, 10)), geometry), plan((4.0, 2.0, 1.0)))
    assert array.shape == (1, 5, 5, 30)
    assert resampled.spacing == (1, 2, 4)


def test_the_way_back_through_the_documented_steps() -> None:
    geometry = grid((12, 10, 14), (1, 1.5, 0.8), 0.3, 2)
    where = plan((0.9, 0.7, 1.1))
    smooth = ramp(geometry).astype(np.float32)
    array, _ = preprocess_image(Image(smooth[np.newaxis], geometry), where)
    canonical = canonical_geometry(geometry, where)
    back = from_canonical(resample_linear(array, canonical.array_shape), canonical, geometry)[0]
    inner = (slice(2, -2),) * 3
    np.testing.assert_allclose(back[inner], smooth[inner], atol=1e-3)


def test_labels_lie_on_exactly_the_image_s_grid() -> None:
    geometry = grid((12, 10, 14), (1, 1.5, 0.8), 0.3, 1)
    where = plan((0.5, 1.1, 2.0))
    # A half space in patient coordinates, drawn into both.
    mask = ramp(geometry) > np.median(ramp(geometry))
    array, resampled = preprocess_image(Image(mask[np.newaxis].astype(np.float32), geometry), where)
    label = preprocess_label(LabelMap(np.where(mask, 7, 0).astype(np.uint8), geometry), where, CLASSES)
    assert label.shape == resampled.array_shape == array.shape[1:]
    assert label.dtype == np.uint8
    assert set(np.unique(label)) == {0, 2}
    sure = np.abs(array[0] - 0.5) > 0.49
    np.testing.assert_array_equal(label[sure] == 2, array[0][sure] > 0.5)
    assert (label == 2).mean() == pytest.approx(0.5, abs=0.05)


def test_values_that_no_class_has_are_refused() -> None:
    geometry = grid((4, 4, 4), (1, 1, 1))
    with pytest.raises(LabelError, match="value 5"):
        preprocess_label(LabelMap(np.full((4, 4, 4), 5, np.uint8), geometry), plan((1.0, 1.0, 1.0)), CLASSES)


@given(st.integers(1, 40), st.integers(1, 40))
def test_nearest_takes_the_voxel_whose_centre_is_nearest(old: int, new: int) -> None:
    taken = resample_nearest(np.arange(old), (new,))
    centre = (np.arange(new) + 0.5) * old / new - 0.5
    assert np.all(np.abs(taken - centre) <= 0.5 + 1e-9)


@given(st.integers(1, 5), st.integers(2, 6))
def test_repeating_each_voxel_and_taking_it_back_is_exact(factor: int, length: int) -> None:
    array = np.random.default_rng(0).integers(0, 9, (length, length + 1))
    bigger = resample_nearest(array, (length * factor, (length + 1) * factor))
    np.testing.assert_array_equal(bigger, np.kron(array, np.ones((factor, factor), int)))
    np.testing.assert_array_equal(resample_nearest(bigger, array.shape), array)


def test_equal_spacing_leaves_voxels_untouched() -> None:
    geometry = grid((5, 6, 7), (0.7, 0.8, 0.9))
    values = np.random.default_rng(0).normal(size=(1, *geometry.array_shape))
    array, resampled = preprocess_image(Image(values, geometry), plan((0.9, 0.8, 0.7)))
    np.testing.assert_array_equal(np.sort(array.reshape(-1)), np.sort(values.astype(np.float32).reshape(-1)))
    assert array.flags.c_contiguous
    assert resampled == canonical_geometry(geometry, plan((0.9, 0.8, 0.7)))


def test_pictures() -> None:
    geometry = grid((9, 7), (1, 2), 0.4)
    array, resampled = preprocess_image(Image(ramp(geometry)[np.newaxis], geometry), plan((1.0, 1.0)))
    assert array.shape == (1, 14, 9)
    assert resampled.size == (9, 14)
    np.testing.assert_allclose(array[0, 1:-1], ramp(resampled)[1:-1], atol=1e-3)


@pytest.mark.parametrize("order", [0, 1, 2])
def test_a_single_slice_of_a_volume_counts_as_a_picture_whichever_way_it_cuts(order: int) -> None:
    geometry = grid((9, 7, 1), (1, 2, 5), 0.2, order)
    array, resampled = preprocess_image(Image(ramp(geometry)[np.newaxis], geometry), plan((1.0, 1.0)))
    assert array.shape == (1, 14, 9)
    assert resampled.size == (9, 14, 1)
    assert resampled.spacing[2] == 5
    np.testing.assert_allclose(array[0, 1:-1], ramp(resampled)[0, 1:-1], atol=1e-3)
    label = preprocess_label(LabelMap(np.full((1, 7, 9), 3, np.uint8), geometry), plan((1.0, 1.0)), CLASSES)
    assert label.shape == (14, 9)
    assert canonical_geometry(geometry, plan((1.0, 1.0))) == geometry


def test_images_that_do_not_fit_the_plan_are_refused() -> None:
    volume, picture = grid((5, 6, 7), (1, 1, 1)), grid((5, 6), (1, 1))
    with pytest.raises(PlanError, match="has 2 channels, but the plan was made for 1"):
        preprocess_image(Image(np.zeros((2, 7, 6, 5)), volume), plan((1.0, 1.0, 1.0)))
    with pytest.raises(PlanError, match="2D slice of 5 × 6"):
        preprocess_image(Image(np.zeros((1, 6, 5)), picture), plan((1.0, 1.0, 1.0)))
    with pytest.raises(PlanError, match="has 7 slices"):
        preprocess_image(Image(np.zeros((1, 7, 6, 5)), volume), plan((1.0, 1.0)))


def test_ct_is_clipped_and_scaled_by_the_plan() -> None:
    geometry = grid((3, 1, 1), (1, 1, 1))
    window = HuWindow(low=-100, high=200, mean=50, std=25)
    image = Image(np.array([[[[-2000, 75, 3000]]]], np.int16), geometry)
    array, _ = preprocess_image(image, plan((1.0, 1.0, 1.0), window))
    assert sorted(array.reshape(-1).tolist()) == [-6, 1, 6]


@pytest.mark.parametrize(("scale", "offset"), [(1, 0), (1.7e6, 3e6), (1e-3, 0)])
def test_mri_is_scaled_by_itself_whatever_its_range(scale: float, offset: float) -> None:
    geometry = grid((30, 20, 10), (1, 1, 1))
    values = np.random.default_rng(0).normal(size=(2, *geometry.array_shape))
    values[1] *= 5
    image = Image((values * scale + offset).astype(np.float32), geometry)
    array, _ = preprocess_image(image, plan((1.0, 1.0, 1.0), ZScore(), ZScore()))
    np.testing.assert_allclose(array.mean(axis=(1, 2, 3)), 0, atol=1e-3)
    np.testing.assert_allclose(array.std(axis=(1, 2, 3)), 1, atol=1e-3)


def test_a_constant_image_becomes_zero() -> None:
    geometry = grid((3, 3, 3), (1, 1, 1))
    array, _ = preprocess_image(Image(np.full((1, 3, 3, 3), 7, np.uint8), geometry), plan((1.0, 1.0, 1.0), ZScore()))
    assert not array.any()


def test_a_constant_image_of_any_value_becomes_zero() -> None:
    geometry = Geometry(
        size=(7, 5, 3), spacing=(1.0, 1.0, 1.0), origin=(0.0, 0.0, 0.0), direction=(1, 0, 0, 0, 1, 0, 0, 0, 1)
    )
    image = Image(np.full((1, 3, 5, 7), 0.1, np.float64), geometry)
    array, _ = preprocess_image(image, plan((1.0, 1.0, 1.0), ZScore()))
    assert np.abs(array).max() < 1e-6


def test_the_z_score_of_a_large_volume_takes_no_copy_in_float64() -> None:
    geometry = Geometry(
        size=(128, 128, 64), spacing=(1.0, 1.0, 1.0), origin=(0.0, 0.0, 0.0), direction=(1, 0, 0, 0, 1, 0, 0, 0, 1)
    )
    image = Image(np.random.default_rng(0).integers(0, 4000, (1, 64, 128, 128), dtype=np.int16), geometry)
    tracemalloc.start()
    try:
        array, _ = preprocess_image(image, plan((1.0, 1.0, 1.0), ZScore()))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    reference = (image.array - image.array.mean(dtype=np.float64)) / image.array.std(dtype=np.float64)
    np.testing.assert_allclose(array, reference, atol=1e-6)
    # The result and one copy of it, not the 20 bytes a voxel of float64 intermediates.
    assert peak < 3 * array.nbytes
