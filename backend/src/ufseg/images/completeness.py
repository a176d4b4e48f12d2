"""Telling whole files from truncated ones."""

from __future__ import annotations

from pathlib import Path


def require_complete(path: Path) -> None:
    """Raise ImageError if `path` is shorter than its header promises."""
