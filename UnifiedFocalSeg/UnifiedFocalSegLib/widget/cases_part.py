"""The task's cases and their history, opening them, new tasks and imports."""

from __future__ import annotations

from slicer.i18n import tr as _

from UnifiedFocalSegLib.case_nodes import referenced_volumes

from .tables import Rows, day, number
from .task_wizard import TaskWizard, choose_folder
from .words import offer, progress


class CasesPart:
    """Lists cases and opens them.

    Args:
        panel: the panel, for its ui, logic, parameter node and chosen task.
    """

    def __init__(self, panel) -> None:
        self._panel, self._ui, self._logic = panel, panel.ui, panel.logic
        self._rows = Rows(self._ui.casesTable)
        self._history = Rows(self._ui.historyTable, stretched=5)
        self._opening = self._importing = None
        self._listed = ""
        self.wizard = None
        ui = self._ui
        ui.newTaskButton.connect("clicked(bool)", self.on_new_task)
        ui.importButton.connect("clicked(bool)", self.on_import)
        ui.refreshCasesButton.connect("clicked(bool)", self.refresh)
        ui.openCaseButton.connect("clicked(bool)", self.on_open)
        ui.casesTable.connect("itemSelectionChanged()", self._on_case_chosen)
        ui.historyTable.connect("itemSelectionChanged()", lambda: self._panel.update())

    def enter(self) -> None:
        """Nothing to do."""

    def exit(self) -> None:
        """Nothing to do."""

    def scene_closing(self) -> None:
        """Cases are the backend's; nothing of them is lost."""

    def close(self) -> None:
        """The panel goes away."""
        if self.wizard is not None:
            self.wizard.close()

    def refresh(self, *_clicked) -> None:
        """Ask the backend for the cases of the chosen task."""
        task = self._panel.segment.task
        if task is not None and not self._logic.backend_problem():
            self._logic.case_rows(task).finished.connect(self._on_rows)
            self._on_case_chosen()

    def update(self) -> None:
        """Enable what can be done now and explain what cannot."""
        ui, task = self._ui, self._panel.segment.task
        if task is not None and task["id"] != self._listed and not self._panel.backend.problem:
            self._listed = task["id"]
            self.refresh()
        reason = self._panel.backend.problem
        offer(ui.newTaskButton, reason, _("Say what is to be segmented: classes, modality, channels."))
        no_task = reason or ("" if task is not None else _("Choose a task, or make one."))
        offer(ui.refreshCasesButton, no_task, _("Ask the backend again."))
        ui.importProgressBar.setVisible(self._importing is not None)
        if self._importing is not None:
            ui.importButton.setText(_("Cancel import"))
            offer(ui.importButton, _("Stopping…") if self._importing.cancelling else "", _("What was imported stays."))
        else:
            ui.importButton.setText(_("Import labelled folder…"))
            what = _("Add cases with label maps: nnU-Net, Medical Segmentation Decathlon, or images/ and labels/.")
            offer(ui.importButton, no_task, what)
        opening = no_task or (_("A case is being opened.") if self._opening is not None else "")
        if not opening and not self._rows.chosen:
            opening = _("Choose a case in the table.")
        what = _("Put the case into the scene with the chosen correction, or else the newest.")
        offer(ui.openCaseButton, opening, what)

    def on_new_task(self, *_clicked) -> None:
        """Open the wizard."""
        self.wizard = TaskWizard(self._panel, self._on_task_made)
        self.wizard.show()

    def on_import(self, *_clicked) -> None:
        """Ask for a folder and import it, or cancel."""
        if self._importing is not None:
            self._importing.cancel()
            self._panel.update()
            return
        folder = choose_folder(self._ui.importButton)
        if folder:
            self.start_import(self._panel.segment.task, folder)

    def start_import(self, task, folder: str) -> None:
        """Import a folder into a task."""
        self._importing = self._logic.import_folder(task, folder, author=self._ui.authorLineEdit.text)
        self._importing.changed.connect(self._on_import_progress)
        self._importing.finished.connect(self._on_imported)
        self._panel.update()

    def on_open(self, *_clicked) -> None:
        """Open the chosen case at the chosen revision."""
        self._opening = self._logic.open_case(self._rows.chosen, self._history.chosen or None)
        self._opening.changed.connect(lambda operation: self._ui.casesStatusLabel.setText(operation.stage))
        self._opening.finished.connect(self._on_opened)
        self._panel.update()

    def _on_rows(self, operation) -> None:
        if operation.state != "succeeded":
            self._ui.casesStatusLabel.setText(operation.error or "")
            return
        used = {"training": _("training"), "validation": _("validation"), "": _("no label yet")}
        self._rows.fill(
            [
                (
                    row.id,
                    [
                        row.name,
                        used[row.membership],
                        _("yes") if row.corrected else "–",
                        str(row.revisions),
                        row.author or "–",
                        day(row.created) or "–",
                    ],
                )
                for row in operation.result
            ]
        )
        self._panel.update()

    def _on_case_chosen(self) -> None:
        case = self._rows.chosen
        self._history.fill([])
        if case:
            self._logic.history(case).finished.connect(lambda operation: self._on_history(operation, case))
        self._panel.update()

    def _on_history(self, operation, case: str) -> None:
        if case != self._rows.chosen:
            return
        if operation.state != "succeeded":
            self._ui.casesStatusLabel.setText(operation.error or "")
            return
        rows = []
        for row in reversed(operation.result):
            revision = row.revision
            dice = [d for d in row.dice.values() if d is not None]
            mean = sum(dice) / len(dice) if dice and row.against is not None else None
            changed = f"{row.changed:,}" if row.against is not None else _("first")
            texts = [str(revision["number"]), revision["author"], day(revision["created"]), changed, number(mean)]
            rows.append((revision["id"], [*texts, revision["note"]]))
        self._history.fill(rows)
        self._panel.update()

    def _on_opened(self, operation) -> None:
        self._opening = None
        text = operation.error or _("Stopped.")
        if operation.state == "succeeded":
            node = operation.result
            parameters = self._panel.parameters
            if node.IsA("vtkMRMLSegmentationNode"):
                parameters.inputVolume = referenced_volumes(node)[0]
                parameters.segmentation = node
            else:
                parameters.inputVolume = node
            text = _("{name} is in the scene.").format(name=node.GetName())
        self._ui.casesStatusLabel.setText(text)
        self._panel.update()

    def _on_import_progress(self, operation) -> None:
        self._ui.importProgressBar.setValue(round(1000 * operation.fraction))
        self._ui.casesStatusLabel.setText(progress(operation))

    def _on_imported(self, operation) -> None:
        self._importing = None
        text = operation.error or _("The import was stopped. What was imported before stays.")
        if operation.state == "succeeded":
            done = operation.result
            text = _("{imported} of {of} cases imported.").format(**done)
            for refusal in done["refused"]:
                text += "\n" + _("Refused: {cases}. {reason}").format(
                    cases=", ".join(refusal["cases"]), reason=refusal["reason"]
                )
        self._ui.casesStatusLabel.setText(text)
        self._panel.segment.refresh_tasks()
        self.refresh()
        self._panel.update()

    def _on_task_made(self, task, folder: str) -> None:
        self._panel.parameters.task = task["id"]
        self._panel.segment.refresh_tasks()
        self._ui.casesStatusLabel.setText(_("The task {name} was made.").format(name=task["name"]))
        if folder:
            self.start_import(task, folder)
