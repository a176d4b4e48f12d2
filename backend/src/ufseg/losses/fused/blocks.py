"""Class probabilities of a block of voxels, small enough to stay in the processor's cache."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from ufseg.losses.fused.batch import Batch

BLOCK_ENTRIES = 1 << 18
"""Logits per block: 1 MiB in float32, so that the few arrays of a block fit into the L3 cache."""


@dataclass(frozen=True)
class Block:
    """Consecutive voxels of one sample.

    Attributes:
        place: where it lies.
        annotated: 1 at the annotated class, 0 elsewhere [C, n].
        wrong: p of the other classes, exactly 0 at the annotated class [C, n].
        miss: 1 − p of the annotated class [n], with its relative precision however small.
        entropy: −log p of the annotated class [n].
        weight: voxel weights [n] (0 where ignored), or None if all are 1.
        lowest, highest: the smallest and the largest class index.
    """

    place: Place
    annotated: Tensor
    wrong: Tensor
    miss: Tensor
    entropy: Tensor
    weight: Tensor | None
    lowest: Tensor
    highest: Tensor


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


def places(batch: Batch) -> list[Place]:
    """The places of all blocks of a batch."""
    samples, voxels = batch.target.shape
    size = max(1, BLOCK_ENTRIES // batch.classes)
    corners = [(sample, start) for sample in range(samples) for start in range(0, voxels, size)]
    return [
        Place(number, sample, slice(start, min(start + size, voxels))) for number, (sample, start) in enumerate(corners)
    ]


def blocks(batch: Batch, where: Sequence[Place]) -> Iterator[Block]:
    """The blocks at some places. A block is overwritten by the next."""
    size = max((place.voxels.stop - place.voxels.start for place in where), default=0)
    annotated, wrong = (batch.logits.new_empty(batch.classes, size, dtype=batch.dtype) for _ in range(2))
    classes = torch.arange(batch.classes, dtype=batch.dtype, device=batch.logits.device).unsqueeze(1)
    for place in where:
        length = place.voxels.stop - place.voxels.start
        yield _block(batch, place, classes, annotated[:, :length], wrong[:, :length])


def _block(batch: Batch, place: Place, classes: Tensor, annotated: Tensor, wrong: Tensor) -> Block:
    sample, here = place.sample, place.voxels
    target = batch.target[sample, here]
    labels = target.to(batch.dtype)
    weight = None if batch.weight is None else batch.weight[sample, here].to(batch.dtype)
    if batch.ignore_index is not None:
        keep = torch.ne(target, batch.ignore_index).to(batch.dtype)
        labels = labels * keep  # any class will do where the weight is 0
        weight = keep if weight is None else weight * keep
    lowest, highest = torch.aminmax(labels)
    torch.eq(labels, classes, out=annotated)  # into floating point: masks of bool are several times slower

    logits = batch.logits[sample, :, here]
    if logits.shape[0] == 1:
        wrong[0] = 0
        wrong[1] = logits[0]
        torch.sub(wrong, wrong.amax(dim=0), out=wrong)
    elif logits.dtype == batch.dtype:
        torch.sub(logits, logits.amax(dim=0), out=wrong)
    else:
        wrong.copy_(logits)
        torch.sub(wrong, wrong.amax(dim=0), out=wrong)
    below = (wrong * annotated).sum(dim=0)  # the annotated class's logit minus the largest, ≤ 0
    right = below.exp()
    wrong.exp_().addcmul_(wrong, annotated, value=-1)
    rest = wrong.sum(dim=0)
    scale = (rest + right).reciprocal_()
    # log(Σ exp) = log1p(Σ exp − 1): exact for a voxel that is right with great confidence, where Σ exp rounds to 1
    entropy = (right - 1).add_(rest).log1p_().sub_(below)
    wrong.mul_(scale)
    return Block(place, annotated, wrong, rest.mul_(scale), entropy, weight, lowest, highest)
