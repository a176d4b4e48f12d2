"""Keys that work while the module is shown."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import qt
import slicer.util


class Shortcuts:
    """Keys of the main window; taken back when another module is shown, for they may mean something there.

    Args:
        keys: pairs of a key sequence and what it does.
    """

    def __init__(self, keys: Sequence[tuple[str, Callable[[], None]]]) -> None:
        self._keys = keys
        self._installed: list = []

    def install(self, widget) -> None:
        """Let the keys work in the main window, or in the window of `widget` where there is none."""
        self.remove()
        for sequence, slot in self._keys:
            shortcut = qt.QShortcut(qt.QKeySequence(sequence), slicer.util.mainWindow() or widget.window())
            shortcut.connect("activated()", slot)
            self._installed.append(shortcut)

    def remove(self) -> None:
        """Take them back."""
        for shortcut in self._installed:
            shortcut.setEnabled(False)
            shortcut.setParent(None)
            shortcut.deleteLater()
        self._installed = []
