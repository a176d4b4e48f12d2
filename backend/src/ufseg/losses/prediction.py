"""What the network says: log-probabilities computed once, and what is derived from them."""

from __future__ import annotations

from functools import cached_property

import torch
import torch.nn.functional as F
from torch import Tensor


class Prediction:
    """Class probabilities of a batch.

    Everything is derived from log P: 1 − P = −expm1(log P) keeps its relative precision where P is close to 1, and
    log P keeps a gradient where P is close to 0.

    Args:
        log_p: log-probabilities [B, C, *space], float32 or float64; clipped if made from probabilities.
        unclipped: the probabilities as given, where they were given instead of logits.
    """

    def __init__(self, log_p: Tensor, unclipped: Tensor | None = None) -> None:
        self.log_p = log_p
        self.unclipped = unclipped

    @classmethod
    def from_logits(cls, logits: Tensor, dtype: torch.dtype) -> Prediction:
        """Softmax over channels; a single channel is the logit of the foreground (sigmoid)."""
        if logits.shape[1] == 1:
            logits = logits.to(dtype)
            return cls(torch.cat([F.logsigmoid(-logits), F.logsigmoid(logits)], dim=1))
        return cls(F.log_softmax(logits, dim=1, dtype=dtype))

    @classmethod
    def from_probabilities(cls, probabilities: Tensor, clip: float, dtype: torch.dtype) -> Prediction:
        """Probabilities [B, C, *space]; a single channel is the probability of the foreground."""
        p = probabilities.to(dtype)
        if p.shape[1] == 1:
            p = torch.cat([1 - p, p], dim=1)
        return cls(p.clamp(clip, 1 - clip).log(), unclipped=p)

    @cached_property
    def p(self) -> Tensor:
        """Probabilities [B, C, *space]; clipped, if they were given as probabilities."""
        return self.log_p.exp()
