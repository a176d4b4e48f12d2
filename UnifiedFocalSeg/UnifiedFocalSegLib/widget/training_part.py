"""Learning from the corrections."""

from __future__ import annotations

from slicer.i18n import tr as _

from .words import offer, outcome, progress


class TrainingPart:
    """Retrains the chosen task's model; segmenting goes on meanwhile.

    Args:
        panel: the panel, for its ui, logic, parameter node and backend state.
    """

    def __init__(self, panel) -> None:
        self._panel, self._ui, self._logic = panel, panel.ui, panel.logic
        self._operation = None
        self._ui.trainButton.connect("clicked(bool)", self.on_button)

    def on_button(self) -> None:
        """Train, or cancel."""
        if self._operation is not None:
            self._operation.cancel()
            self._panel.update()
            return
        self._operation = self._logic.retrain(
            self._panel.segment.task,
            budget_seconds=60 * self._panel.parameters.budgetMinutes,
            author=self._ui.authorLineEdit.text,
        )
        self._operation.changed.connect(self._on_progress)
        self._operation.finished.connect(self._on_finished)
        self._panel.update()

    def update(self) -> None:
        """Enable what can be done now and explain what cannot."""
        ui, operation, task = self._ui, self._operation, self._panel.segment.task
        ui.trainProgressBar.setVisible(operation is not None)
        ui.budgetSpinBox.setEnabled(operation is None)
        if operation is not None:
            ui.trainButton.setText(_("Cancel training"))
            tooltip = _("Stop the training. The model in use stays as it is.")
            offer(ui.trainButton, _("Stopping…") if operation.cancelling else "", tooltip)
            return
        first = task is not None and not task["promoted"]
        ui.trainButton.setText(_("Train first model") if first else _("Retrain"))
        reason = self._panel.backend.problem
        if not reason and task is None:
            reason = _("Choose a task.")
        if not reason and not task["cases"]["training"]:
            reason = _("{task} has no labelled training case yet. Submit some first.").format(task=task["name"])
        tooltip = _("Learn from all saved labels. The new model is used only if it is better on the validation cases.")
        offer(ui.trainButton, reason, tooltip)

    def _on_progress(self, operation) -> None:
        self._ui.trainProgressBar.setValue(round(1000 * operation.fraction))
        loss = operation.scalars.get("loss")
        text = progress(operation) if loss is None else f"{progress(operation)}, loss {loss:.4f}"
        self._ui.trainingStatusLabel.setText(text)

    def _on_finished(self, operation) -> None:
        self._operation = None
        text = outcome(operation.result) if operation.state == "succeeded" else operation.error
        self._ui.trainingStatusLabel.setText(text or _("Training stopped. The model in use stays as it was."))
        self._panel.segment.refresh_tasks()
        self._panel.update()
