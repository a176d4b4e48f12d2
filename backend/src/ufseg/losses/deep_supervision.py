"""Deep supervision: a loss on the outputs of several resolutions."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from ufseg.losses.base import SegmentationLoss


class DeepSupervisionLoss(nn.Module):
    """Σ_i w_i · loss(output_i, target at output_i's resolution), weights normalised to the sum 1.

    Called with `(outputs, target, weight=None)`: outputs from the finest to the coarsest, each [B, C, *space_i]; target
    and voxel weights at full resolution. They are sampled at the nearest voxel centres, so labels stay labels.

    Source: Lee, Xie, Gallagher, Zhang, Tu, AISTATS 2015; weights as in nnU-Net (Isensee et al. 2021).

    Args:
        loss: the loss of each resolution, with reduction "mean" or "sum".
        weights: one per output; None halves the weight from each resolution to the next coarser one.

    Raises:
        ValueError: if the loss is not reduced, or the weights are negative or all zero.
    """

    def __init__(self, loss: SegmentationLoss, weights: Sequence[float] | None = None) -> None:
        super().__init__()
        if loss.reduction == "none":
            raise ValueError('Deep supervision adds up scalars: give it a loss with reduction "mean" or "sum".')
        if weights is not None and (min(weights, default=-1.0) < 0 or sum(weights) <= 0):
            raise ValueError(f"Deep supervision needs weights of at least 0 that are not all 0, got {list(weights)}.")
        self.loss = loss
        self.weights = None if weights is None else tuple(float(w) for w in weights)

    def forward(self, outputs: Sequence[Tensor], target: Tensor, weight: Tensor | None = None) -> Tensor:
        """The weighted sum, a scalar.

        Raises:
            ValueError: if the number of outputs does not fit, or an output's loss cannot be computed.
        """
        if len(outputs) == 0:
            raise ValueError("Deep supervision got no outputs.")
        weights = self.weights or tuple(0.5**level for level in range(len(outputs)))
        if len(weights) != len(outputs):
            raise ValueError(f"Deep supervision has {len(weights)} weights but got {len(outputs)} outputs.")
        total = torch.zeros((), device=outputs[0].device)
        for share, output in zip(weights, outputs, strict=True):
            if share > 0:
                space = output.shape[2:]
                coarse = None if weight is None else sample_nearest(weight, space)
                total = total + share / sum(weights) * self.loss(output, sample_nearest(target, space), coarse)
        return total


def sample_nearest(values: Tensor, space: Sequence[int]) -> Tensor:
    """[..., *full] at the voxels nearest to the centres of a grid of the shape `space` over the same extent."""
    first = values.ndim - len(space)
    for axis, size in enumerate(space, start=first):
        full = values.shape[axis]
        if full != size:
            centres = (torch.arange(size, device=values.device) * 2 + 1) * full // (2 * size)
            values = values.index_select(axis, centres)
    return values
