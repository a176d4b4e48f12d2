import numpy as np
import pytest

from ufseg.errors import GeometryError, ImageError, LabelError
from ufseg.images.geometry import Geometry
from ufseg.images.image import Image, LabelMap, stack_channels

GRID = Geometry(size=(4, 3, 2), spacing=(1, 1, 1), origin=(0, 0, 0), direction=(1, 0, 0, 0, 1, 0, 0, 0, 1))


def test_shapes_must_match_the_grid() -> None:
    assert Image(np.zeros((5, 2, 3, 4)), GRID).channels == 5
    with pytest.raises(GeometryError, match=r"\(4, 3, 2\).*\(2, 3, 4\)"):
        Image(np.zeros((1, 4, 3, 2)), GRID)
    with pytest.raises(GeometryError):
        LabelMap(np.zeros((1, 2, 3, 4), np.uint8), GRID)


def test_label_maps_are_unsigned() -> None:
    with pytest.raises(LabelError, match="float64"):
        LabelMap(np.zeros((2, 3, 4)), GRID)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_counts_and_values(dtype: type) -> None:
    array = np.zeros((2, 3, 4), dtype)
    array[0, 0, :3] = 200
    label = LabelMap(array, GRID)
    assert label.values() == [0, 200]
    assert label.counts()[[0, 200]].tolist() == [21, 3]
    assert label.counts().sum() == array.size


def test_channels_are_stacked_in_order() -> None:
    parts = [Image(np.full((1, 2, 3, 4), n), GRID) for n in (3, 1, 2)]
    assert stack_channels(parts, ["a", "b", "c"]).array[:, 0, 0, 0].tolist() == [3, 1, 2]
    assert stack_channels(parts[:1], ["a"]) is parts[0]


def test_channels_of_other_grids_are_refused() -> None:
    moved = GRID.model_copy(update={"origin": (0.0, 0.0, 1.0)})
    parts = [Image(np.zeros((1, 2, 3, 4)), GRID), Image(np.zeros((1, 2, 3, 4)), moved)]
    with pytest.raises(GeometryError, match=r"t1\.nii and t2\.nii lie on different grids: origin"):
        stack_channels(parts, ["t1.nii", "t2.nii"])
    with pytest.raises(ImageError):
        stack_channels([], [])
