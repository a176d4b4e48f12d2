"""What every control has in common: a reason where it is disabled, the keyboard, the width and themes."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from panel_driver import in_the_dark, opened_panel, picture, until

REPOSITORY = Path(__file__).resolve().parents[1]
MODULE = REPOSITORY / "UnifiedFocalSeg"
# Left of the views on a screen of 1366 pixels, Slicer's module panel has about a third.
WIDEST = 455


@pytest.fixture
def widget(scene, monkeypatch, tmp_path):
    """The panel, open, on a computer without a backend."""
    with opened_panel(monkeypatch, tmp_path, 1400) as widget:
        until(lambda: widget.ui.setupButton.enabled)
        yield widget


def controls(widget) -> list:
    """Every control that a user can act on."""
    import qt

    kinds = (qt.QAbstractButton, qt.QComboBox, qt.QLineEdit, qt.QAbstractSpinBox)
    named = [c for c in vars(widget.ui).values() if isinstance(c, kinds) and c.objectName]
    return [c for c in named if not c.objectName.startswith("qt_")]


def test_a_disabled_control_says_why(widget):
    for python in ("", sys.executable):
        widget.ui.pythonPathLineEdit.setCurrentPath(python)
        disabled = [c for c in controls(widget) if not c.isEnabledTo(c.parentWidget())]
        assert len(disabled) > 5
        silent = [c.objectName for c in disabled if not c.toolTip]
        assert not silent


def test_every_control_is_reached_by_the_tab_key(widget):
    import qt

    assert len(controls(widget)) > 20
    for control in controls(widget):
        assert control.focusPolicy & qt.Qt.TabFocus, control.objectName()


def test_the_panel_fits_beside_the_views_of_a_small_screen(widget):
    widget.ui.advancedCollapsibleButton.collapsed = False
    for place in (0, 1):
        widget.ui.placeSelector.setCurrentIndex(place)
        assert widget.parent.minimumSizeHint().width() <= WIDEST


def test_light_and_dark(widget, tmp_path):
    """No colour is the panel's own, so it follows the application's theme."""
    import qt

    picture(widget, "test-shell-panel.png", tmp_path)
    back = in_the_dark()
    try:
        picture(widget, "test-shell-panel-dark.png", tmp_path)
        assert widget.parent.grab().toImage().pixelColor(3, 3).lightness() < 80
        assert widget.ui.backendLabel.palette.color(qt.QPalette.WindowText).lightness() > 200
    finally:
        back()
    for path in [*(MODULE / "Resources" / "UI").glob("*.ui"), *(MODULE / "UnifiedFocalSegLib").rglob("*.py")]:
        assert "stylesheet" not in path.read_text(encoding="utf-8").lower(), path
