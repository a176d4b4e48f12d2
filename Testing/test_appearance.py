"""What every control has in common: a reason where it is disabled, the keyboard, the width, themes and translation."""

from __future__ import annotations

import ast
import sys
from pathlib import Path

import pytest

from panel_driver import in_the_dark, opened_panel, picture, until

REPOSITORY = Path(__file__).resolve().parents[1]
MODULE = REPOSITORY / "UnifiedFocalSeg"
# Left of the views on a screen of 1366 pixels, Slicer's module panel has about a third.
WIDEST = 455
# What shows a text to the user, and which of its arguments is the text.
SHOWN = {"setText": 0, "setToolTip": 0, "setTitle": 0, "setWindowTitle": 0, "addItem": 0, "offer": 1}


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


@pytest.mark.parametrize("path", sorted((MODULE / "UnifiedFocalSegLib" / "widget").glob("*.py")), ids=lambda p: p.name)
def test_texts_can_be_translated(path):
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if not isinstance(node, ast.Call):
            continue
        name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        for argument in node.args[SHOWN.get(name, len(node.args)) :]:
            for part in ast.walk(argument):
                if isinstance(part, ast.JoinedStr) or _is_plain(part, argument):
                    pytest.fail(f"{path.name}, line {node.lineno}: a text that is not in _()")


def _is_plain(part: ast.AST, argument: ast.AST) -> bool:
    """Whether it is a sentence or word in quotes that no call of ``_`` contains."""
    if not isinstance(part, ast.Constant) or not isinstance(part.value, str) or not part.value.strip():
        return False
    wrapped = [call for call in ast.walk(argument) if isinstance(call, (ast.Call, ast.Subscript, ast.Compare))]
    return not any(part in ast.walk(call) for call in wrapped)
