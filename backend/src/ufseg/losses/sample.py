"""Reading and checking what a loss is called with."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from ufseg.losses.prediction import Prediction
from ufseg.losses.target import DenseTarget, IndexTarget, Target


@dataclass(frozen=True)
class Sample:
    """One batch as the losses see it.

    Attributes:
        prediction: probabilities of C classes (two if the network has a single channel).
        target: the annotation.
        weight: voxel weights [B, 1, *space], zero where the annotation is to be ignored; None if all are 1.
    """

    prediction: Prediction
    target: Target
    weight: Tensor | None

    @property
    def classes(self) -> int:
        return self.target.classes

    @cached_property
    def log_p(self) -> Tensor:
        """Log-probabilities of the entries that the target selects, shared by the parts of a compound loss."""
        return self.target.select(self.prediction.log_p)

    @cached_property
    def one_minus_p(self) -> Tensor:
        """1 − P of the same entries."""
        return -torch.expm1(self.log_p)

    @property
    def dtype(self) -> torch.dtype:
        return self.prediction.log_p.dtype

    def voxel_weight(self) -> Tensor | None:
        """Voxel weights [B, *space], or None."""
        return None if self.weight is None else self.weight.squeeze(1)


def read_sample(
    prediction: Tensor, target: Tensor, weight: Tensor | None, *, clip: float | None, ignore_index: int | None
) -> Sample:
    """Check shapes and types and bring them into the losses' form.

    Args:
        prediction: logits, or probabilities if `clip` is given: [B, C, *space], floating point.
        target: class indices [B, *space] or [B, 1, *space] (integer), or one-hot [B, C, *space]. For a single channel
            C = 1 the target [B, 1, *space] holds 0 and 1, or the foreground's fraction if it is floating point.
        weight: voxel weights ≥ 0, [B, *space] or [B, 1, *space], or None.
        clip: probabilities are kept in [clip, 1 − clip]; None means that `prediction` holds logits.
        ignore_index: this class index marks voxels that do not count.

    Raises:
        ValueError: if shapes do not fit or, on the CPU, a class index has no channel. (On a GPU looking would
            synchronise it; there torch's own index check reports it.)
        TypeError: if a tensor's type does not fit.
    """
    check_prediction(prediction)
    dtype = torch.float64 if prediction.dtype == torch.float64 else torch.float32
    classes = max(prediction.shape[1], 2)
    space = prediction.shape[2:]
    voxel_weight = None if weight is None else with_channel(weight, prediction, "weight map").to(dtype)

    if is_dense(prediction, target):
        if ignore_index is not None:
            raise ValueError(
                f"ignore_index={ignore_index} needs class indices, but the target is one-hot. "
                "Pass class indices, or a weight map that is zero at the voxels to ignore."
            )
        fractions = target.to(dtype)
        if fractions.shape[1] == 1:
            fractions = torch.cat([1 - fractions, fractions], dim=1)
        read: Target = DenseTarget(fractions)
    else:
        indices = class_indices(prediction, target)
        if ignore_index is not None:
            ignored = indices == ignore_index
            indices = indices.masked_fill(ignored, 0)
            keep = (~ignored).to(dtype)
            voxel_weight = keep if voxel_weight is None else voxel_weight * keep
        _check_indices(indices, classes)
        read = IndexTarget(indices.long(), classes)

    if voxel_weight is not None:
        voxel_weight = voxel_weight.expand(prediction.shape[0], 1, *space)
    if clip is None:
        return Sample(Prediction.from_logits(prediction, dtype), read, voxel_weight)
    return Sample(Prediction.from_probabilities(prediction, clip, dtype), read, voxel_weight)


def check_prediction(prediction: Tensor) -> None:
    """Refuse what is not [B, C, *space] of a floating type.

    Raises:
        ValueError, TypeError: if the shape or the type does not fit.
    """
    if prediction.ndim < 3:
        raise ValueError(f"The prediction must have the shape [B, C, *space], got {list(prediction.shape)}.")
    if not prediction.is_floating_point():
        raise TypeError(f"The prediction must be floating point, got {prediction.dtype}.")


def class_indices(prediction: Tensor, target: Tensor) -> Tensor:
    """Class indices as [B, 1, *space], their values not looked at.

    Raises:
        ValueError, TypeError: if the shape does not fit, or they are not integers.
    """
    if target.is_floating_point() or target.is_complex():
        raise TypeError(f"Class indices must be integers, got {target.dtype}. Convert them with target.long().")
    return with_channel(target, prediction, "target")


def is_dense(prediction: Tensor, target: Tensor) -> bool:
    """Whether the target is one-hot; with a single channel only a floating-point target is a fraction."""
    if target.shape != prediction.shape:
        return False
    return prediction.shape[1] > 1 or target.is_floating_point()


def with_channel(values: Tensor, prediction: Tensor, name: str) -> Tensor:
    """[B, *space] or [B, 1, *space] as [B, 1, *space]."""
    batch, space = prediction.shape[0], prediction.shape[2:]
    if values.shape == (batch, *space):
        return values.unsqueeze(1)
    if values.shape == (batch, 1, *space):
        return values
    allowed = f"{[batch, *space]} or {[batch, 1, *space]}"
    if name == "target":
        allowed += f" (class indices) or {list(prediction.shape)} (one-hot)"
    raise ValueError(
        f"The {name} has the shape {list(values.shape)}, but the prediction {list(prediction.shape)} needs {allowed}."
    )


def _check_indices(indices: Tensor, classes: int) -> None:
    if indices.device.type != "cpu" or indices.numel() == 0:
        return
    low, high = (
        int(bound) for bound in torch.aminmax(indices.to(torch.uint8) if indices.dtype == torch.bool else indices)
    )
    check_range_of_indices(low, high, classes)


def check_range_of_indices(lowest: int, highest: int, classes: int) -> None:
    """Refuse class indices that have no channel.

    Raises:
        ValueError: if `lowest` or `highest` lies outside 0 … classes − 1.
    """
    if lowest < 0 or highest >= classes:
        raise ValueError(
            f"The target holds class indices from {lowest} to {highest}, but the prediction has the classes 0 to "
            f"{classes - 1}. Map the labels to 0…{classes - 1}, or name the one to leave out with ignore_index."
        )
