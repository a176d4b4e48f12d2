"""Driving the panel in the test shell as a user would."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from slicer_shell.application import LoadedModule, install

MODULE_FILE = Path(__file__).resolve().parents[1] / "UnifiedFocalSeg" / "UnifiedFocalSeg.py"
# A label that has grown tells its layout, that tells the one around it, and so on, each in a round of events.
_LAYOUT_LEVELS = 8
# Below a test's folder, as a user would find it below the home: pictures show where things are and who signs them.
DATA_FOLDER = Path("reader") / ".local" / "share" / "UnifiedFocalSeg"
READER = "A. Reader"


@contextmanager
def opened_panel(monkeypatch, folder: Path, height: int, *, python=lambda: None, environment=None) -> Iterator:
    """The module's panel, open, with settings and a workspace of its own; closed at the end.

    Args:
        monkeypatch: pytest's.
        folder: for the workspace and the backend's environment.
        height: pixels.
        python: gives what a set-up has left as the backend's Python, by default nothing.
        environment: folder of the backend's environment, another than in `folder`.
    """
    qt = install()
    qt.QSettings.values.clear()
    monkeypatch.setenv("UFSEG_WORKSPACE", str(folder / "workspace"))
    monkeypatch.setenv("UFSEG_ENVIRONMENT", str(environment or folder / DATA_FOLDER / "environment"))
    monkeypatch.setenv("LOGNAME", READER)
    monkeypatch.setattr("UnifiedFocalSegLib.widget.backend_part.default_python", python)
    widget = LoadedModule(MODULE_FILE).open()
    widget.parent.resize(440, height)
    widget.parent.show()
    yield widget
    widget.cleanup()
    widget.parent.close()


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


def in_the_dark():
    """Give the application a dark theme; returns what takes it back."""
    import qt

    application = qt.QApplication.instance()
    light, dark = application.palette(), qt.QPalette(qt.QColor(53, 53, 53), qt.QColor(53, 53, 53))
    roles = qt.QPalette
    dark.setColor(roles.Base, qt.QColor(35, 35, 35))
    for role in (roles.WindowText, roles.Text, roles.ButtonText, roles.ToolTipText):
        dark.setColor(role, qt.QColor(230, 230, 230))
        dark.setColor(roles.Disabled, role, qt.QColor(127, 127, 127))
    application.setPalette(dark)
    return lambda: application.setPalette(light)


def picture(widget, name: str, folder: Path, height: int = 0, part=None) -> None:
    """Render the panel, or a dialog, to a file; set UFSEG_PICTURES to a folder to keep it.

    Args:
        widget: module widget or dialog.
        name: of the file.
        folder: where it goes if nobody wants to keep it.
        height: pixels from the top; all if 0.
        part: the panel inside it that alone is wanted.
    """
    import qt

    shown = widget if hasattr(widget, "grab") else widget.parent
    for _ in range(_LAYOUT_LEVELS):
        qt.QApplication.processEvents()
        if shown is not widget:  # as high as its texts need, as in the application, where it can be scrolled
            shown.resize(shown.width, shown.layout().totalHeightForWidth(shown.width))
    target = Path(os.environ.get("UFSEG_PICTURES", folder)) / name
    wanted = part or shown
    area = qt.QRect(0, 0, wanted.width, height or wanted.height)
    assert wanted.grab(area).save(str(target))
