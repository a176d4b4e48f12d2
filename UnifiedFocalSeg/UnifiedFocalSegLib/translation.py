"""Slicer's translation of all that a user reads; without Slicer the English text itself.

Files import it as ``from .translation import tr as _`` and call it with one literal: Slicer finds the translation by
the file that calls it, so nothing may stand in between, and its tools collect the texts from the sources. What varies
goes in afterwards, ``_("{name} holds no voxels.").format(name=…)``. Called when a text is needed, never at import, when
no language is loaded yet. Any thread may call it, as Qt's own translation. What the backend says stays in its words.
"""

from __future__ import annotations

import sys
from contextlib import suppress

__all__ = ["tr"]


def tr(text: str) -> str:
    """The text itself; Slicer's own function takes its place where there is one."""
    return text


if "slicer" in sys.modules:  # the terminal program shall not load Slicer's libraries for its words
    with suppress(ImportError):  # the wheel slicer-core has no translations
        from slicer.i18n import tr
