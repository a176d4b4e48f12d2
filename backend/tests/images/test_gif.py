from pathlib import Path

import numpy as np
import pytest
from PIL import Image as Picture

from ufseg.errors import ImageError
from ufseg.images.reading import read_image


def test_grey_gif(tmp_path: Path) -> None:
    array = np.array([[0, 255, 7], [255, 0, 0]], np.uint8)
    Picture.fromarray(array).save(tmp_path / "a.gif")
    assert (read_image(tmp_path / "a.gif").array == array[np.newaxis]).all()


def test_palette_gif_is_read_by_its_colours(tmp_path: Path) -> None:
    # Index 0 is white, as in files written with an inverted palette.
    picture = Picture.fromarray(np.array([[0, 1]], np.uint8), mode="P")
    picture.putpalette([255, 255, 255, 0, 0, 0])
    picture.save(tmp_path / "a.gif")
    assert read_image(tmp_path / "a.gif").array.tolist() == [[[255, 0]]]


def test_coloured_gif_has_three_channels(tmp_path: Path) -> None:
    picture = Picture.fromarray(np.array([[0, 1]], np.uint8), mode="P")
    picture.putpalette([255, 0, 0, 0, 0, 255])
    picture.save(tmp_path / "a.gif")
    assert read_image(tmp_path / "a.gif").array.tolist() == [[[255, 0]], [[0, 0]], [[0, 255]]]


def test_animations_and_truncated_files_are_refused(tmp_path: Path) -> None:
    frames = [Picture.fromarray(np.full((8, 8), v, np.uint8)) for v in (0, 255)]
    frames[0].save(tmp_path / "film.gif", save_all=True, append_images=frames[1:])
    with pytest.raises(ImageError, match="animation of 2 pictures"):
        read_image(tmp_path / "film.gif")
    Picture.fromarray(np.random.default_rng(0).integers(0, 255, (64, 64), dtype=np.uint8)).save(tmp_path / "a.gif")
    data = (tmp_path / "a.gif").read_bytes()
    (tmp_path / "a.gif").write_bytes(data[: len(data) // 2])
    with pytest.raises(ImageError, match=r"a\.gif"):
        read_image(tmp_path / "a.gif")
