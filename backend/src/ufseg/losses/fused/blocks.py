"""Class probabilities of a block of voxels, small enough to stay in the processor's cache."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from ufseg.losses.fused.batch import Batch

BLOCK_ENTRIES = 1 << 19
"""Logits per block: 2 MiB in float32. The few arrays of a block stay in the L3 cache, and an operation takes long
enough to be shared out among the cores."""


@dataclass(frozen=True)
class Place:
    """Where a block lies.

    Attributes:
        number: counts the blocks of a batch.
        sample: index of the sample.
        voxels: which of its voxels.
    """

    number: int
    sample: int
    voxels: slice


@dataclass(frozen=True)
class Block:
    """Consecutive voxels of one sample; p are the class probabilities.

    Attributes:
        place: where it lies.
        annotated: 1 at the annotated class, 0 elsewhere [C, n].
        wrong: p / `scale` of the other classes, exactly 0 at the annotated class [C, n].
        scale: what is missing in `wrong` [n].
        miss: 1 − p of the annotated class [n], with its relative precision however small.
        entropy: −log p of the annotated class [n].
        weight: voxel weights [n] (0 where ignored), or None if all are 1.
        lowest, highest: the smallest and the largest class index.
        plane: scratch space [C, n].
        rows: scratch space [3, n].
    """

    place: Place
    annotated: Tensor
    wrong: Tensor
    scale: Tensor
    miss: Tensor
    entropy: Tensor
    weight: Tensor | None
    lowest: Tensor
    highest: Tensor
    plane: Tensor
    rows: Tensor


def places(batch: Batch) -> list[Place]:
    """The places of all blocks of a batch."""
    samples, voxels = batch.target.shape
    size = max(1, BLOCK_ENTRIES // batch.classes)
    corners = [(sample, start) for sample in range(samples) for start in range(0, voxels, size)]
    return [
        Place(number, sample, slice(start, min(start + size, voxels))) for number, (sample, start) in enumerate(corners)
    ]


def blocks(batch: Batch, where: Sequence[Place]) -> Iterator[Block]:
    """The blocks at some places. A block is overwritten by the next.

    Every operation writes into memory that is allocated once: the C library gives blocks of this size back to the
    system when they are freed, and faulting them in again costs as much as the work.
    """
    size = max((place.voxels.stop - place.voxels.start for place in where), default=0)
    memory = batch.logits.new_empty((3 * batch.classes + 8) * size, dtype=batch.dtype)
    classes = torch.arange(batch.classes, dtype=batch.dtype, device=batch.logits.device).unsqueeze(1)
    for place in where:
        length = place.voxels.stop - place.voxels.start
        planes = memory[: 3 * batch.classes * length].view(3, batch.classes, length)
        rows = memory[3 * batch.classes * size :][: 8 * length].view(8, length)
        yield _block(batch, place, classes, planes, rows)


def _block(batch: Batch, place: Place, classes: Tensor, planes: Tensor, rows: Tensor) -> Block:
    annotated, wrong, plane = planes.unbind()
    labels, weight, top, rest, entropy = rows[:5].unbind()
    sample, here = place.sample, place.voxels
    has_weight = _labels_and_weights(batch, place, labels, weight)
    lowest, highest = torch.aminmax(labels)
    torch.eq(labels, classes, out=annotated)  # into floating point: masks of bool are several times slower

    logits = batch.logits[sample, :, here]
    if logits.shape[0] == 1:
        wrong[0] = 0
        wrong[1] = logits[0]
        logits = wrong
    elif logits.dtype != batch.dtype:
        logits = wrong.copy_(logits)
    torch.amax(logits, dim=0, out=top)
    torch.sub(logits, top, out=wrong)
    torch.mul(wrong, annotated, out=plane)
    below = torch.sum(plane, dim=0, out=labels)  # the annotated class's logit minus the largest, ≤ 0
    right = torch.exp(below, out=top)
    wrong.exp_().addcmul_(wrong, annotated, value=-1)
    torch.sum(wrong, dim=0, out=rest)
    # log(Σ exp) = log1p(Σ exp − 1): exact for a voxel that is right with great confidence, where Σ exp rounds to 1
    torch.sub(right, 1, out=entropy).add_(rest).log1p_().sub_(below)
    scale = right.add_(rest).reciprocal_()
    return Block(
        place=place,
        annotated=annotated,
        wrong=wrong,
        scale=scale,
        miss=rest.mul_(scale),
        entropy=entropy,
        weight=weight if has_weight else None,
        lowest=lowest,
        highest=highest,
        plane=plane,
        rows=rows[5:],
    )


def _labels_and_weights(batch: Batch, place: Place, labels: Tensor, weight: Tensor) -> bool:
    """Fill `labels` and `weight` [n]; False if all weights are 1, and then `weight` is not filled."""
    sample, here = place.sample, place.voxels
    target = batch.target[sample, here]
    labels.copy_(target)
    if batch.weight is not None:
        weight.copy_(batch.weight[sample, here])
    if batch.ignore_index is not None:
        keep = torch.ne(target, batch.ignore_index)
        labels.mul_(keep)  # any class will do where the weight is 0
        if batch.weight is None:
            weight.copy_(keep)
        else:
            weight.mul_(keep)
    return batch.weighted
