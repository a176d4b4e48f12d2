"""Losses that are special cases of others, exactly."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from loss_batches import SHAPES, batch, one_hot
from torch import Tensor

from ufseg.losses import create

shapes = pytest.mark.parametrize("shape", SHAPES, ids=str)


def close(a: Tensor, b: Tensor) -> bool:
    return torch.allclose(a, b, rtol=1e-12, atol=1e-14)


@shapes
def test_cross_entropy_is_torchs(shape: tuple[int, ...]) -> None:
    logits, labels = batch(shape)
    if shape[1] == 1:
        expected = F.binary_cross_entropy_with_logits(logits[:, 0], labels.double())
    else:
        expected = F.cross_entropy(logits, labels)
    assert close(create("cross-entropy")(logits, labels), expected)


@shapes
@pytest.mark.parametrize("kind", ["symmetric", "asymmetric"])
def test_without_focus_the_tversky_part_is_dice(shape: tuple[int, ...], kind: str) -> None:
    logits, labels = batch(shape)
    part = create(f"{kind}-focal-tversky", delta=0.5, gamma=0.0, smooth=1e-6)
    assert close(part(logits, labels), create("dice", smooth=1e-6)(logits, labels))


@shapes
@pytest.mark.parametrize("kind", ["symmetric", "asymmetric"])
def test_without_focus_the_focal_part_is_half_the_cross_entropy(shape: tuple[int, ...], kind: str) -> None:
    logits, labels = batch(shape)
    part = create(f"{kind}-focal", delta=0.5, gamma=0.0)
    assert close(part(logits, labels), 0.5 * create("cross-entropy")(logits, labels))


@shapes
@pytest.mark.parametrize("kind", ["symmetric", "asymmetric"])
def test_unified_focal_without_focus_is_dice_plus_cross_entropy(shape: tuple[int, ...], kind: str) -> None:
    logits, labels = batch(shape)
    unified = create(f"{kind}-unified-focal", focal_weight=2 / 3, delta=0.5, gamma=0.0, smooth=1e-6)
    assert close(3 * unified(logits, labels), create("dice-cross-entropy")(logits, labels))


@pytest.mark.parametrize("delta", [0.2, 0.6])
@pytest.mark.parametrize("gamma", [0.0, 0.5, 2.0])
def test_focal_with_complementary_weights_is_symmetric_focal(delta: float, gamma: float) -> None:
    logits, labels = batch((2, 2, 6, 5))
    focal = create("focal", alpha=[1 - delta, delta], gamma=gamma)(logits, labels)
    assert close(focal, create("symmetric-focal", delta=delta, gamma=gamma)(logits, labels))
    assert close(focal, create("focal", alpha=delta, gamma=gamma)(logits, labels))


@shapes
@pytest.mark.parametrize("exponent", [0.3, 0.75, 1.0])
def test_focal_tversky_is_symmetric_focal_tversky_with_one_minus_gamma(shape: tuple[int, ...], exponent: float) -> None:
    logits, labels = batch(shape)
    one = create("focal-tversky", delta=0.6, gamma=exponent, smooth=1e-7)
    assert close(one(logits, labels), create("symmetric-focal-tversky", delta=0.6, gamma=1 - exponent)(logits, labels))


@shapes
@pytest.mark.parametrize("loss", ["focal", "focal-tversky", "unified-focal"])
def test_asymmetric_is_symmetric_without_focus(shape: tuple[int, ...], loss: str) -> None:
    logits, labels = batch(shape)
    symmetric, asymmetric = (create(f"{kind}-{loss}", delta=0.6, gamma=0.0) for kind in ("symmetric", "asymmetric"))
    assert close(symmetric(logits, labels), asymmetric(logits, labels))


@shapes
def test_combo_without_weights_is_cross_entropy_plus_dice_minus_one(shape: tuple[int, ...]) -> None:
    logits, labels = batch(shape)
    combo = create("combo", alpha=None, beta=None)(logits, labels)
    parts = create("cross-entropy")(logits, labels) + create("dice")(logits, labels)
    assert close(combo, parts - 1)
    assert close(create("dice-cross-entropy", dice="coefficient")(logits, labels), parts - 1)
    assert close(create("dice-cross-entropy")(logits, labels), parts)


@pytest.mark.parametrize("beta", [0.5, 1.0, 1.5])
def test_asymmetric_similarity_is_the_f_beta_score(beta: float) -> None:
    logits, labels = batch((2, 3, 6, 5))
    p, y = logits.softmax(1), one_hot(labels, 3).double()
    tp, fn, fp = (v.sum(dim=(2, 3)) for v in (y * p, y * (1 - p), (1 - y) * p))
    score = (1 + beta**2) * tp / ((1 + beta**2) * tp + beta**2 * fn + fp)
    loss = create("asymmetric-similarity", beta=beta, smooth=1e-12)(logits, labels)
    assert torch.allclose(loss, (1 - score).mean(), rtol=1e-9)
    assert close(loss, create("tversky", delta=beta**2 / (1 + beta**2), smooth=1e-12)(logits, labels))


def test_generalised_dice_is_sudres_formula() -> None:
    logits, labels = batch((2, 3, 3, 4, 5))
    p, y = logits.softmax(1).flatten(2), one_hot(labels, 3).double().flatten(2)
    w = 1 / y.sum(2) ** 2
    expected = 1 - 2 * (w * (p * y).sum(2)).sum(1) / (w * (p + y).sum(2)).sum(1)
    assert torch.allclose(create("generalised-dice", smooth=1e-12)(logits, labels), expected.mean(), rtol=1e-9)


def test_focal_without_focus_or_weights_is_cross_entropy() -> None:
    logits, labels = batch((2, 3, 6, 5))
    assert close(create("focal", gamma=0.0)(logits, labels), create("cross-entropy")(logits, labels))


@pytest.mark.parametrize(
    ("compound", "focal", "region"),
    [
        ("symmetric-unified-focal", "symmetric-focal", "symmetric-focal-tversky"),
        ("asymmetric-unified-focal", "asymmetric-focal", "asymmetric-focal-tversky"),
        ("hybrid-focal", "focal", "focal-tversky"),
        ("dice-focal", "focal", "dice"),
    ],
)
@pytest.mark.parametrize("focal_weight", [None, 0.0, 0.3, 1.0])
def test_focal_weight_weighs_the_focal_part(compound: str, focal: str, region: str, focal_weight: float | None) -> None:
    logits, labels = batch((2, 3, 3, 4, 5))
    shared = {"delta": 0.6, "gamma": 0.5} if "unified" in compound else {}
    a, b = (1.0, 1.0) if focal_weight is None else (focal_weight, 1 - focal_weight)
    expected = a * create(focal, **shared)(logits, labels) + b * create(region, **shared)(logits, labels)
    assert close(create(compound, focal_weight=focal_weight, **shared)(logits, labels), expected)


@pytest.mark.parametrize(
    "name",
    [f"{kind}-{loss}" for kind in ("symmetric", "asymmetric") for loss in ("focal", "focal-tversky", "unified-focal")],
)
def test_equal_values_per_class_are_one_value(name: str) -> None:
    logits, labels = batch((2, 3, 3, 4, 5))
    one = create(name, delta=0.6, gamma=0.4)
    each = create(name, delta=[0.6] * 3, gamma=[0.4] * 3)
    assert close(one(logits, labels), each(logits, labels))


def test_values_per_class_act_on_their_own_class() -> None:
    logits, labels = batch((2, 3, 3, 4, 5))
    deltas, gammas = [0.6, 0.7, 0.3], [0.5, 0.2, 0.8]
    region = create("symmetric-focal-tversky", delta=deltas, gamma=gammas, reduction="none")(logits, labels)
    voxel = create("symmetric-focal", delta=deltas, gamma=gammas, reduction="none")(logits, labels)
    for label, (delta, gamma) in enumerate(zip(deltas, gammas, strict=True)):
        alone = create("symmetric-focal-tversky", delta=delta, gamma=gamma, reduction="none")(logits, labels)
        assert close(region[:, label], alone[:, label])
        alone = create("symmetric-focal", delta=delta, gamma=gamma, reduction="none")(logits, labels)
        assert close(voxel[labels == label], alone[labels == label])
