"""How long work reports where it is and learns that it should stop."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from ufseg.errors import CancelledError


@dataclass(frozen=True)
class Progress:
    """One report.

    Args:
        fraction: done so far, 0 to 1.
        stage: a few words for the user, such as ``"training"`` or ``"scoring validation cases"``.
        eta_seconds: expected remaining time, or None where it is unknown.
        scalars: curves' newest points by name, such as ``{"step": 120, "loss": 0.31}``.
    """

    fraction: float
    stage: str
    eta_seconds: float | None = None
    scalars: Mapping[str, float] = field(default_factory=dict)


ProgressCallback = Callable[[Progress], None]
CancelCheck = Callable[[], bool]


def ignore_progress(progress: Progress) -> None:
    """A callback for callers who do not watch."""


def never_cancelled() -> bool:
    """A check for callers who cannot cancel."""
    return False


def raise_if_cancelled(cancelled: CancelCheck) -> None:
    """Raise CancelledError if `cancelled` says so."""
    if cancelled():
        raise CancelledError("The job was cancelled. Nothing was changed; start it again when you like.")
