"""The two fused passes in plain PyTorch, block by block."""

from __future__ import annotations

import torch
from torch import Tensor

from ufseg.losses.fused.batch import Batch
from ufseg.losses.fused.blocks import Block, blocks, places
from ufseg.losses.fused.modulation import Modulation
from ufseg.losses.sample import check_range_of_indices


def sum_voxels(batch: Batch, exponents: tuple[float, ...] | None, *, region: bool) -> Tensor:
    """Sums per sample and class, [4, B, C] in float64: count Σ y, fn Σ y (1−p), fp Σ (1−y) p, Σ y (1−p)^e (−log p).

    Args:
        batch: the batch.
        exponents: e of each class; None leaves the last sum at 0.
        region: whether fn and fp are wanted; otherwise they stay 0.

    Raises:
        ValueError: if a class index has no channel.
    """
    everywhere = places(batch)
    sums = torch.zeros(len(everywhere), 4, batch.classes, dtype=torch.float64)
    extremes = torch.zeros(len(everywhere), 2)
    modulation = None if exponents is None else Modulation(exponents)

    for block in blocks(batch, everywhere):
        here = sums[block.place.number]
        here[0] = block.annotated.sum(dim=1) if block.weight is None else torch.mv(block.annotated, block.weight)
        if region:
            here[1] = _per_class(block, block.miss)
            scale = block.scale if block.weight is None else block.scale.mul_(block.weight)
            here[2] = torch.mv(block.wrong, scale)
        if modulation is not None:
            values = block.entropy
            if not modulation.constant:
                values = modulation.value(block.miss, block.annotated, block.rows[:2]).mul_(values)
            here[3] = _per_class(block, values)
        extremes[block.place.number, 0] = block.lowest
        extremes[block.place.number, 1] = block.highest
    if everywhere:
        check_range_of_indices(int(extremes.min()), int(extremes.max()), batch.classes)
    return sums.reshape(len(batch.target), -1, 4, batch.classes).sum(dim=1).transpose(0, 1)


def _per_class(block: Block, values: Tensor) -> Tensor:
    """Σ y · w · values [C]; values [n]."""
    if block.weight is not None:
        values = torch.mul(values, block.weight, out=block.rows[2])
    return torch.mv(block.annotated, values)


def logit_gradient(batch: Batch, exponents: tuple[float, ...] | None, slopes: Tensor, *, region: bool) -> Tensor:
    """Gradient of Σ slopes · sums with respect to the logits, [B, C, V] in their type.

    With q_k the slope of p_k in the region sums and T the slope of log p_y in the focal sum (y the annotated class),
    ∂/∂z_k = p_k (q_k − Σ_c q_c p_c − T) for k ≠ y. A softmax's gradient adds up to 0, so the annotated class's entry
    is minus the sum of the others: no difference of nearly equal numbers where p_y is close to 1.

    Args:
        batch, exponents, region: see `sum_voxels`.
        slopes: derivative of the loss with respect to `sum_voxels`'s result, [4, B, C]; the first row is not used.
    """
    gradient = torch.empty_like(batch.logits)
    slopes = slopes.to(batch.dtype)
    modulation = None if exponents is None else Modulation(exponents)

    for block in blocks(batch, places(batch)):
        _gradient_of(block, modulation, slopes[1:, block.place.sample], region)
        total = torch.sum(block.plane, dim=0, out=block.rows[0])
        target = gradient[block.place.sample, :, block.place.voxels]
        if target.shape == block.plane.shape and target.dtype == batch.dtype:
            torch.addcmul(block.plane, block.annotated, total, value=-1, out=target)
        else:
            target.copy_(block.plane.addcmul_(block.annotated, total, value=-1)[-target.shape[0] :])
    return gradient


def _gradient_of(block: Block, modulation: Modulation | None, slopes: Tensor, region: bool) -> None:
    """Write the gradient into the block's plane, 0 at the annotated class.

    Args:
        slopes: of fn, fp and the focal sum [3, C].
    """
    fn, fp, focal = slopes
    shift = block.rows[0].zero_()  # −Σ_c q_c p_c − T, with q_y = −∂fn
    spare = block.rows[1]
    if modulation is not None:
        if modulation.constant:
            torch.mv(block.annotated.T, focal, out=shift)
        else:
            modulation.slope(block.miss, block.entropy, block.annotated, block.rows)
            shift.mul_(torch.mv(block.annotated.T, focal, out=spare))
    if region:
        torch.mv(block.annotated.T, fn, out=spare)
        shift.add_(spare).addcmul_(spare, block.miss, value=-1)
        shift.addcmul_(torch.mv(block.wrong.T, fp, out=spare), block.scale, value=-1)
    scale = block.scale if block.weight is None else block.scale.mul_(block.weight)
    shift.mul_(scale)
    if region:
        torch.addcmul(shift, fp.unsqueeze(1), scale, out=block.plane).mul_(block.wrong)
    else:
        torch.mul(block.wrong, shift, out=block.plane)
