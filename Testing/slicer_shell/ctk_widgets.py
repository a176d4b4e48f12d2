"""Stand-ins for the ctk widgets that the panel uses."""

# ruff: noqa: N801 - named as the C++ classes they stand for
from __future__ import annotations

import types

import qt
from PySide6.QtCore import Property, Signal

from .pythonqt import custom_widget


@custom_widget
class ctkCollapsibleButton(qt.QWidget):
    """A titled section that folds."""

    contentsCollapsed = Signal(bool)

    def __init__(self, parent=None) -> None:
        super().__init__(parent)
        self._collapsed = False
        self._title = ""
        self.setContentsMargins(0, 22, 0, 0)

    def paintEvent(self, event) -> None:
        super().paintEvent(event)
        painter = qt.QPainter(self)
        bar = qt.QRect(0, 0, self.width, 20)
        painter.fillRect(bar, self.palette.button())
        arrow = "▸" if self._collapsed else "▾"
        painter.drawText(bar.adjusted(6, 0, 0, 0), qt.Qt.AlignVCenter, f"{arrow}  {self._title}")
        painter.end()

    def setText(self, text: str) -> None:
        self._title = text

    def setCollapsed(self, collapsed: bool) -> None:
        self._collapsed = bool(collapsed)
        for child in self.children():
            if child.isWidgetType():
                child.setVisible(not collapsed)
        self.setMaximumHeight(22 if collapsed else 16777215)
        self.contentsCollapsed.emit(self._collapsed)

    def childEvent(self, event) -> None:
        super().childEvent(event)
        if self._collapsed and event.added() and event.child().isWidgetType():
            event.child().hide()

    text = Property(str, lambda self: self._title, setText)
    collapsed = Property(bool, lambda self: self._collapsed, setCollapsed)


@custom_widget
class ctkPathLineEdit(qt.QLineEdit):
    """A line for a path, without the browse button."""

    currentPathChanged = Signal(str)
    Dirs, Files = 1, 2

    def __init__(self, parent=None) -> None:
        super().__init__(parent)
        self.textChanged.connect(self.currentPathChanged)

    currentPath = Property(str, lambda self: self.text, lambda self, path: self.setText(str(path)))

    def setCurrentPath(self, path: str) -> None:
        self.setText(str(path))


def build() -> types.ModuleType:
    """The module to be imported as `ctk`."""
    module = types.ModuleType("ctk", __doc__)
    for cls in (ctkCollapsibleButton, ctkPathLineEdit):
        setattr(module, cls.__name__, cls)
    return module
