"""Losses for imbalanced segmentation: the Unified Focal loss and its relatives, from logits, for 2D and 3D.

from ufseg.losses import UnifiedFocalLoss
loss = UnifiedFocalLoss()(logits, labels)  # logits [B, C, *space], labels [B, *space]
"""

from ufseg.losses.base import SegmentationLoss
from ufseg.losses.combo import ComboLoss
from ufseg.losses.cross_entropy import BalancedCrossEntropyLoss, CrossEntropyLoss
from ufseg.losses.deep_supervision import DeepSupervisionLoss
from ufseg.losses.dice_cross_entropy import DiceCrossEntropyLoss
from ufseg.losses.dice_focal import DiceFocalLoss
from ufseg.losses.dilated_balanced_cross_entropy import DilatedBalancedCrossEntropyLoss
from ufseg.losses.focal import FocalLoss
from ufseg.losses.focal_tversky import FocalTverskyLoss
from ufseg.losses.generalised_dice import GeneralisedDiceLoss
from ufseg.losses.hybrid_focal import HybridFocalLoss
from ufseg.losses.modified_focal import AsymmetricFocalLoss, SymmetricFocalLoss
from ufseg.losses.modified_focal_tversky import AsymmetricFocalTverskyLoss, SymmetricFocalTverskyLoss
from ufseg.losses.registry import create, names, options
from ufseg.losses.tversky import AsymmetricSimilarityLoss, DiceLoss, TverskyLoss
from ufseg.losses.unified_focal import AsymmetricUnifiedFocalLoss, SymmetricUnifiedFocalLoss, UnifiedFocalLoss

__all__ = [
    "AsymmetricFocalLoss",
    "AsymmetricFocalTverskyLoss",
    "AsymmetricSimilarityLoss",
    "AsymmetricUnifiedFocalLoss",
    "BalancedCrossEntropyLoss",
    "ComboLoss",
    "CrossEntropyLoss",
    "DeepSupervisionLoss",
    "DiceCrossEntropyLoss",
    "DiceFocalLoss",
    "DiceLoss",
    "DilatedBalancedCrossEntropyLoss",
    "FocalLoss",
    "FocalTverskyLoss",
    "GeneralisedDiceLoss",
    "HybridFocalLoss",
    "SegmentationLoss",
    "SymmetricFocalLoss",
    "SymmetricFocalTverskyLoss",
    "SymmetricUnifiedFocalLoss",
    "TverskyLoss",
    "UnifiedFocalLoss",
    "create",
    "names",
    "options",
]
