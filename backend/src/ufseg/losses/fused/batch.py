"""What the fused passes read."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Batch:
    """Logits and their annotation, all voxels of a sample in a row.

    Attributes:
        logits: [B, C, V] of any floating type and any strides; C = 1 is the logit of the foreground.
        target: class indices [B, V], integer or bool.
        weight: voxel weights [B, V] or None.
        ignore_index: class index of voxels that do not count, or None.
    """

    logits: Tensor
    target: Tensor
    weight: Tensor | None
    ignore_index: int | None

    @property
    def classes(self) -> int:
        return max(self.logits.shape[1], 2)

    @property
    def dtype(self) -> torch.dtype:
        """The type to compute in."""
        return torch.float64 if self.logits.dtype == torch.float64 else torch.float32

    @property
    def weighted(self) -> bool:
        return self.weight is not None or self.ignore_index is not None
