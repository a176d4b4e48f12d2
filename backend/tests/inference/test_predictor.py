"""From image to label map."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import nn

from ufseg.errors import CancelledError, InputError, OutOfMemoryError
from ufseg.images.geometry import Geometry
from ufseg.images.image import Image
from ufseg.inference.predictor import Predictor
from ufseg.networks.build import build_network
from ufseg.progress import Progress

MakePredictor = Callable[..., Predictor]

# An oblique direction: orthonormal, about 20° and 10° off the axes.
ROTATION = np.linalg.qr(np.array([[1.0, 0.3, 0.1], [-0.3, 1.0, 0.2], [0.0, -0.2, 1.0]]))[0]
ROTATION = ROTATION * np.sign(np.diag(ROTATION))


def grid(shape: tuple[int, ...], spacing: tuple[float, ...], direction: np.ndarray) -> Geometry:
    return Geometry(
        size=tuple(reversed(shape)),
        spacing=spacing,
        origin=(12.0, -7.5, 3.25)[: len(shape)],
        direction=tuple(direction.reshape(-1)),
    )


def expected(array: np.ndarray) -> np.ndarray:
    return np.where(array > 100, 7, np.where(array > 0, 3, 0))


def steps(shape: tuple[int, ...], rng: np.random.Generator) -> np.ndarray:
    """HU values far from the thresholds, as bfloat16 would blur close ones."""
    return rng.choice([-80.0, 50.0, 300.0], size=shape).astype(np.float32)


@pytest.mark.parametrize("shape", [(10, 9, 13), (3, 4, 5), (20, 8, 8)])
def test_values_and_grid_without_resampling(make_predictor: MakePredictor, shape: tuple[int, ...]) -> None:
    array = steps(shape, np.random.default_rng(1))
    image = Image(array[None], grid(shape, (1.0, 1.0, 1.0), ROTATION))
    label = make_predictor().predict(image)
    assert label.geometry == image.geometry
    assert label.array.dtype == np.uint8
    np.testing.assert_array_equal(label.array, expected(array))


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
@pytest.mark.parametrize("signs", [(1, 1, 1), (-1, 1, -1), (-1, -1, -1)])
def test_stored_orientation_does_not_matter(
    make_predictor: MakePredictor, order: tuple[int, ...], signs: tuple[int, ...]
) -> None:
    """A copy of a volume stored with other axes gets the same copy of the segmentation: a real network says."""
    torch.manual_seed(5)
    predictor = make_predictor(spacing=(1.5, 1.0, 1.2))
    network = build_network(predictor.description.plan, 1)
    predictor = make_predictor(spacing=(1.5, 1.0, 1.2), network=network)
    rng = np.random.default_rng(2)
    array = np.repeat(np.repeat(steps((5, 5, 3), rng), 2, axis=0), 3, axis=2)
    image = Image(array[None], grid(array.shape, (1.0, 1.1, 0.8), ROTATION))
    label = predictor.predict(image)
    assert len(label.values()) > 1

    def stored(volume: np.ndarray) -> np.ndarray:
        flipped = np.flip(volume, [a for a in range(3) if signs[a] < 0])
        return np.ascontiguousarray(flipped.transpose([2 - order[2 - a] for a in range(3)]))

    g = image.geometry
    # New axis n is the old axis order[n]; a flipped one starts at its old end. signs are in array order.
    flip = [signs[2 - axis] < 0 for axis in range(3)]
    matrix = g.matrix * np.where(flip, -1.0, 1.0)
    corner = tuple(g.size[a] - 1.0 if flip[a] else 0.0 for a in range(3))
    turned = Geometry(
        size=tuple(g.size[a] for a in order),
        spacing=tuple(g.spacing[a] for a in order),
        origin=tuple(g.position(corner)),
        direction=tuple(matrix[:, list(order)].reshape(-1)),
    )
    again = predictor.predict(Image(stored(array)[None], turned))
    np.testing.assert_array_equal(again.array, stored(label.array))


def test_resampling_keeps_places(make_predictor: MakePredictor) -> None:
    """A box in an anisotropic, flipped, oblique volume is found where it is."""
    array = np.full((8, 30, 24), -300.0, dtype=np.float32)
    array[2:6, 10:20, 4:12] = 500.0  # its edge, half-way, lies at the threshold of 100
    image = Image(array[None], grid(array.shape, (1.0, 1.0, 3.0), ROTATION @ np.diag([-1.0, 1.0, -1.0])))
    label = make_predictor(spacing=(2.0, 1.5, 1.5)).predict(image).array
    wanted = array > 0
    overlap = 2 * (wanted & (label == 7)).sum() / (wanted.sum() + (label == 7).sum())
    assert overlap > 0.85
    found = np.argwhere(label == 7)
    np.testing.assert_allclose(found.mean(axis=0), np.argwhere(wanted).mean(axis=0), atol=0.4)


def test_two_dimensions(make_predictor: MakePredictor) -> None:
    array = steps((11, 14), np.random.default_rng(3))
    predictor = make_predictor(2, (1.0, 1.0), (8, 8))
    flat = predictor.predict(Image(array[None], grid((11, 14), (1.0, 1.0), np.eye(2))))
    np.testing.assert_array_equal(flat.array, expected(array))
    volume = steps((4, 11, 14), np.random.default_rng(4))
    reports: list[Progress] = []
    stack = predictor.predict(Image(volume[None], grid((4, 11, 14), (1.0, 1.0, 5.0), ROTATION)), reports.append)
    np.testing.assert_array_equal(stack.array, expected(volume))
    fractions = [r.fraction for r in reports]
    assert fractions == sorted(fractions)
    assert fractions[-1] == 1.0


def test_wrong_number_of_channels(make_predictor: MakePredictor) -> None:
    image = Image(np.zeros((1, 4, 4, 4), np.float32), grid((4, 4, 4), (1.0, 1.0, 1.0), np.eye(3)))
    with pytest.raises(InputError, match=r"1 channel, but the model threshold was trained on 2"):
        make_predictor(channels=2).predict(image)


def test_cancel_takes_effect_within_one_window(make_predictor: MakePredictor) -> None:
    calls = 0

    class Counting(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            nonlocal calls
            calls += 1
            return x.repeat(1, 3, 1, 1, 1)

    image = Image(np.zeros((1, 30, 30, 30), np.float32), grid((30, 30, 30), (1.0, 1.0, 1.0), np.eye(3)))
    with pytest.raises(CancelledError):
        make_predictor(network=Counting()).predict(image, cancelled=lambda: calls >= 2)
    assert calls == 2


def test_out_of_memory_is_a_sentence(make_predictor: MakePredictor) -> None:
    class Greedy(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return torch.empty(1 << 50)

    image = Image(np.zeros((1, 8, 8, 9), np.float32), grid((8, 8, 9), (1.0, 1.0, 1.0), np.eye(3)))
    with pytest.raises(OutOfMemoryError, match="9 × 8 × 8 voxels"):
        make_predictor(network=Greedy()).predict(image)
