"""Losses on the outputs of several resolutions."""

from __future__ import annotations

import pytest
import torch
from loss_batches import batch

from ufseg.losses import DeepSupervisionLoss, create
from ufseg.losses.deep_supervision import sample_nearest


def test_one_output_is_the_plain_loss() -> None:
    logits, labels = batch((2, 3, 4, 6, 8))
    loss = create("asymmetric-unified-focal")
    assert torch.allclose(DeepSupervisionLoss(loss)([logits], labels), loss(logits, labels))


@pytest.mark.parametrize("weights", [None, [1.0, 0.0, 3.0]])
def test_outputs_are_weighted_and_weights_add_up_to_one(weights: list[float] | None) -> None:
    logits, labels = batch((2, 3, 8, 12))
    outputs = [logits, logits[..., ::2, ::2], logits[..., ::4, ::4]]
    voxel_weight = torch.rand(2, 1, 8, 12)
    loss = create("dice-cross-entropy")
    used = weights or [1, 0.5, 0.25]
    expected = torch.zeros(())
    for share, output, step in zip(used, outputs, (1, 2, 4), strict=True):
        centres = (..., slice(step // 2, None, step), slice(step // 2, None, step))
        expected = expected + share / sum(used) * loss(output, labels[centres], voxel_weight[centres])
    got = DeepSupervisionLoss(loss, weights)(outputs, labels.unsqueeze(1), voxel_weight)
    assert torch.allclose(got, expected, rtol=1e-6)


def test_labels_are_sampled_at_voxel_centres() -> None:
    line = torch.arange(9)
    assert sample_nearest(line, [3]).tolist() == [1, 4, 7]
    assert sample_nearest(line, [9]).tolist() == line.tolist()
    assert sample_nearest(line[:3], [6]).tolist() == [0, 0, 1, 1, 2, 2]


def test_every_resolution_gets_a_gradient() -> None:
    logits, labels = batch((1, 3, 8, 8))
    outputs = [logits.requires_grad_(), logits.detach()[..., ::2, ::2].clone().requires_grad_()]
    DeepSupervisionLoss(create("asymmetric-unified-focal"))(outputs, labels).backward()
    assert all(o.grad is not None and o.grad.abs().max() > 0 for o in outputs)


def test_what_does_not_fit_is_refused() -> None:
    logits, labels = batch((1, 3, 8, 8))
    with pytest.raises(ValueError, match="reduction"):
        DeepSupervisionLoss(create("dice", reduction="none"))
    with pytest.raises(ValueError, match="weights"):
        DeepSupervisionLoss(create("dice"), [0.0, 0.0])
    with pytest.raises(ValueError, match="2 weights but got 1 outputs"):
        DeepSupervisionLoss(create("dice"), [1.0, 0.5])([logits], labels)
    with pytest.raises(ValueError, match="no outputs"):
        DeepSupervisionLoss(create("dice"))([], labels)
