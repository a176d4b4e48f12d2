"""The training curve, gathered step by step."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from ufseg.errors import TrainingError
from ufseg.training.checkpoint import HistoryPoint

HISTORY_POINTS = 200
SMOOTHING = 0.95


class Curve:
    """Collects losses without waiting for the device, and condenses them to about 200 points.

    Args:
        history: points of the training so far, if it is resumed.
    """

    def __init__(self, history: list[HistoryPoint] | None = None) -> None:
        self.history = list(history or [])
        self.smooth = math.nan
        self._pending: list[Tensor] = []
        self._unwritten: list[float] = []

    @property
    def pending(self) -> int:
        """Losses not yet read from the device."""
        return len(self._pending)

    def add(self, loss: Tensor) -> None:
        """Take in a step's loss."""
        self._pending.append(loss.detach())

    def read(self, step: int, rate: float) -> None:
        """Bring the losses of the last steps up to `step` to the CPU.

        Raises:
            TrainingError: one is not finite.
        """
        if not self._pending:
            return
        values = torch.stack(self._pending).tolist()
        self._pending.clear()
        for number, value in enumerate(values, start=step - len(values) + 1):
            if not math.isfinite(value):
                raise TrainingError(
                    f"The loss became {value} at step {number} (learning rate {rate:.2g}). Look for images with "
                    "extreme values, or train with a lower learning rate. No model was written."
                )
            self.smooth = value if math.isnan(self.smooth) else SMOOTHING * self.smooth + (1 - SMOOTHING) * value
            self._unwritten.append(value)

    def is_due(self, fraction: float) -> bool:
        """Whether a point belongs to the curve at `fraction` of the training."""
        return fraction * HISTORY_POINTS >= len(self.history) + 1

    def note(self, step: int, seconds: float, rate: float, validation_loss: float | None = None) -> None:
        """Make a point of the losses since the last one."""
        if self._unwritten:
            mean = sum(self._unwritten) / len(self._unwritten)
            self.history.append(
                HistoryPoint(
                    step=step,
                    seconds=round(seconds, 3),
                    loss=mean,
                    learning_rate=rate,
                    validation_loss=validation_loss,
                )
            )
            self._unwritten.clear()
