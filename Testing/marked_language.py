"""A made-up language, by which an untranslated word is seen: ``Made {name}.`` is ``⟦Made ⟧{name}⟦.⟧`` in it.

Texts of Python go through `slicer.app.translate`, those of .ui files through Qt, as in the application.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any

from PySide6 import QtCore, QtWidgets

_FIELD = re.compile(r"(\{[^{}]*\})")
_MARKED = re.compile(r"⟦[^⟦⟧]*⟧")
_LETTER = re.compile(r"[^\W\d_]")
# Single letters stand for axes.
_WORD = re.compile(r"[^\W\d_]{2,}")
_PROPERTIES = ("text", "title", "toolTip", "placeholderText", "suffix", "prefix", "windowTitle", "specialValueText")


def marked(text: str) -> str:
    """A text in the made-up language; fields stay as they are."""
    parts = _FIELD.split(text)
    return "".join(p if _FIELD.fullmatch(p) or not _LETTER.search(p) else f"⟦{p}⟧" for p in parts)


def unmarked(text: str, names: Iterable[str]) -> list[str]:
    """The words of a text that are neither translated nor among `names`."""
    rest = _MARKED.sub(" ", text)
    for name in sorted(names, key=len, reverse=True):
        rest = rest.replace(name, " ")
    return _WORD.findall(rest)


class MarkedLanguage(QtCore.QTranslator):
    """The language, for Qt and for Python.

    Attributes:
        asked: context and text of all that Python has asked for.
    """

    def __init__(self) -> None:
        super().__init__()
        self.asked: set[tuple[str, str]] = set()

    def isEmpty(self) -> bool:
        return False

    def translate(self, _context: str, text: str, _disambiguation: str = "", _count: int = -1) -> str:
        return f"⟦{text}⟧" if _LETTER.search(text) else text

    def of_python(self, context: str, text: str) -> str:
        """What stands in place of `slicer.app.translate`; from any thread."""
        self.asked.add((context, text))
        return marked(text)


def shown_texts(widget: Any, but: Iterable[Any] = ()) -> Iterator[tuple[str, str]]:
    """All texts of a widget and of those inside it, each with a word on where it is.

    Args:
        widget: panel or dialog; hidden parts of it count too.
        but: widgets that hold names, or that the application brings; only their tooltips count, as of lines in which
            the user types.
    """
    left_out = set(but)
    for child in [widget, *QtWidgets.QWidget.findChildren(widget, QtWidgets.QWidget)]:
        where = f"{type(child).__name__} {QtCore.QObject.objectName(child)}"
        typed = isinstance(child, (QtWidgets.QLineEdit, QtWidgets.QProgressBar))  # or a percentage
        own = ("toolTip", "placeholderText") if child in left_out or typed else _PROPERTIES
        for name in own:
            yield f"{where}.{name}", str(QtCore.QObject.property(child, name) or "")
        if child in left_out:
            continue
        if isinstance(child, QtWidgets.QComboBox):
            for index in range(QtWidgets.QComboBox.count(child)):
                yield f"{where}[{index}]", QtWidgets.QComboBox.itemText(child, index)
        elif isinstance(child, QtWidgets.QTableWidget):
            yield from _texts_of_table(child, where)


def _texts_of_table(table: Any, where: str) -> Iterator[tuple[str, str]]:
    rows, columns = table.model().rowCount(), table.model().columnCount()
    for column in range(columns):
        header = table.horizontalHeaderItem(column)
        yield f"{where} header {column}", header.text() if header is not None else ""
        for row in range(rows):
            item = table.item(row, column)
            if item is not None:
                yield f"{where} {row}, {column}", item.text()
                yield f"{where} {row}, {column} tooltip", item.toolTip()
