"""Losses by name, for settings files and the command line."""

from __future__ import annotations

import inspect
from typing import Any

from ufseg.losses.base import RegionOptions, SegmentationLoss, VoxelOptions
from ufseg.losses.combo import ComboLoss
from ufseg.losses.cross_entropy import BalancedCrossEntropyLoss, CrossEntropyLoss
from ufseg.losses.dice_cross_entropy import DiceCrossEntropyLoss
from ufseg.losses.dice_focal import DiceFocalLoss
from ufseg.losses.dilated_balanced_cross_entropy import DilatedBalancedCrossEntropyLoss
from ufseg.losses.focal import FocalLoss
from ufseg.losses.focal_tversky import FocalTverskyLoss
from ufseg.losses.generalised_dice import GeneralisedDiceLoss
from ufseg.losses.hybrid_focal import HybridFocalLoss
from ufseg.losses.modified_focal import AsymmetricFocalLoss, SymmetricFocalLoss
from ufseg.losses.modified_focal_tversky import AsymmetricFocalTverskyLoss, SymmetricFocalTverskyLoss
from ufseg.losses.tversky import AsymmetricSimilarityLoss, DiceLoss, TverskyLoss
from ufseg.losses.unified_focal import AsymmetricUnifiedFocalLoss, SymmetricUnifiedFocalLoss

_LOSSES: dict[str, type[SegmentationLoss]] = {
    "cross-entropy": CrossEntropyLoss,
    "balanced-cross-entropy": BalancedCrossEntropyLoss,
    "dilated-balanced-cross-entropy": DilatedBalancedCrossEntropyLoss,
    "focal": FocalLoss,
    "symmetric-focal": SymmetricFocalLoss,
    "asymmetric-focal": AsymmetricFocalLoss,
    "dice": DiceLoss,
    "generalised-dice": GeneralisedDiceLoss,
    "tversky": TverskyLoss,
    "asymmetric-similarity": AsymmetricSimilarityLoss,
    "focal-tversky": FocalTverskyLoss,
    "symmetric-focal-tversky": SymmetricFocalTverskyLoss,
    "asymmetric-focal-tversky": AsymmetricFocalTverskyLoss,
    "combo": ComboLoss,
    "dice-cross-entropy": DiceCrossEntropyLoss,
    "dice-focal": DiceFocalLoss,
    "hybrid-focal": HybridFocalLoss,
    "symmetric-unified-focal": SymmetricUnifiedFocalLoss,
    "asymmetric-unified-focal": AsymmetricUnifiedFocalLoss,
}


def names() -> list[str]:
    """The names that `create` knows, voxel losses first, compound losses last."""
    return list(_LOSSES)


def options(name: str) -> list[str]:
    """The options that the loss `name` takes.

    Raises:
        ValueError: if there is no such loss.
    """
    parameters = inspect.signature(_class(name).__init__).parameters
    own = [key for key, p in parameters.items() if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)]
    common = RegionOptions if "RegionOptions" in str(parameters["options"].annotation) else VoxelOptions
    return [key for key in own if key != "self"] + sorted(common.__annotations__)


def create(name: str, **settings: Any) -> SegmentationLoss:
    """Make a loss.

    Args:
        name: one of `names()`.
        **settings: the loss's options, in the paper's letters; what is not given has the default of its class.

    Raises:
        ValueError: if there is no such loss or option, or an option has a value that it cannot have.
        TypeError: if an option's value is of the wrong type.
    """
    known = options(name)
    unknown = [key for key in settings if key not in known]
    if unknown:
        raise ValueError(
            f"The loss {name!r} has no option {', '.join(map(repr, unknown))}. Its options are: {', '.join(known)}."
        )
    return _class(name)(**settings)


def _class(name: str) -> type[SegmentationLoss]:
    if name not in _LOSSES:
        raise ValueError(f"There is no loss {name!r}. The losses are: {', '.join(_LOSSES)}.")
    return _LOSSES[name]
