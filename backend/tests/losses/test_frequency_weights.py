"""Balanced and dilated balanced cross entropy."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from loss_batches import batch, one_hot
from scipy.ndimage import distance_transform_edt

from ufseg.losses import DilatedBalancedCrossEntropyLoss, create
from ufseg.losses.dilated_balanced_cross_entropy import dilate
from ufseg.losses.sample import read_sample


def test_balanced_weights_are_inverse_frequencies_of_the_classes_present() -> None:
    logits, _ = batch((1, 3, 4, 5))
    labels = torch.zeros(1, 4, 5, dtype=torch.uint8)
    labels[0, 0, :2] = 2  # 18 voxels of class 0, none of class 1, 2 of class 2
    entropy = create("cross-entropy", reduction="none")(logits, labels)
    weights = create("balanced-cross-entropy", reduction="none")(logits, labels) / entropy
    assert torch.allclose(weights[labels == 0], torch.tensor(20 / (2 * 18), dtype=torch.float64))
    assert torch.allclose(weights[labels == 2], torch.tensor(20 / (2 * 2), dtype=torch.float64))


def test_fixed_weights_are_those_of_the_combo_loss() -> None:
    logits, labels = batch((2, 3, 6, 5))
    entropy = create("cross-entropy", reduction="none")(logits, labels)
    expected = torch.where(labels == 0, 0.3, 0.7) * entropy
    assert torch.allclose(create("balanced-cross-entropy", beta=0.3)(logits, labels), expected.mean())
    each = create("balanced-cross-entropy", beta=[0.3, 0.7, 0.7])
    assert torch.allclose(each(logits, labels), expected.mean())


@pytest.mark.parametrize("batch_wise", [False, True])
@pytest.mark.parametrize("shape", [(2, 1, 6, 5), (2, 3, 6, 5), (2, 3, 3, 4, 5)], ids=str)
def test_no_dilation_is_balanced_and_endless_dilation_is_plain(shape: tuple[int, ...], batch_wise: bool) -> None:
    logits, labels = batch(shape)
    balanced = create("balanced-cross-entropy", batch=batch_wise)(logits, labels)
    plain = create("cross-entropy")(logits, labels)
    none = create("dilated-balanced-cross-entropy", radius=0, batch=batch_wise)(logits, labels)
    endless = create("dilated-balanced-cross-entropy", radius=math.inf, batch=batch_wise)(logits, labels)
    assert torch.allclose(none, balanced, rtol=1e-12)
    assert torch.allclose(endless, plain, rtol=1e-12)


@settings(deadline=None)
@given(seed=st.integers(0, 10_000), radius=st.floats(0, 6), shape=st.sampled_from([(2, 3, 7, 6), (1, 2, 5, 4, 6)]))
def test_the_mean_voxel_weight_is_one(seed: int, radius: float, shape: tuple[int, ...]) -> None:
    logits, labels = batch(shape, seed)
    sample = read_sample(logits, labels, None, clip=None, ignore_index=None)
    weights = DilatedBalancedCrossEntropyLoss(radius).voxel_weights(sample)
    assert torch.allclose(weights.mean(), torch.tensor(1.0, dtype=weights.dtype), rtol=1e-9)


@settings(deadline=None)
@given(seed=st.integers(0, 10_000), radius=st.floats(0, 8), shape=st.sampled_from([(1, 1, 9, 7), (1, 1, 5, 6, 4)]))
def test_dilation_reaches_the_euclidean_distance(seed: int, radius: float, shape: tuple[int, ...]) -> None:
    mask = torch.rand(*shape, generator=torch.Generator().manual_seed(seed)) < 0.05
    mask[0, 0].flatten()[0] = True
    distance = distance_transform_edt(~mask[0, 0].numpy())
    assert (dilate(mask, radius)[0, 0].numpy() == (distance <= radius)).all()


def test_an_absent_class_stays_absent_however_far_it_is_dilated() -> None:
    masks = one_hot(torch.zeros(1, 4, 4, dtype=torch.long), 2).bool()
    assert not dilate(masks, math.inf)[:, 1].any()


def test_overlap_and_background_options() -> None:
    labels = torch.zeros(1, 1, 9, dtype=torch.long)
    labels[..., 4] = 1
    logits = torch.zeros(1, 2, 1, 9)

    def weights(**options: object) -> torch.Tensor:
        entropy = create("dilated-balanced-cross-entropy", radius=1, reduction="none", **options)(logits, labels)
        return (entropy / math.log(2)).flatten()

    both = weights()  # background reaches 9 voxels, the rare class 3
    assert torch.allclose(both[3:6], torch.tensor(9 / (2 * 9) + 9 / (2 * 3)))
    assert torch.allclose(both[:3], torch.tensor(9 / (2 * 9)))
    assert torch.allclose(weights(overlap="max")[3:6], torch.tensor(9 / (2 * 3)))
    background_kept = weights(dilate_background=False)
    assert torch.allclose(background_kept[4], torch.tensor(9 / (2 * 3)))
    assert torch.allclose(background_kept[3], torch.tensor(9 / (2 * 8) + 9 / (2 * 3)))


@pytest.mark.parametrize("options", [{"radius": -1}, {"overlap": "mean"}, {"radius": math.nan}])
def test_impossible_options_are_refused(options: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=next(iter(options))):
        create("dilated-balanced-cross-entropy", **options)
