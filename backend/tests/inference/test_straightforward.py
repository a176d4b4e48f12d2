"""The whole way from image to label map gives the labels of the straightforward one, which keeps all logits."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Literal

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn import functional as F

from ufseg.errors import InputError
from ufseg.images.geometry import Geometry
from ufseg.images.image import Image
from ufseg.images.orientation import from_canonical
from ufseg.inference.blending import blended_slabs
from ufseg.inference.options import InferenceOptions
from ufseg.inference.predictor import Predictor
from ufseg.plans.plan import PATIENT_AXES, PatientAxis, ZScore
from ufseg.plans.preprocessing import canonical_geometry, preprocess_image

MakePredictor = Callable[..., Predictor]
ALL = PATIENT_AXES
TURNS = [
    np.eye(3)[:, list(order)] * np.asarray(signs)
    for order in itertools.permutations(range(3))
    for signs in itertools.product((1.0, -1.0), repeat=3)
]


class Convolution(nn.Module):
    """Sees its window's borders."""

    def __init__(self, dimension: int, classes: int) -> None:
        super().__init__()
        torch.manual_seed(classes)
        self.layer = (nn.Conv2d if dimension == 2 else nn.Conv3d)(1, classes, 3, padding=1)

    def forward(self, image: Tensor) -> Tensor:
        with torch.autocast("cpu", enabled=False):  # so that both ways round alike
            return self.layer(image.float())


def straightforward(predictor: Predictor, image: Image) -> Tensor:
    """Logits ``[class, k, j, i]`` of every voxel of a volume, on its own grid."""
    plan = predictor.description.plan
    array, _ = preprocess_image(image, plan)
    slabs = blended_slabs(
        torch.from_numpy(array), plan.patch_size, predictor._network, plan.classes, lambda *_: None, overlap=0.5
    )
    # That slabs are the blend of the whole volume is tested on its own.
    planes = [s.scores.clone()[:, 0 if n == 0 else 1 :] for n, s in enumerate(slabs)]
    turned = canonical_geometry(image.geometry, plan)
    logits = F.interpolate(
        torch.cat(planes, dim=1)[None], size=turned.array_shape, mode="trilinear", align_corners=False
    )[0]
    return torch.from_numpy(np.ascontiguousarray(from_canonical(logits.numpy(), turned, image.geometry)))


def require_argmax(labels: np.ndarray, scores: Tensor, values: list[int]) -> None:
    index = np.searchsorted([0, *values], labels)
    chosen = scores.gather(0, torch.from_numpy(index)[None])[0]
    assert (chosen >= scores.max(0).values - 1e-4).all()
    assert (torch.from_numpy(index) == scores.argmax(0)).float().mean() > 0.99


@settings(deadline=None, max_examples=40)
@given(
    shape=st.tuples(*[st.integers(2, 14)] * 3),
    spacing=st.tuples(*[st.sampled_from([0.5, 1.0, 1.3, 3.0])] * 3),
    turn=st.sampled_from(TURNS),
    classes=st.integers(3, 6),
)
def test_labels_are_those_of_whole_logits(
    make_predictor: MakePredictor,
    shape: tuple[int, ...],
    spacing: tuple[float, ...],
    turn: np.ndarray,
    classes: int,
) -> None:
    predictor = make_predictor(
        spacing=(1.4, 1.0, 1.0), network=Convolution(3, classes), classes=classes, normalisation=ZScore()
    )
    array = np.random.default_rng(sum(shape)).normal(size=(1, *shape)).astype(np.float32)
    grid = Geometry(size=shape[::-1], spacing=spacing, origin=(1, 2, 3), direction=tuple(turn.reshape(-1)))
    image = Image(array, grid)
    with torch.inference_mode():
        scores = straightforward(predictor, image)
    require_argmax(predictor.predict(image).array, scores, predictor.description.classes.values)


def test_slices_of_a_volume_are_predicted_as_if_alone(make_predictor: MakePredictor) -> None:
    predictor = make_predictor(2, (1.2, 0.9), (8, 8), network=Convolution(2, 3), normalisation=ZScore())
    rng = np.random.default_rng(0)
    array = (rng.normal(size=(1, 5, 13, 11)) * [[[[1]], [[5]], [[2]], [[9]], [[3]]]]).astype(np.float32)
    grid = Geometry(size=(11, 13, 5), spacing=(1, 1, 4), origin=(0, 0, 0), direction=tuple(np.eye(3).reshape(-1)))
    volume = predictor.predict(Image(array, grid)).array
    flat = Geometry(size=(11, 13), spacing=(1, 1), origin=(0, 0), direction=(1, 0, 0, 1))
    for k in range(5):
        np.testing.assert_array_equal(predictor.predict(Image(array[:, k], flat)).array, volume[k])


@pytest.mark.parametrize(
    ("dimension", "mirror", "views"), [(2, ALL, 4), (3, ALL, 8), (2, ("LR",), 2), (3, ("LR",), 2), (3, ("SI", "LR"), 4)]
)
def test_mirroring_is_the_mean_over_all_views(
    make_predictor: MakePredictor, dimension: Literal[2, 3], mirror: tuple[PatientAxis, ...], views: int
) -> None:
    """A network that looks to one side becomes one that looks to both."""
    calls = 0

    class Shift(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            nonlocal calls
            calls += 1
            moved = x.roll(1, -1)
            return torch.cat([torch.zeros_like(x), moved - 0.4, torch.full_like(x, -9)], dim=1)

    array = np.zeros((1, *(8,) * dimension), np.float32)
    array[(0, *(4,) * dimension)] = 100  # 1 when normalised; the mean of both views is 0.1 on both sides
    grid = Geometry(
        size=(8,) * dimension,
        spacing=(1,) * dimension,
        origin=(0,) * dimension,
        direction=tuple(np.eye(dimension).reshape(-1)),
    )
    labels = make_predictor(
        dimension,
        (1.0,) * dimension,
        (8,) * dimension,
        network=Shift(),
        options=InferenceOptions(mirror=True),
        mirror=mirror,
    ).predict(Image(array, grid))
    found = np.argwhere(labels.array == 3)
    assert calls == views
    assert {tuple(f) for f in found} == {(*(4,) * (dimension - 1), 3), (*(4,) * (dimension - 1), 5)}


def test_mirrored_views_are_refused_where_the_model_never_saw_any(make_predictor: MakePredictor) -> None:
    with pytest.raises(InputError, match="was not trained on mirrored images"):
        make_predictor(options=InferenceOptions(mirror=True))


def test_larger_windows_are_no_larger_than_the_volume(make_predictor: MakePredictor) -> None:
    seen = set()

    class Seen(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            seen.add(tuple(x.shape[2:]))
            return torch.cat([x, x - 1, x - 2], dim=1)

    grid = Geometry(size=(30, 9, 21), spacing=(1, 1, 1), origin=(0, 0, 0), direction=tuple(np.eye(3).reshape(-1)))
    make_predictor(network=Seen(), options=InferenceOptions(window_scale=3)).predict(
        Image(np.zeros((1, 21, 9, 30), np.float32), grid)
    )
    assert seen == {(24, 12, 24)}
