"""The two fused passes in plain PyTorch, block by block."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from ufseg.losses.fused.batch import Batch
from ufseg.losses.fused.blocks import Block, Place, blocks, places
from ufseg.losses.fused.modulation import Modulation
from ufseg.losses.fused.workers import share_out
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

    def work(where: Sequence[Place]) -> None:
        for block in blocks(batch, where):
            here = sums[block.place.number]
            here[0] = _per_class(block, None)
            if region:
                here[1] = _per_class(block, block.miss)
                wrong = block.wrong if block.weight is None else block.wrong * block.weight
                here[2] = wrong.sum(dim=1)
            if modulation is not None:
                factor = modulation.value(block.miss, block.annotated)
                here[3] = _per_class(block, block.entropy if factor is None else factor.mul_(block.entropy))
            extremes[block.place.number, 0] = block.lowest
            extremes[block.place.number, 1] = block.highest

    share_out(work, everywhere)
    if everywhere:
        check_range_of_indices(int(extremes.min()), int(extremes.max()), batch.classes)
    # blocks are added up in their order, so that the result does not depend on the number of threads
    return sums.reshape(len(batch.target), -1, 4, batch.classes).sum(dim=1).transpose(0, 1)


def _per_class(block: Block, values: Tensor | None) -> Tensor:
    """Σ y · w · values [C]; values [n], None means 1."""
    if values is None:
        values = block.weight
    elif block.weight is not None:
        values = values * block.weight
    return (block.annotated if values is None else block.annotated * values).sum(dim=1)


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
    slopes = slopes.to(batch.dtype).unsqueeze(-1)
    modulation = None if exponents is None else Modulation(exponents)

    def work(where: Sequence[Place]) -> None:
        for block in blocks(batch, where):
            fn, fp, focal = slopes[1:, block.place.sample]  # each [C, 1]
            shift = torch.zeros((), dtype=batch.dtype)  # −Σ_c q_c p_c − T, with q_y = −∂fn
            if region:
                shift = (block.annotated * fn).sum(dim=0).mul_(1 - block.miss).sub_((block.wrong * fp).sum(dim=0))
            if modulation is not None:
                push = (block.annotated * focal).sum(dim=0)
                factor = modulation.slope(block.miss, block.entropy, block.annotated)
                shift = shift + (push if factor is None else push.mul_(factor))
            if block.weight is not None:
                block.wrong.mul_(block.weight)
            block.wrong.mul_(fp + shift if region else shift)
            total = block.wrong.sum(dim=0)
            target = gradient[block.place.sample, :, block.place.voxels]
            if target.shape == block.wrong.shape and target.dtype == batch.dtype:
                torch.addcmul(block.wrong, block.annotated, total, value=-1, out=target)
            else:
                target.copy_(block.wrong.addcmul_(block.annotated, total, value=-1)[-target.shape[0] :])

    share_out(work, places(batch))
    return gradient
