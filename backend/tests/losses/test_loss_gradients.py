"""Gradients: analytic against numerical, and alive where a voxel is confidently wrong."""

from __future__ import annotations

import pytest
import torch
from loss_batches import batch, confident_logits, one_hot

from ufseg.losses import create, names

VOXEL_PART = [name for name in names() if "dice" not in name and "tversky" not in name and "similarity" not in name]
VOXEL_PART += ["dice-cross-entropy", "dice-focal"]


@pytest.mark.parametrize("name", names())
@pytest.mark.parametrize("shape", [(2, 1, 3, 4), (2, 3, 3, 4), (1, 3, 2, 3, 2)], ids=str)
@pytest.mark.parametrize("kind", ["indices", "one-hot"])
def test_gradcheck(name: str, shape: tuple[int, ...], kind: str) -> None:
    logits, labels = batch(shape, seed=3)
    target = labels if kind == "indices" else one_hot(labels, max(shape[1], 2))
    if kind == "one-hot" and shape[1] == 1:
        target = labels.double().unsqueeze(1)
    weight = torch.rand(labels.shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    loss = create(name)
    assert torch.autograd.gradcheck(lambda x: loss(x, target), logits.requires_grad_())
    assert torch.autograd.gradcheck(lambda x: loss(x, target, weight), logits)


@pytest.mark.parametrize("name", VOXEL_PART)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
@pytest.mark.parametrize("size", [8.0, 20.0, 5000.0])
def test_confidently_wrong_voxels_keep_their_gradient(name: str, dtype: torch.dtype, size: float) -> None:
    labels = torch.zeros(1, 8, 8, dtype=torch.uint8)
    labels[0, 2:4, 2:5] = 1
    logits = confident_logits(labels, 3, size).to(dtype)
    wrong = torch.zeros(1, 8, 8, dtype=torch.bool)
    wrong[0, 3, 4] = wrong[0, 7, 7] = True
    logits[:, :2] = torch.where(wrong.unsqueeze(1), -logits[:, :2], logits[:, :2])
    logits.requires_grad_()
    create(name)(logits, labels).backward()
    assert logits.grad is not None
    assert logits.grad.dtype == dtype
    slope = logits.grad.gather(1, labels.long().unsqueeze(1))[:, 0][wrong]
    assert (slope < -1e-4).all(), "the annotated class must be pushed up"


def test_the_clip_of_the_authors_code_loses_that_gradient() -> None:
    """Why the clipped mode is for parity only."""
    labels = torch.zeros(1, 4, 4, dtype=torch.long)
    logits = confident_logits(labels, 2, -20.0, torch.float64).requires_grad_()
    create("asymmetric-unified-focal", probabilities=True, clip=1e-7)(logits.softmax(1), labels).backward()
    assert logits.grad is not None
    assert logits.grad.abs().max() == 0


@pytest.mark.parametrize("name", ["symmetric-focal-tversky", "asymmetric-unified-focal", "focal-tversky"])
def test_the_bound_limits_the_slope_at_a_perfect_region(name: str) -> None:
    labels = torch.zeros(1, 6, 6, dtype=torch.long)
    labels[0, 2:4, 2:4] = 1
    probabilities = one_hot(labels, 2).double().clamp(1e-10, 1 - 1e-10).requires_grad_()
    slopes = {}
    for bound in (0.0, 1e-6, 1e-3):
        loss = create(name, bound=bound, probabilities=True, clip=1e-12)
        (gradient,) = torch.autograd.grad(loss(probabilities, labels), probabilities)
        slopes[bound] = float(gradient.abs().max())
    assert slopes[0.0] > 3 * slopes[1e-6]
    assert slopes[1e-6] > 3 * slopes[1e-3]


def test_the_bound_hardly_changes_the_value() -> None:
    logits, labels = batch((2, 3, 3, 4, 5))
    bounded, exact = (create("asymmetric-unified-focal", bound=b)(logits, labels) for b in (None, 0.0))
    assert 0 < exact - bounded < 1e-3
