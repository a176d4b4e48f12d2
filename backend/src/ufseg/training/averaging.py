"""Exponential moving average of weights."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import torch
from torch import Tensor


class WeightAverage:
    """Average of a network's weights over about the last `share` of the steps so far.

    The window grows with the number of steps, so that one setting suits 100 steps and 100 000.

    Args:
        named: the network's parameters by name; the average starts at their present values.
        share: length of the window relative to the steps done.

    Source: the growing window follows Polyak-type averaging in Karras et al., arXiv 2312.02696, eq. (121).
    """

    def __init__(self, named: Iterable[tuple[str, Tensor]], share: float) -> None:
        self._share = share
        self.tensors = {name: tensor.detach().clone() for name, tensor in named}

    @torch.no_grad()
    def update(self, named: Iterable[tuple[str, Tensor]], steps: int) -> None:
        """Take in the weights after the `steps`-th step (from 1)."""
        window = max(1.0, self._share * steps)
        for name, tensor in named:
            self.tensors[name].lerp_(tensor, 1.0 / window)

    @torch.no_grad()
    def load(self, tensors: Mapping[str, Tensor]) -> None:
        """Continue from a checkpoint's average."""
        for name, tensor in self.tensors.items():
            tensor.copy_(tensors[name])
