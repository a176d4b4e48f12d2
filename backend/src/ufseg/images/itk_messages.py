"""What ITK says, made fit for users."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import SimpleITK as sitk


@contextmanager
def quiet() -> Iterator[None]:
    """Keep ITK's warnings off standard error; what matters of them is checked and said by the caller."""
    before = sitk.ProcessObject.GetGlobalWarningDisplay()
    sitk.ProcessObject.SetGlobalWarningDisplay(False)
    try:
        yield
    finally:
        sitk.ProcessObject.SetGlobalWarningDisplay(before)


def reason(error: RuntimeError) -> str:
    """The telling line of ITK's message, without its source file names and full stop."""
    text = str(error)
    if "MetaImage" in text:
        # ITK reports errno here, usually "No such file or directory" of something else.
        return "its header is broken, or its data are truncated or missing"
    if "Unable to determine ImageIO reader" in text:
        return "it is truncated or of no known image format"
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1].rsplit("ERROR: ", 1)[-1].rstrip(".! ") if lines else "ITK gave no reason"
