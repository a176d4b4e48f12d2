"""The loss that a training minimises."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from ufseg import losses
from ufseg.errors import InputError
from ufseg.losses.deep_supervision import DeepSupervisionLoss
from ufseg.training.cases import IGNORED
from ufseg.training.settings import TrainingSettings


class Objective(nn.Module):
    """A loss that leaves out what nobody annotated, of one output or of those of several resolutions.

    Args:
        settings: name the loss and its options.

    Raises:
        InputError: there is no such loss or option.
    """

    def __init__(self, settings: TrainingSettings) -> None:
        super().__init__()
        try:
            self._loss = losses.create(settings.loss, ignore_index=IGNORED, **settings.loss_options)
        except (ValueError, TypeError) as error:
            raise InputError(
                f"The loss {settings.loss!r} with options {settings.loss_options} cannot be used: {error}"
            ) from error
        self._supervision = DeepSupervisionLoss(self._loss)

    def forward(self, outputs: Tensor | Sequence[Tensor], label: Tensor) -> Tensor:
        """A scalar, computed in float32.

        Args:
            outputs: logits ``[batch, class, *space]``, or those of each resolution from the finest on.
            label: ``[batch, *space]`` uint8, 255 where it is not to count.
        """
        if isinstance(outputs, Tensor):
            value: Tensor = self._loss(outputs.float(), label)
        else:
            value = self._supervision([output.float() for output in outputs], label)
        return value
