"""Learning from the corrections."""

from __future__ import annotations

import qt
from slicer.i18n import tr as _

from UnifiedFocalSegLib.loss_choices import DELTA, GAMMA, LAMBDA, LOSSES
from UnifiedFocalSegLib.training_curve import TrainingCurve

from .loss_words import loss_help, loss_title
from .words import offer, outcome, progress

GO_ON_SETTING = "UnifiedFocalSeg/GoOnAfterSlicer"


class TrainingPart:
    """Retrains the chosen task's model; segmenting goes on meanwhile.

    Args:
        panel: the panel, for its ui, logic, parameter node and backend state.
    """

    def __init__(self, panel) -> None:
        self._panel, self._ui, self._logic = panel, panel.ui, panel.logic
        self._operation = None
        self._curve = None
        self._asked = ""
        self._starts: list[str] = []
        ui = self._ui
        self._options = {DELTA: ui.deltaSpinBox, GAMMA: ui.gammaSpinBox, LAMBDA: ui.lambdaSpinBox}
        for loss in LOSSES:
            ui.lossSelector.addItem(loss_title(loss.name))
        ui.lossSelector.connect("currentIndexChanged(int)", self._on_loss_chosen)
        ui.goOnCheckBox.setChecked(str(qt.QSettings().value(GO_ON_SETTING, "")) == "True")
        ui.goOnCheckBox.connect("toggled(bool)", lambda on: qt.QSettings().setValue(GO_ON_SETTING, str(bool(on))))
        ui.trainButton.connect("clicked(bool)", self.on_button)
        ui.curveButton.connect("clicked(bool)", lambda *_clicked: self._curve.show())
        self.list_starts([])
        self._on_loss_chosen()

    @property
    def goes_on(self) -> bool:
        """Whether trainings shall go on after Slicer has ended."""
        return bool(self._ui.goOnCheckBox.checked)

    def enter(self) -> None:
        """Nothing to do: trainings are followed while other modules are shown, too."""

    def exit(self) -> None:
        """Nothing to do."""

    def scene_closing(self) -> None:
        """The curve is made again in the next scene."""

    def close(self) -> None:
        """Nothing to do."""

    def list_starts(self, versions: list[dict]) -> None:
        """Offer the task's versions to start from."""
        selector = self._ui.startSelector
        chosen = self._start()
        self._starts = ["promoted", "scratch", *(v["id"] for v in reversed(versions))]
        selector.clear()
        selector.addItem(_("The model in use"))
        selector.addItem(_("From scratch"))
        for version in reversed(versions):
            selector.addItem(_("Version {number}").format(number=version["number"]))
        selector.setCurrentIndex(self._starts.index(chosen) if chosen in self._starts else 0)

    def on_button(self, *_clicked) -> None:
        """Train, or cancel."""
        if self._operation is not None:
            self._operation.cancel()
            self._panel.update()
            return
        loss = LOSSES[self._ui.lossSelector.currentIndex]
        self._follow(
            self._logic.retrain(
                self._panel.segment.task,
                budget_seconds=60 * self._panel.parameters.budgetMinutes,
                start=self._start(),
                loss=loss.request({key: spin.value for key, spin in self._options.items()}),
                author=self._ui.authorLineEdit.text,
            )
        )

    def update(self) -> None:
        """Enable what can be done now and explain what cannot."""
        ui, operation, task = self._ui, self._operation, self._panel.segment.task
        self._look_for_unfinished(task)
        ui.trainProgressBar.setVisible(operation is not None)
        busy = "" if operation is None else _("A training is under way.")
        offer(ui.budgetSpinBox, busy, _("How long the model may learn. Preparing and comparing come on top."))
        what = _(
            "From whose weights the training goes on. From scratch takes longer, and may be better after many cases."
        )
        offer(ui.startSelector, busy, what)
        offer(ui.lossSelector, busy, _("What the training calls a mistake, and how bad each is."))
        loss = LOSSES[ui.lossSelector.currentIndex]
        for key, spin in self._options.items():
            spin.setEnabled(not busy and key in loss.options)
        no_curve = "" if self._curve is not None and self._curve.chart is not None else _("There is no curve yet.")
        offer(ui.curveButton, no_curve, _("Show the loss of this training in a plot view."))
        offer(
            ui.goOnCheckBox,
            "",
            _(
                "Slicer may be closed during a training: it goes on in the background, and the next start of Slicer "
                "shows it. Without this it is paused, and goes on when the backend is started again."
            ),
        )
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
            reason = _("{task} has no labelled training case yet. Save corrections first, or import a folder.").format(
                task=task["name"]
            )
        tooltip = _("Learn from all saved labels. The new model is used only if it is better on the validation cases.")
        offer(ui.trainButton, reason, tooltip)

    def _start(self) -> str:
        index = self._ui.startSelector.currentIndex
        return self._starts[index] if 0 <= index < len(self._starts) else "promoted"

    def _follow(self, operation) -> None:
        self._curve = TrainingCurve(self._panel.segment.task["name"])
        self._operation = operation
        operation.changed.connect(self._on_progress)
        operation.finished.connect(self._on_finished)
        self._ui.trainingStatusLabel.setText("")
        self._panel.update()

    def _look_for_unfinished(self, task) -> None:
        """Follow a training of the task that went on without Slicer."""
        if self._panel.backend.problem:
            self._asked = ""
            return
        if task is None or task["id"] == self._asked or self._operation is not None:
            return
        self._asked = task["id"]
        self._logic.unfinished_training(task).finished.connect(lambda found: self._on_unfinished(found, task["id"]))

    def _on_unfinished(self, operation, task: str) -> None:
        chosen = self._panel.segment.task
        if operation.result and self._operation is None and chosen is not None and chosen["id"] == task:
            self._follow(self._logic.follow_training(operation.result))

    def _on_loss_chosen(self, *_index) -> None:
        loss = LOSSES[self._ui.lossSelector.currentIndex]
        self._ui.lossHelpLabel.setText(loss_help(loss.name))
        for key, spin in self._options.items():
            spin.setEnabled(key in loss.options)
            if key in loss.options:
                spin.setValue(loss.options[key])

    def _on_progress(self, operation) -> None:
        self._ui.trainProgressBar.setValue(round(1000 * operation.fraction))
        loss = operation.scalars.get("loss")
        text = progress(operation)
        if loss is not None:
            text = _("{progress}, loss {loss:.4f}").format(progress=text, loss=loss)
        self._ui.trainingStatusLabel.setText(text)
        first = self._curve.chart is None
        if self._curve.add(operation.scalars) and first:
            self._panel.update()

    def _on_finished(self, operation) -> None:
        self._operation = None
        text = outcome(operation.result) if operation.state == "succeeded" else operation.error
        self._ui.trainingStatusLabel.setText(text or _("Training stopped. The model in use stays as it was."))
        if operation.state == "succeeded":
            self._panel.models.choose(operation.result["model_version"])
        self._panel.segment.refresh_tasks()
        self._panel.update()
