"""Patches on one composed grid."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from ufseg.plans.plan import Plan
from ufseg.training.augmentation import draw_batch
from ufseg.training.case_store import CaseStore
from ufseg.training.cases import IGNORED, PreparedCase
from ufseg.training.settings import AugmentationSettings

MakeCase = Callable[..., PreparedCase]
CPU = torch.device("cpu")
NONE = AugmentationSettings.off()
INTENSITIES = ("contrast", "brightness", "gamma", "noise", "blur", "low_resolution")
EVERY_INTENSITY = dict.fromkeys(INTENSITIES, 1.0)


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
    image, label = draw(case, [14.5, 19.5], plan_2d, AugmentationSettings(affine=1, elastic=1, **EVERY_INTENSITY))
    assert image.shape == (2, 16, 16)
    assert label.shape == (16, 16)


@pytest.mark.parametrize("seed", range(4))
def test_intensities_change_but_stay_finite_and_repeatable(plan: Plan, make_case: MakeCase, seed: int) -> None:
    settings = NONE.model_copy(update=EVERY_INTENSITY)
    case = make_case(1, (16, 16, 16))
    image, label = draw(case, [7.5] * 3, plan, settings, seed)
    again, _ = draw(case, [7.5] * 3, plan, settings, seed)
    assert torch.equal(image, again)
    assert torch.isfinite(image).all()
    assert (image - torch.from_numpy(case.image)).abs().mean() > 0.05
    assert torch.equal(label, torch.from_numpy(case.label))


def test_a_constant_image_stays_finite(plan: Plan) -> None:
    case = PreparedCase.of("constant", np.zeros((1, 16, 16, 16), np.float32), np.ones((16, 16, 16), np.uint8))
    image, _ = draw(case, [7.5] * 3, plan, AugmentationSettings(**EVERY_INTENSITY))
    assert torch.isfinite(image).all()


POSITIONS = {
    "affine": {"affine": 1.0},
    "elastic": {"elastic": 1.0, "elastic_voxels": 1.0},
    "mirror": {"mirror": (1.0, 0.0, 1.0)},
}


@pytest.mark.parametrize("kind", POSITIONS)
def test_a_change_of_position_moves_voxels_and_makes_no_values(plan: Plan, make_case: MakeCase, kind: str) -> None:
    case = make_case(5, (24, 24, 24))
    settings = NONE.model_copy(update=POSITIONS[kind])
    plain, plain_label = draw(case, [11.5] * 3, plan, NONE)
    image, label = draw(case, [11.5] * 3, plan, settings)
    assert not torch.equal(image, plain)
    assert not torch.equal(label, plain_label)
    assert set(label.unique().tolist()) <= set(np.unique(case.label).tolist())
    assert image.min() >= case.image.min() - 1e-4
    assert image.max() <= case.image.max() + 1e-4
    flat = PreparedCase.of("flat", np.full_like(case.image, 3), case.label)
    torch.testing.assert_close(draw(flat, [11.5] * 3, plan, settings)[0], torch.full((1, 16, 16, 16), 3.0))


@pytest.mark.parametrize("kind", POSITIONS)
def test_what_is_not_annotated_stays_so(plan: Plan, kind: str) -> None:
    label = np.full((24, 24, 24), IGNORED, np.uint8)
    label[:, 8:16] = 1
    case = PreparedCase.of("partial", (label == 1)[None].astype(np.float32), label)
    image, moved = draw(case, [11.5] * 3, plan, NONE.model_copy(update=POSITIONS[kind]))
    assert set(moved.unique().tolist()) == {1, IGNORED}
    certain = (image[0] < 1e-4) | (image[0] > 1 - 1e-4)
    agreeing = (image[0] > 0.5) == (moved == 1)
    assert agreeing[certain].float().mean() > 0.999


def changed(kind: str, plan: Plan, image: np.ndarray, seed: int = 0, **settings: object) -> torch.Tensor:
    """The patch after one change of intensities, of a case whose label must not change."""
    label = (np.indices(image.shape[1:]).sum(0) % 3).astype(np.uint8)
    case = PreparedCase.of(kind, image, label)
    result, after = draw(case, [7.5] * 3, plan, NONE.model_copy(update={kind: 1.0, **settings}), seed)
    assert torch.equal(after, torch.from_numpy(label))
    assert not torch.equal(result, torch.from_numpy(image))
    return result


@pytest.fixture
def texture() -> np.ndarray:
    return np.random.default_rng(0).normal(0.5, 1, (2, 16, 16, 16)).astype(np.float32)


def test_contrast_stretches_about_the_mean(plan: Plan, texture: np.ndarray) -> None:
    result = changed("contrast", plan, texture).numpy()
    for before, after in zip(texture, result, strict=True):
        assert after.mean() == pytest.approx(before.mean(), abs=1e-3)
        factor = after.std() / before.std()
        assert 0.7 <= factor <= 1.4
        np.testing.assert_allclose(after - after.mean(), factor * (before - before.mean()), atol=1e-3)


def test_brightness_scales_and_shifts(plan: Plan, texture: np.ndarray) -> None:
    result = changed("brightness", plan, texture).numpy()
    for before, after in zip(texture, result, strict=True):
        factor, offset = np.polyfit(before.ravel(), after.ravel(), 1)
        assert 0.8 <= factor <= 1.25
        assert abs(offset) <= 0.3
        np.testing.assert_allclose(after, factor * before + offset, atol=1e-3)


def test_gamma_bends_values_but_keeps_their_range_and_order(plan: Plan, texture: np.ndarray) -> None:
    result = changed("gamma", plan, texture).numpy()
    for before, after in zip(texture, result, strict=True):
        assert after.min() == pytest.approx(before.min(), abs=1e-3)
        assert after.max() == pytest.approx(before.max(), abs=1e-3)
        assert (np.diff(after.ravel()[np.argsort(before.ravel())]) > -1e-3).all()
        straight = np.polyval(np.polyfit(before.ravel(), after.ravel(), 1), before)
        assert np.abs(straight - after).max() > 0.01


def test_noise_has_no_mean_and_a_bounded_deviation(plan: Plan, texture: np.ndarray) -> None:
    added = changed("noise", plan, texture).numpy() - texture
    assert abs(added.mean()) < 0.02
    assert (added.std(axis=(1, 2, 3)) > 0).all()
    assert (added.std(axis=(1, 2, 3)) < 0.26).all()
    assert abs(np.corrcoef(added[0].ravel(), added[1].ravel())[0, 1]) < 0.05


@pytest.mark.parametrize(("kind", "update"), [("blur", {}), ("low_resolution", {"low_resolution_zoom": (0.5, 0.7)})])
def test_blur_and_low_resolution_take_detail_and_leave_what_is_smooth(
    plan: Plan, texture: np.ndarray, kind: str, update: dict[str, object]
) -> None:
    result = changed(kind, plan, texture, **update)
    assert result.diff(dim=1).abs().mean() < 0.9 * np.abs(np.diff(texture, axis=1)).mean()
    ramp = np.indices((16, 16, 16))[:1].astype(np.float32)
    smooth = changed(kind, plan, ramp, **update).numpy()
    assert np.abs(smooth - ramp)[:, 3:13].max() < 0.51


def test_a_case_on_the_disk_gives_the_same_patches(plan: Plan, tmp_path: Path) -> None:
    case = coordinates((30, 20, 25))
    stored = CaseStore(tmp_path).write("key", [case])[0]
    settings = AugmentationSettings(affine=1, elastic=1)
    for first, second in zip(
        draw(case, [14.5, 9.5, 12.5], plan, settings), draw(stored, [14.5, 9.5, 12.5], plan, settings), strict=True
    ):
        assert torch.equal(first, second)
