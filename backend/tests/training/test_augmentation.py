"""Patches on one composed grid."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch

from ufseg.plans.plan import Plan
from ufseg.training.augmentation import draw_batch
from ufseg.training.prepare import PreparedCase
from ufseg.training.settings import AugmentationSettings

MakeCase = Callable[..., PreparedCase]
CPU = torch.device("cpu")
NONE = AugmentationSettings(affine=0, elastic=0, mirror=(0, 0, 0), intensity=0, shift_voxels=0)


def coordinates(shape: tuple[int, ...]) -> PreparedCase:
    """A case whose channels are its voxels' own coordinates, 1-based so that padding is told from voxel 0."""
    index = np.stack(np.meshgrid(*map(np.arange, shape), indexing="ij")).astype(np.float32) + 1
    return PreparedCase.of("coordinates", index, np.ones(shape, np.uint8))


def draw(case: PreparedCase, centre: list[float], plan: Plan, settings: AugmentationSettings, seed: int = 0):  # type: ignore[no-untyped-def]
    rng = np.random.default_rng(seed)
    image, label = draw_batch([(case, np.asarray(centre))], plan, settings, rng, CPU)
    return image[0], label[0]


def test_without_augmentation_a_patch_is_a_crop(plan: Plan) -> None:
    case = coordinates((30, 20, 25))
    image, label = draw(case, [14.5, 9.5, 12.5], plan, NONE)
    torch.testing.assert_close(image, torch.from_numpy(case.image[:, 7:23, 2:18, 5:21]), atol=1e-3, rtol=0)
    assert label.dtype == torch.uint8
    assert (label == 1).all()


def test_outside_the_case_is_mean_and_background(plan: Plan) -> None:
    case = coordinates((10, 16, 16))
    image, label = draw(case, [4.5, 7.5, 7.5], plan, NONE)
    assert (image[:, :3] == 0).all()
    assert (image[:, 13:] == 0).all()
    assert (label[:3] == 0).all()
    torch.testing.assert_close(image[:, 3:13], torch.from_numpy(case.image), atol=1e-3, rtol=0)
    far, background = draw(case, [500.0, 7.5, 7.5], plan, NONE)
    assert (far == 0).all()
    assert (background == 0).all()


def test_mirroring_is_exact(plan: Plan) -> None:
    case = coordinates((16, 16, 16))
    settings = NONE.model_copy(update={"mirror": (0.0, 1.0, 1.0)})
    image, _ = draw(case, [7.5] * 3, plan, settings)
    torch.testing.assert_close(image, torch.from_numpy(case.image).flip(2, 3), atol=1e-3, rtol=0)


def test_rotation_is_rigid_in_millimetres(plan: Plan) -> None:
    plan = plan.model_copy(update={"spacing": (3.0, 1.0, 1.0)})
    settings = NONE.model_copy(update={"affine": 1.0, "rotation_degrees": 40.0, "scale": (1.0, 1.0), "stretch": 0.0})
    image, _ = draw(coordinates((60, 60, 60)), [30.0] * 3, plan, settings)
    points = image.movedim(0, -1) * torch.tensor([3.0, 1.0, 1.0])
    for axis, length in enumerate([3.0, 1.0, 1.0]):
        steps = points.diff(dim=axis).norm(dim=-1)
        torch.testing.assert_close(steps, torch.full_like(steps, length), atol=2e-3, rtol=0)


def test_image_and_label_are_deformed_alike(plan: Plan, make_case: MakeCase) -> None:
    case = make_case(3, (20, 20, 20))
    clean = PreparedCase.of("clean", case.label[None].astype(np.float32), case.label)
    settings = NONE.model_copy(update={"affine": 1.0, "elastic": 1.0, "mirror": (0.5, 0.5, 0.5)})
    agreeing = []
    for seed in range(5):
        image, label = draw(clean, [9.5] * 3, plan, settings, seed)
        single = (image[0] - image[0].round()).abs() < 1e-4  # voxels whose neighbours all have one class
        agreeing.append(bool((image[0].round()[single] == label[single]).float().mean() > 0.99))
    assert all(agreeing)


def test_two_dimensions(plan_2d: Plan) -> None:
    case = coordinates((30, 40))
    image, label = draw(case, [14.5, 19.5], plan_2d, NONE)
    torch.testing.assert_close(image, torch.from_numpy(case.image[:, 7:23, 12:28]), atol=1e-3, rtol=0)
    image, label = draw(case, [14.5, 19.5], plan_2d, AugmentationSettings(affine=1, elastic=1, intensity=1))
    assert image.shape == (2, 16, 16)
    assert label.shape == (16, 16)


@pytest.mark.parametrize("seed", range(4))
def test_intensities_change_but_stay_finite_and_repeatable(plan: Plan, make_case: MakeCase, seed: int) -> None:
    settings = NONE.model_copy(update={"intensity": 1.0})
    case = make_case(1, (16, 16, 16))
    image, label = draw(case, [7.5] * 3, plan, settings, seed)
    again, _ = draw(case, [7.5] * 3, plan, settings, seed)
    assert torch.equal(image, again)
    assert torch.isfinite(image).all()
    assert (image - torch.from_numpy(case.image)).abs().mean() > 0.05
    assert torch.equal(label, torch.from_numpy(case.label))


def test_a_constant_image_stays_finite(plan: Plan) -> None:
    case = PreparedCase.of("constant", np.zeros((1, 16, 16, 16), np.float32), np.ones((16, 16, 16), np.uint8))
    image, _ = draw(case, [7.5] * 3, plan, AugmentationSettings(intensity=1.0))
    assert torch.isfinite(image).all()
