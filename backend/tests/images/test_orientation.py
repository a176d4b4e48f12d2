import numpy as np
import pytest
from geometry_strategies import AXIS_ORDERS, geometries, rotation, turned
from hypothesis import given, settings
from hypothesis import strategies as st

from ufseg.errors import GeometryError
from ufseg.images.geometry import Geometry
from ufseg.images.orientation import from_canonical, to_canonical


def numbered(geometry: Geometry) -> np.ndarray:
    return np.arange(int(np.prod(geometry.size))).reshape(geometry.array_shape)


def positions(geometry: Geometry, array: np.ndarray) -> dict[int, tuple[float, ...]]:
    """Where in the patient each value of a numbered array lies."""
    return {
        int(value): tuple(np.round(geometry.position(tuple(reversed(index))), 6) + 0.0)
        for index, value in np.ndenumerate(array)
    }


@pytest.mark.parametrize(("order", "signs"), AXIS_ORDERS, ids=lambda v: "".join(map(str, v)))
def test_every_permutation_and_flip_keeps_each_voxel_in_place(order: tuple[int, ...], signs: tuple[int, ...]) -> None:
    matrix = rotation((0.2, -0.1, 0.15)) @ turned(order, signs)
    geometry = Geometry(size=(2, 3, 4), spacing=(0.5, 1.5, 3), origin=(7, -8, 9), direction=tuple(matrix.reshape(-1)))
    array = numbered(geometry)
    canonical, grid = to_canonical(array, geometry)
    # The canonical axes are closest to left, posterior, superior, in that order and sense.
    assert np.all(np.diag(grid.matrix) > 0.8)
    assert canonical.shape == grid.array_shape
    assert positions(grid, canonical) == positions(geometry, array)
    np.testing.assert_array_equal(from_canonical(canonical, grid, geometry), array)


@given(geometries(), st.integers(0, 2))
@settings(max_examples=100)
def test_round_trip_is_exact_with_any_leading_axes(geometry: Geometry, leading: int) -> None:
    array = np.arange(6 * int(np.prod(geometry.size))).reshape(*(2, 3)[:leading], -1, *geometry.array_shape)
    canonical, grid = to_canonical(array, geometry)
    assert canonical.shape[: leading + 1] == array.shape[: leading + 1]
    assert np.shares_memory(canonical, array)
    np.testing.assert_array_equal(from_canonical(canonical, grid, geometry), array)


@given(geometries(dimensions=(2,)))
def test_pictures_stay_as_they_are(geometry: Geometry) -> None:
    array = numbered(geometry)
    canonical, grid = to_canonical(array, geometry)
    assert grid == geometry
    np.testing.assert_array_equal(canonical, array)


def test_a_canonical_volume_is_unchanged() -> None:
    geometry = Geometry(size=(2, 3, 4), spacing=(1, 2, 3), origin=(0, 0, 0), direction=(1, 0, 0, 0, 1, 0, 0, 0, 1))
    canonical, grid = to_canonical(numbered(geometry), geometry)
    assert grid == geometry
    np.testing.assert_array_equal(canonical, numbered(geometry))


def test_wrong_shapes_are_refused() -> None:
    geometry = Geometry(size=(2, 3, 4), spacing=(1, 1, 1), origin=(0, 0, 0), direction=(0, 0, 1, 1, 0, 0, 0, 1, 0))
    _, grid = to_canonical(numbered(geometry), geometry)
    with pytest.raises(GeometryError, match=r"\(2, 3, 4\)"):
        to_canonical(np.zeros((2, 3, 4)), geometry)
    with pytest.raises(GeometryError, match="cannot be turned back"):
        from_canonical(np.zeros(geometry.array_shape), geometry, geometry)
    assert grid.size == (4, 2, 3) or grid.size == (3, 4, 2)
