"""The dialog that makes a task."""

from __future__ import annotations

from pathlib import Path

import qt
import slicer
import slicer.util
from slicer.i18n import tr as _

from UnifiedFocalSegLib.errors import SceneError
from UnifiedFocalSegLib.task_draft import MODALITIES, TaskDraft, classes_of, modality_titles
from UnifiedFocalSegLib.terminology import names, read

from .words import offer

_UI_FILE = Path(__file__).resolve().parents[2] / "Resources" / "UI" / "TaskWizard.ui"
_NAME = 0


def choose_folder(parent) -> str:
    """Ask for a folder; empty if the user cancels."""
    return qt.QFileDialog.getExistingDirectory(parent, _("Folder of labelled data"))


class TaskWizard:
    """Collects name, classes and the rest, and makes the task.

    Args:
        panel: the panel, for its logic and tasks.
        on_made: called with the new task and the folder that is to be imported into it, or an empty text.
    """

    def __init__(self, panel, on_made) -> None:
        self._panel, self._logic, self._on_made = panel, panel.logic, on_made
        self._draft = TaskDraft()
        self._operation = None
        self._items: list = []
        self.dialog = slicer.util.loadUI(str(_UI_FILE))
        if slicer.util.mainWindow() is not None:
            self.dialog.setParent(slicer.util.mainWindow(), qt.Qt.Dialog)
        self.ui = ui = slicer.util.childWidgetVariables(self.dialog)
        for title in modality_titles():
            ui.modalitySelector.addItem(title)
        ui.modalitySelector.setCurrentIndex(MODALITIES.index(self._draft.modality))
        ui.channelsLineEdit.setText(", ".join(self._draft.channels))
        ui.validationSpinBox.setValue(round(100 * self._draft.validation_fraction))
        completer = qt.QCompleter(names(), self.dialog)
        completer.setCaseSensitivity(qt.Qt.CaseInsensitive)
        completer.setFilterMode(qt.Qt.MatchContains)
        ui.classNameLineEdit.setCompleter(completer)
        ui.classesTable.horizontalHeader().setSectionResizeMode(_NAME, qt.QHeaderView.Stretch)
        ui.classesSegmentationSelector.setMRMLScene(slicer.mrmlScene)
        for control in (ui.taskNameLineEdit, ui.channelsLineEdit, ui.classNameLineEdit):
            control.connect("textChanged(QString)", self.update)
        ui.classesSegmentationSelector.connect("currentNodeChanged(vtkMRMLNode*)", self.update)
        ui.classesTable.connect("itemSelectionChanged()", self.update)
        ui.classesTable.connect("itemChanged(QTableWidgetItem*)", self._on_renamed)
        ui.classNameLineEdit.connect("returnPressed()", self.on_add)
        ui.addClassButton.connect("clicked(bool)", self.on_add)
        ui.removeClassButton.connect("clicked(bool)", self.on_remove)
        ui.takeClassesButton.connect("clicked(bool)", self.on_take)
        ui.createTaskButton.connect("clicked(bool)", self.on_create)
        ui.cancelTaskButton.connect("clicked(bool)", self.close)
        # Return in the line of a class's name adds that class; it must not make the task.
        for button in (
            ui.addClassButton,
            ui.removeClassButton,
            ui.takeClassesButton,
            ui.createTaskButton,
            ui.cancelTaskButton,
        ):
            button.setAutoDefault(False)
        self.update()

    def show(self) -> None:
        """Show the dialog; Slicer stays usable behind it."""
        self.dialog.show()

    def close(self, *_clicked) -> None:
        """Close the dialog without making anything."""
        self.dialog.close()

    def on_add(self, *_clicked) -> None:
        """Add a class by its name."""
        name = self.ui.classNameLineEdit.text.strip()
        if name:
            self._draft = self._draft.with_class(name)
            self.ui.classNameLineEdit.setText("")
            self._list_classes()

    def on_remove(self, *_clicked) -> None:
        """Remove the chosen class."""
        row = self.ui.classesTable.currentRow()
        if 0 <= row < len(self._draft.classes):
            self._draft = self._draft.without_class(row)
            self._list_classes()

    def on_take(self, *_clicked) -> None:
        """Take the classes of a segmentation in the scene, in place of those there are."""
        try:
            classes = classes_of(self.ui.classesSegmentationSelector.currentNode())
        except SceneError as error:
            self.ui.wizardProblemLabel.setText(str(error))
            return
        self._draft = TaskDraft(classes=classes)
        self._list_classes()

    def on_create(self, *_clicked) -> None:
        """Make the task."""
        draft = self.draft
        self._operation = self._logic.create_task(
            draft.name.strip(),
            draft.modality,
            draft.entries(),
            channels=draft.channels,
            validation_fraction=draft.validation_fraction,
        )
        self._operation.finished.connect(self._on_finished)
        self.update()

    @property
    def draft(self) -> TaskDraft:
        """The task as the dialog says it."""
        ui = self.ui
        return TaskDraft(
            name=ui.taskNameLineEdit.text,
            modality=MODALITIES[ui.modalitySelector.currentIndex],
            channels=tuple(name.strip() for name in ui.channelsLineEdit.text.split(",")),
            classes=self._draft.classes,
            validation_fraction=ui.validationSpinBox.value / 100,
        )

    def update(self, *_arguments) -> None:
        """Say what is missing."""
        ui = self.ui
        problem = self.draft.problem([task["name"] for task in self._panel.segment.tasks])
        ui.wizardProblemLabel.setText(problem)
        busy = _("The task is being made.") if self._operation is not None else ""
        offer(ui.createTaskButton, problem or busy, _("Make the task."))
        name = ui.classNameLineEdit.text.strip()
        offer(ui.addClassButton, "" if name else _("Write the name of a class first."), _("Add the class."))
        chosen = ui.classesTable.currentRow() >= 0 and self._draft.classes
        offer(ui.removeClassButton, "" if chosen else _("Choose a class in the table."), _("Remove the chosen class."))
        node = ui.classesSegmentationSelector.currentNode()
        no_node = "" if node is not None else _("Choose a segmentation of the scene.")
        what = _("Make a class of each of its segments, with name, colour and terminology.")
        offer(ui.takeClassesButton, no_node, what)

    def _list_classes(self) -> None:
        table = self.ui.classesTable
        table.blockSignals(True)
        table.setRowCount(len(self._draft.classes))
        self._items = []
        for row, entry in enumerate(self._draft.classes):
            known = read(entry.terminology) if entry.terminology else None
            for column, text in enumerate((entry.name, "", known.code if known else _("none"))):
                item = qt.QTableWidgetItem(text)
                if column != _NAME:
                    item.setFlags(qt.Qt.ItemIsSelectable | qt.Qt.ItemIsEnabled)
                if column == 1:
                    item.setBackground(qt.QBrush(qt.QColor(*entry.color)))
                self._items.append(item)
                table.setItem(row, column, item)
        table.blockSignals(False)
        self.update()

    def _on_renamed(self, item) -> None:
        if item.column() == _NAME:
            self._draft = self._draft.renamed(item.row(), item.text())
            self._list_classes()

    def _on_finished(self, operation) -> None:
        self._operation = None
        if operation.state == "succeeded":
            self.dialog.close()
            self._on_made(operation.result, self.ui.folderPathLineEdit.currentPath)
            return
        self.update()
        self.ui.wizardProblemLabel.setText(operation.error or "")
