"""Slicer's translation of all that a user reads; without Slicer the English text itself.

Files import it as ``from .translation import tr as _`` and call it with one literal: Slicer finds the translation by
the file that calls it, so nothing may stand in between, and its tools collect the texts from the sources. What varies
goes in afterwards, ``_("{name} holds no voxels.").format(name=…)``. Called when a text is needed, never at import, when
no language is loaded yet. Any thread may call it, as Qt's own translation.
"""

from __future__ import annotations

try:
    from slicer.i18n import tr
except ImportError:  # slicer-core's wheel, or the terminal program in a Python without Slicer

    def tr(text: str) -> str:
        """The text itself."""
        return text


__all__ = ["tr"]
