"""The air around a body is left out, and never a structure."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from ufseg.images.geometry import Geometry
from ufseg.images.image import Image
from ufseg.images.reading import read_image, read_label_map
from ufseg.inference import body_box as body_box_module
from ufseg.inference.body_box import body_box, cut
from ufseg.inference.options import InferenceOptions
from ufseg.inference.predictor import Predictor
from ufseg.plans.plan import HuWindow, Plan, ZScore

MakePredictor = Callable[..., Predictor]
SOFT_TISSUE = HuWindow(low=-150, high=250, mean=40, std=60)
LUNG = HuWindow(low=-960, high=50, mean=-800, std=100)


def plan_of(make_predictor: MakePredictor, how: HuWindow | ZScore) -> Plan:
    return make_predictor(normalisation=how).description.plan


def image_of(array: np.ndarray, spacing: float = 2.0) -> Image:
    return Image(
        array[None],
        Geometry(
            size=array.shape[::-1],
            spacing=(spacing,) * array.ndim,
            origin=(0,) * array.ndim,
            direction=tuple(np.eye(array.ndim).reshape(-1)),
        ),
    )


def body_in_air(air: float, body: float, noise: float) -> np.ndarray:
    """A block of 40 × 40 × 30 voxels (i, j, k) at 50, 45, 30 in a volume of 140 × 130 × 90."""
    array = np.full((90, 130, 140), air, np.float32)
    array[30:60, 45:85, 50:90] = body
    return array + np.random.default_rng(0).normal(0, noise, array.shape).astype(np.float32)


def test_ct_is_cut_to_what_is_no_air(make_predictor: MakePredictor) -> None:
    box = body_box(image_of(body_in_air(-1000, 40, 30)), plan_of(make_predictor, SOFT_TISSUE))
    assert box == (slice(20, 70), slice(35, 95), slice(40, 100))  # the body and 20 mm


def test_a_model_of_lungs_sees_everything(make_predictor: MakePredictor) -> None:
    assert body_box(image_of(body_in_air(-1000, 40, 30)), plan_of(make_predictor, LUNG)) is None


def test_an_unknown_scale_is_not_cut(make_predictor: MakePredictor) -> None:
    """Stored values without rescaling, and an image of air only."""
    plan = plan_of(make_predictor, SOFT_TISSUE)
    assert body_box(image_of(body_in_air(24, 1064, 5)), plan) is None
    assert body_box(image_of(np.full((90, 100, 110), -1000.0, np.float32)), plan) is None


def test_mri_is_cut_by_the_noise_of_its_corners(make_predictor: MakePredictor) -> None:
    array = np.abs(body_in_air(0, 900, 8))
    assert body_box(image_of(array), plan_of(make_predictor, ZScore())) == (
        slice(20, 70),
        slice(35, 95),
        slice(40, 100),
    )


def test_mri_without_dark_corners_is_not_cut(make_predictor: MakePredictor) -> None:
    plan = plan_of(make_predictor, ZScore())
    bright_corner = np.abs(body_in_air(0, 900, 8))
    bright_corner[:3, :3, :3] = 700
    assert body_box(image_of(bright_corner), plan) is None
    assert body_box(image_of(body_in_air(-10, 3, 0.5)), plan) is None  # standardised: there is no black


def test_a_constant_border_is_cut_whatever_the_modality(make_predictor: MakePredictor) -> None:
    array = np.full((80, 90, 100), 7.0, np.float32)
    array[30:40, 40:50, 20:30] = np.random.default_rng(0).normal(size=(10, 10, 10))
    for how in (ZScore(), LUNG):
        assert body_box(image_of(array), plan_of(make_predictor, how)) == (
            slice(20, 50),
            slice(30, 60),
            slice(10, 40),
        )


def test_what_saves_nothing_is_not_cut(make_predictor: MakePredictor) -> None:
    array = np.full((40, 40, 40), -1000.0, np.float32)
    array[1:, :, :] = 40
    assert body_box(image_of(array), plan_of(make_predictor, SOFT_TISSUE)) is None


def test_a_cut_keeps_its_place() -> None:
    image = image_of(np.random.default_rng(0).normal(size=(9, 8, 7)).astype(np.float32))
    part = cut(image, (slice(2, 5), slice(1, 8), slice(3, 7)))
    assert part.geometry.origin == (6.0, 2.0, 4.0)
    np.testing.assert_array_equal(part.array, image.array[:, 2:5, 1:8, 3:7])


def test_intensities_are_scaled_by_the_whole_image(make_predictor: MakePredictor) -> None:
    """What a network sees of the body is the same with and without the crop; the air's label is background."""
    seen: list[Tensor] = []

    class Seen(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            seen.append(x.float())
            return torch.cat([-x, x, x - 100], dim=1)

    image = image_of(np.abs(body_in_air(0, 900, 8)))
    labels, highest = [], []
    for crop in (True, False):
        seen.clear()
        predictor = make_predictor(
            spacing=(2.0,) * 3,
            patch=(64, 64, 64),
            network=Seen(),
            normalisation=ZScore(),
            options=InferenceOptions(body_crop=crop),
        )
        labels.append(predictor.predict(image).array)
        highest.append(max(float(x.max()) for x in seen))
    assert highest[0] == highest[1]
    inside = (slice(20, 70), slice(35, 95), slice(40, 100))
    np.testing.assert_array_equal(labels[0][inside], labels[1][inside])
    assert (labels[0][30:60, 45:85, 50:90] == 3).all()


def test_no_labelled_voxel_of_real_images_is_lost_even_without_the_margin(
    make_predictor: MakePredictor, shared_data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(body_box_module, "MARGIN_MM", 0)
    monkeypatch.setattr(body_box_module, "MARGIN_VOXELS", 1)
    plan = plan_of(make_predictor, ZScore())
    cropped = 0
    for folder in ("lgg_flair_mri", "hippocampus_mri"):
        for path in sorted((shared_data / folder / "images").iterdir())[:10]:
            box = body_box(read_image(path), plan)
            if box is not None:
                cropped += 1
                label = read_label_map(shared_data / folder / "labels" / path.name).array > 0
                assert label[box].sum() == label.sum()
    assert cropped >= 3


def test_a_real_ct_keeps_all_that_is_no_lung(make_predictor: MakePredictor, shared_data: Path) -> None:
    folder = shared_data / "torso_ct"
    if not folder.is_dir():
        pytest.skip("no torso CT here")
    image_file, label_file = sorted(p for p in folder.rglob("*.nii.gz"))[:2]
    image, label = read_image(image_file), read_label_map(label_file).array > 0
    padded = np.pad(image.array[0], 40, constant_values=-1024)
    box = body_box(image_of(padded, 3.0), plan_of(make_predictor, SOFT_TISSUE))
    assert box is not None
    inside = np.pad(label, 40)
    assert inside[box].sum() == inside.sum()
