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
    scores = "" if new is None else _(", validation Dice {new:.3f}").format(new=new)
    scores += "" if old is None else _(" (before {old:.3f})").format(old=old)
    used = _("in use now") if result.get("promoted") else _("kept as a candidate")
    line = _("Version {number}{scores}: {used}.").format(number=result["number"], scores=scores, used=used)
    return f"{line} {gate.get('reason', '')}".strip()


def offer(control, reason: str, tooltip: str) -> None:
    """Enable a control, or disable it and say why in its tooltip."""
    control.setEnabled(not reason)
    control.setToolTip(reason or tooltip)
