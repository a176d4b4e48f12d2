"""DynUNet with deep supervision."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from ufseg.networks.head_names import without_heads
from ufseg.networks.monai_networks import DynUNet

__all__ = ["SupervisedDynUNet", "supervised_outputs", "without_heads"]


class SupervisedDynUNet(DynUNet):  # type: ignore[misc]
    """DynUNet whose lower decoder levels are asked for a segmentation of their own while it trains.

    MONAI's own form interpolates these outputs to full resolution and stacks them, which costs the memory and time of
    as many full-size logits; here they keep their size, as `ufseg.losses.DeepSupervisionLoss` takes them.

    Args:
        outputs: logits returned in training mode, the full resolution counted; at least 2, at most the number of
            decoder levels.
        options: of `monai.networks.nets.DynUNet`, without its supervision.

    Source: Lee et al., AISTATS 2015; nnU-Net (Isensee et al., Nat Methods 18, 2021).
    """

    def __init__(self, outputs: int, **options: Any) -> None:
        super().__init__(**options, deep_supervision=True, deep_supr_num=outputs - 1)

    def forward(self, x: Tensor) -> Tensor | tuple[Tensor, ...]:
        """Logits ``[batch, classes, *space]`` of ``[batch, channel, *space]``.

        Returns:
            In training mode a tuple of logits from the finest (the input's size) to the coarsest resolution, each one
            level's stride smaller than the one before; in evaluation mode the finest alone.
        """
        finest: Tensor = self.output_block(self.skip_layers(x))
        coarser = tuple(self.heads)
        # The layers leave their outputs in this list; kept there, they would hold the step's memory until the next.
        self.heads[:] = [torch.empty(0)] * len(coarser)
        return (finest, *coarser) if self.training else finest


def supervised_outputs(levels: int) -> int:
    """How many resolutions of a network of `levels` are supervised, the full one counted.

    All of the decoder's but the coarsest, where an object of a few voxels is nothing any more; at least 2.
    """
    return max(2, levels - 2)
