import numpy as np
import pytest
from geometry_strategies import geometries
from hypothesis import given
from pydantic import ValidationError

from ufseg.errors import GeometryError
from ufseg.images.geometry import Geometry

CUBE = Geometry(size=(9, 9, 9), spacing=(1, 1, 1), origin=(0, 0, 0), direction=(1, 0, 0, 0, 1, 0, 0, 0, 1))


def test_position_follows_the_direction_columns() -> None:
    geometry = Geometry(size=(4, 5, 6), spacing=(1, 2, 3), origin=(10, 20, 30), direction=(0, -1, 0, 1, 0, 0, 0, 0, 1))
    np.testing.assert_allclose(geometry.position((1, 0, 0)), (10, 21, 30))
    np.testing.assert_allclose(geometry.position((0, 1, 0)), (8, 20, 30))
    np.testing.assert_allclose(geometry.position((0, 0, 0.5)), (10, 20, 31.5))


def test_array_shape_is_reversed_and_voxel_volume_in_millilitres() -> None:
    geometry = Geometry(size=(4, 5, 6), spacing=(1, 2, 5), origin=(0, 0, 0), direction=CUBE.direction)
    assert geometry.array_shape == (6, 5, 4)
    assert geometry.voxel_ml == pytest.approx(0.01)


@given(geometries())
def test_a_grid_equals_itself(geometry: Geometry) -> None:
    assert geometry.difference(geometry) is None


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"size": (9, 9, 8)}, "size"),
        ({"spacing": (1, 1, 1.01)}, "spacing"),
        ({"origin": (0, 0.5, 0)}, "origin"),
        ({"direction": (-1, 0, 0, 0, 1, 0, 0, 0, 1)}, "direction"),
        ({"direction": (0, 1, 0, 1, 0, 0, 0, 0, 1)}, "direction"),
    ],
    ids=["size", "spacing", "origin", "flip", "exchanged axes of a cube"],
)
def test_difference_names_what_differs(change: dict[str, tuple[float, ...]], word: str) -> None:
    other = Geometry.model_validate({**CUBE.model_dump(), **change})
    difference = CUBE.difference(other)
    assert difference is not None
    assert difference.startswith(word)


def test_float32_headers_are_the_same_grid() -> None:
    exact = Geometry(size=(512, 512, 300), spacing=(0.7, 0.7, 1.1), origin=(-180.3, 211.7, -1503.9),
                     direction=CUBE.direction)  # fmt: skip
    rounded = exact.model_copy(
        update={f: tuple(float(np.float32(v)) for v in getattr(exact, f)) for f in ("spacing", "origin")}
    )
    assert exact.difference(rounded) is None


def test_require_same_names_both_the_numbers_and_the_next_step() -> None:
    other = CUBE.model_copy(update={"spacing": (1.0, 1.0, 2.0)})
    with pytest.raises(GeometryError, match=r"image A and label B .* spacing \(1, 1, 1\) mm against \(1, 1, 2\).*Do X"):
        CUBE.require_same(other, "image A", "label B", "Do X.")


@pytest.mark.parametrize(
    "change",
    [
        {"size": (0, 1, 1)},
        {"size": (9, 9)},
        {"spacing": (1, 0, 1)},
        {"spacing": (1, float("nan"), 1)},
        {"origin": (float("inf"), 0, 0)},
        {"direction": (1, 1, 0, 0, 0, 0, 0, 0, 1)},
    ],
)
def test_impossible_grids_are_refused(change: dict[str, tuple[float, ...]]) -> None:
    with pytest.raises(ValidationError):
        Geometry.model_validate({**CUBE.model_dump(), **change})
