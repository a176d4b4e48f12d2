"""What each loss is called, and what it is good for in plain language."""

from __future__ import annotations

from slicer.i18n import tr as _


def loss_title(name: str) -> str:
    """What the loss with this name is called; the name itself for one that is not offered."""
    return {
        "asymmetric-unified-focal": _("Unified Focal, asymmetric"),
        "symmetric-unified-focal": _("Unified Focal, symmetric"),
        "dice-cross-entropy": _("Dice + cross-entropy"),
        "dice": _("Dice"),
        "focal-tversky": _("Focal Tversky"),
        "cross-entropy": _("Cross-entropy"),
    }.get(name, name)


def loss_help(name: str) -> str:
    """A sentence or two about the loss with this name; empty for one that is not offered."""
    return {
        "asymmetric-unified-focal": _(
            "Recommended. For structures that are small beside the background: rare classes and voxels that are hard "
            "to tell get more attention, and no voxel of a rare class is ever neglected."
        ),
        "symmetric-unified-focal": _(
            "As the recommended one, but all classes are treated alike. For structures of about equal size."
        ),
        "dice-cross-entropy": _("The usual choice of other programs. For structures that are not very small."),
        "dice": _("Looks at the overlap only. Small structures count as much as large ones; training is less steady."),
        "focal-tversky": _("Looks at the overlap, with more attention to structures that are still found badly."),
        "cross-entropy": _("Looks at each voxel alone. Small structures may be missed beside large ones."),
    }.get(name, "")
