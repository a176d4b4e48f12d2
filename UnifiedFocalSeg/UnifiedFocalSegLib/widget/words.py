"""Short phrases of the panel."""

from __future__ import annotations

from slicer.i18n import tr as _


def duration(seconds: float) -> str:
    """Remaining or elapsed time, rounded so that it does not flicker."""
    seconds = max(0.0, seconds)
    if seconds < 10:
        return _("{n:.0f} s").format(n=max(1.0, seconds))
    if seconds < 90:
        return _("{n:.0f} s").format(n=5 * round(seconds / 5))
    return _("{n:.0f} min").format(n=seconds / 60)


def progress(operation) -> str:
    """Stage and remaining time of an operation."""
    stage = operation.stage[:1].upper() + operation.stage[1:]
    if operation.eta_seconds is None:
        return stage
    return _("{stage}, about {time} left").format(stage=stage, time=duration(operation.eta_seconds))


def outcome(result: dict) -> str:
    """What came of a training: the new version, its score beside the old one's, and whether it is used now."""
    gate = result.get("gate") or {}
    new, old = gate.get("candidate_mean"), gate.get("promoted_mean")
    used = _("in use now") if result.get("promoted") else _("kept as a candidate")
    if new is None:
        line = _("Version {number}: {used}.")
    elif old is None:
        line = _("Version {number}, validation Dice {new:.3f}: {used}.")
    else:
        line = _("Version {number}, validation Dice {new:.3f} (before {old:.3f}): {used}.")
    line = line.format(number=result["number"], new=new, old=old, used=used)
    return f"{line} {gate.get('reason', '')}".strip()


def offer(control, reason: str, tooltip: str) -> None:
    """Enable a control, or disable it and say why in its tooltip."""
    control.setEnabled(not reason)
    control.setToolTip(reason or tooltip)
