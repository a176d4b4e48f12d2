"""Reduction, batch-wise sums, absent classes."""

from __future__ import annotations

import pytest
import torch
from loss_batches import batch, one_hot

from ufseg.losses import create, names

REGION = ["dice", "tversky", "asymmetric-similarity", "focal-tversky", "symmetric-focal-tversky"]
REGION += ["asymmetric-focal-tversky"]
COMPOUND = ["combo", "dice-cross-entropy", "dice-focal", "hybrid-focal"]
COMPOUND += ["symmetric-unified-focal", "asymmetric-unified-focal"]
WITH_REGION = [*REGION, *COMPOUND, "generalised-dice"]
VOXEL = [name for name in names() if name not in WITH_REGION]


@pytest.mark.parametrize("name", names())
@pytest.mark.parametrize("weighted", [False, True])
def test_reductions_mean_what_they_say(name: str, weighted: bool) -> None:
    logits, labels = batch((2, 3, 3, 4, 5))
    weight = 3 * torch.rand(2, 3, 4, 5, dtype=torch.float64) if weighted else None
    none, mean, total = (create(name, reduction=r)(logits, labels, weight) for r in ("none", "mean", "sum"))
    assert torch.allclose(none.sum(), total, rtol=1e-12)
    if name in VOXEL:
        assert none.shape == labels.shape
        assert torch.allclose(mean, total / (none.numel() if weight is None else weight.sum()), rtol=1e-12)
    else:
        assert none.shape == ((2, 3) if name in REGION else (2,))
        assert torch.allclose(mean, none.mean(), rtol=1e-12)


@pytest.mark.parametrize("name", COMPOUND)
def test_elements_of_a_compound_loss_are_the_samples_losses(name: str) -> None:
    logits, labels = batch((3, 3, 4, 5))
    elements = create(name, reduction="none")(logits, labels)
    for i in range(3):
        assert torch.allclose(elements[i], create(name)(logits[i : i + 1], labels[i : i + 1]), rtol=1e-12)


@pytest.mark.parametrize("name", WITH_REGION)
def test_batch_sums_treat_the_batch_as_one_image(name: str) -> None:
    logits, labels = batch((3, 3, 4, 5))
    stacked = logits.movedim(0, 1).reshape(1, 3, 12, 5), labels.reshape(1, 12, 5)
    whole = create(name, batch=True)(logits, labels)
    assert torch.allclose(whole, create(name)(*stacked), rtol=1e-12)
    assert not torch.allclose(whole, create(name)(logits, labels), rtol=1e-6)
    assert torch.allclose(create(name, batch=True, reduction="none")(logits, labels).mean(), whole, rtol=1e-12)


@pytest.mark.parametrize("name", REGION)
def test_absent_classes_can_be_left_out(name: str) -> None:
    logits, labels = batch((2, 4, 6, 5))
    labels[0][labels[0] == 2] = 0
    elements = create(name, reduction="none")(logits, labels)
    present = torch.ones(2, 4, dtype=torch.bool)
    present[0, 2] = False
    assert torch.allclose(create(name, skip_absent=True)(logits, labels), elements[present].mean(), rtol=1e-12)
    skipped = create(name, skip_absent=True, reduction="none")(logits, labels)
    assert torch.equal(skipped, elements * present)


def test_an_absent_class_costs_something_unless_left_out() -> None:
    labels = torch.zeros(1, 16, 16, dtype=torch.long)
    logits = torch.stack([torch.full((1, 16, 16), 4.0), torch.full((1, 16, 16), -4.0)], dim=1)
    assert create("dice")(logits, labels) > 0.45
    assert create("dice", skip_absent=True)(logits, labels) < 0.01


@pytest.mark.parametrize("skip_absent", [False, True])
def test_generalised_dice_counts_false_positives_of_absent_classes_unless_told_not_to(skip_absent: bool) -> None:
    logits, labels = batch((1, 3, 6, 5))
    labels[labels == 2] = 0
    p, y = logits.softmax(1).flatten(2)[0], one_hot(labels, 3).double().flatten(2)[0]
    size = y.sum(1)
    w = 1 / size**2
    w[2] = 0.0 if skip_absent else w[:2].max()  # an absent class weighs like the rarest present one
    expected = 1 - 2 * (w * (p * y).sum(1)).sum() / (w * (p + y).sum(1)).sum()
    loss = create("generalised-dice", smooth=1e-12, skip_absent=skip_absent)
    assert torch.allclose(loss(logits, labels), expected, rtol=1e-9)
