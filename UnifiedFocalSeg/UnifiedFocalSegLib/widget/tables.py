"""Filling a QTableWidget."""

from __future__ import annotations

from collections.abc import Sequence

import qt

# As narrow as Slicer's own tables.
_ROW_PIXELS = 22


class Rows:
    """The rows of a table, each with a key that stays chosen while the table is filled anew.

    Args:
        table: QTableWidget with its columns.
        stretched: number of the column that takes what room is left.
    """

    def __init__(self, table, stretched: int = 0) -> None:
        self._table = table
        self._keys: list[str] = []
        self._items: list = []  # PythonQt would drop them
        header = table.horizontalHeader()
        header.setHighlightSections(False)
        header.setSectionResizeMode(qt.QHeaderView.ResizeToContents)
        header.setSectionResizeMode(stretched, qt.QHeaderView.Stretch)
        table.verticalHeader().setVisible(False)
        table.verticalHeader().setDefaultSectionSize(_ROW_PIXELS)

    def fill(self, rows: Sequence[tuple[str, Sequence[str]]], chosen: str = "") -> None:
        """Show rows of (key, texts) and choose the one with the key `chosen`, by default the one chosen before."""
        before = chosen or self.chosen
        self._keys = [key for key, _texts in rows]
        self._table.blockSignals(True)
        self._table.setRowCount(len(rows))
        self._items = []
        for number, (_key, texts) in enumerate(rows):
            for column, text in enumerate(texts):
                item = qt.QTableWidgetItem(text)
                item.setToolTip(text)
                self._items.append(item)
                self._table.setItem(number, column, item)
        if before and before in self._keys:
            self._table.selectRow(self._keys.index(before))
        else:
            self._table.clearSelection()
            self._table.setCurrentCell(-1, -1)
        self._table.blockSignals(False)

    @property
    def chosen(self) -> str:
        """Key of the chosen row, empty if there is none."""
        row = self._table.currentRow()
        return self._keys[row] if 0 <= row < len(self._keys) else ""


def number(value: float | None, form: str = "{:.3f}") -> str:
    """A number, or a dash where there is none."""
    return "–" if value is None else form.format(value)


def day(created: str) -> str:
    """Date of an ISO 8601 time."""
    return created[:10]
