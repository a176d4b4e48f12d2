"""Losses for imbalanced segmentation: the Unified Focal loss and its relatives, from logits, for 2D and 3D.

from ufseg.losses import UnifiedFocalLoss
loss = UnifiedFocalLoss()(logits, labels)  # logits [B, C, *space], labels [B, *space]
"""

from ufseg.losses.base import SegmentationLoss
from ufseg.losses.modified_focal import AsymmetricFocalLoss, SymmetricFocalLoss
from ufseg.losses.modified_focal_tversky import AsymmetricFocalTverskyLoss, SymmetricFocalTverskyLoss
from ufseg.losses.registry import create, names, options
from ufseg.losses.unified_focal import AsymmetricUnifiedFocalLoss, SymmetricUnifiedFocalLoss, UnifiedFocalLoss

__all__ = [
    "AsymmetricFocalLoss",
    "AsymmetricFocalTverskyLoss",
    "AsymmetricUnifiedFocalLoss",
    "SegmentationLoss",
    "SymmetricFocalLoss",
    "SymmetricFocalTverskyLoss",
    "SymmetricUnifiedFocalLoss",
    "UnifiedFocalLoss",
    "create",
    "names",
    "options",
]
