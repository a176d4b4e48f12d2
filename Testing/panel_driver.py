"""Driving the panel in the test shell as a user would."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path


def until(condition, seconds: float = 300.0) -> float:
    """Run Qt's events until `condition()` holds; returns the longest time that one round of them took."""
    import qt

    deadline, longest = time.monotonic() + seconds, 0.0
    while not condition():
        assert time.monotonic() < deadline, f"still not so after {seconds} s"
        begin = time.monotonic()
        qt.QApplication.processEvents()
        longest = max(longest, time.monotonic() - begin)
        time.sleep(0.002)
    return longest


def start_backend(widget) -> None:
    widget.ui.pythonPathLineEdit.setCurrentPath(sys.executable)
    widget.ui.backendButton.click()
    until(lambda: widget.panel.backend.problem == "")
    until(lambda: not widget.logic.operations)


def picture(widget, name: str, folder: Path, part=None) -> None:
    """Render the panel or a dialog, or only a `part` of it, to a file; set UFSEG_PICTURES to a folder to keep it."""
    import qt

    qt.QApplication.processEvents()
    target = Path(os.environ.get("UFSEG_PICTURES", folder)) / name
    shown = widget if hasattr(widget, "grab") else widget.parent
    # Lines that wrap need more than the hint says.
    shown.resize(shown.width, max(shown.height, shown.minimumSizeHint().height() + 60))
    qt.QApplication.processEvents()
    assert (part or shown).grab().save(str(target))
