"""The two fused passes as compiled code for the CPU; see `torch_passes` for what they compute.

The first call of a process compiles (some seconds), or loads what an earlier process compiled from Numba's cache.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from ufseg.losses.fused import compiled_kernels
from ufseg.losses.fused.batch import Batch
from ufseg.losses.fused.workers import share_out
from ufseg.losses.sample import check_range_of_indices

PART = 1 << 16
"""Voxels a thread takes at a time."""

_Part = tuple[int, int, int]


class _Arrays:
    """A batch as the kernels take it."""

    def __init__(self, batch: Batch, exponents: tuple[float, ...] | None) -> None:
        # Each type of label is compiled for, so there are only two.
        target = batch.target.to(torch.uint8 if batch.target.dtype in (torch.uint8, torch.bool) else torch.int64)
        self._logits = batch.logits.detach().numpy()
        self._target = target.contiguous().numpy()
        weight = torch.zeros(len(target), 1) if batch.weight is None else batch.weight.detach().float().contiguous()
        self._weight = weight.numpy()
        ignored = batch.ignore_index
        self._options = (
            batch.weight is not None,
            -1 if ignored is None else ignored,
            ignored is not None,
            np.asarray(exponents or [0.0] * batch.classes, dtype=np.float32),
            exponents is not None,
        )

    def of(self, sample: int) -> tuple[object, ...]:
        """Logits [C, V], target [V] and weight of a sample, and what follows in the kernels' arguments."""
        return self._logits[sample], self._target[sample], self._weight[sample], *self._options


def suits(batch: Batch) -> bool:
    """Whether the compiled passes can read the batch: float32 logits, all voxels of a class in a row."""
    return batch.logits.dtype == torch.float32 and batch.logits.is_contiguous()


def sum_voxels(batch: Batch, exponents: tuple[float, ...] | None, *, region: bool) -> Tensor:
    """See `torch_passes.sum_voxels`.

    Raises:
        ValueError: if a class index has no channel.
    """
    arrays = _Arrays(batch, exponents)
    parts = _parts(batch)
    sums = np.zeros((len(parts), 4, batch.classes))
    extremes = np.zeros((len(parts), 2), dtype=np.int64)

    def work(number: int) -> None:
        sample, start, stop = parts[number]
        extremes[number] = compiled_kernels.sum_voxels(*arrays.of(sample), region, start, stop, sums[number])

    share_out(work, range(len(parts)))
    check_range_of_indices(int(extremes.min()), int(extremes.max()), batch.classes)
    # parts are added up in their order, so that the result does not depend on the number of threads
    return torch.from_numpy(sums.reshape(len(batch.target), -1, 4, batch.classes).sum(axis=1)).transpose(0, 1)


def logit_gradient(batch: Batch, exponents: tuple[float, ...] | None, slopes: Tensor, *, region: bool) -> Tensor:
    """See `torch_passes.logit_gradient`."""
    arrays = _Arrays(batch, exponents)
    parts = _parts(batch)
    gradient = torch.empty_like(batch.logits)
    out, per_sample = gradient.numpy(), slopes.float().transpose(0, 1).contiguous().numpy()

    def work(number: int) -> None:
        sample, start, stop = parts[number]
        compiled_kernels.logit_gradient(*arrays.of(sample), region, per_sample[sample], start, stop, out[sample])

    share_out(work, range(len(parts)))
    return gradient


def _parts(batch: Batch) -> list[_Part]:
    samples, voxels = batch.target.shape
    return [(b, start, min(start + PART, voxels)) for b in range(samples) for start in range(0, voxels, PART)]
