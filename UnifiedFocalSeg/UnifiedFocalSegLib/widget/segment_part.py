"""Input volumes, task, output, and the button that segments or cancels."""

from __future__ import annotations

import time

from slicer.i18n import tr as _

from .channels_part import ChannelsPart
from .version_part import VersionPart
from .words import duration, offer, progress


class SegmentPart:
    """Chooses a task and segments.

    Args:
        panel: the panel, for its ui, logic, parameter node and backend state.
    """

    def __init__(self, panel) -> None:
        self._panel, self._ui, self._logic = panel, panel.ui, panel.logic
        self.tasks: list[dict] = []
        self.tasks_known = False
        self._operation = None
        self._begun = 0.0
        self.channels = ChannelsPart(panel, panel.update)
        self.versions = VersionPart(panel)
        self._ui.applyButton.connect("clicked(bool)", self.on_button)
        self._ui.taskSelector.connect("currentIndexChanged(int)", self._on_task_chosen)
        self._ui.show3DCheckBox.connect("clicked(bool)", self._on_show_3d)

    @property
    def task(self) -> dict | None:
        """The chosen task."""
        index = self._ui.taskSelector.currentIndex
        return self.tasks[index] if 0 <= index < len(self.tasks) else None

    @property
    def volumes(self) -> list:
        """The chosen volumes, one for each channel, or one that holds them all; None where none is chosen."""
        return self.channels.volumes

    def refresh_tasks(self) -> None:
        """Ask the backend for its tasks."""
        self._logic.fetch("tasks").finished.connect(self._on_tasks)

    def on_button(self, *_clicked) -> None:
        """Segment, or cancel."""
        if self._operation is not None:
            self._operation.cancel()
            self._panel.update()
            return
        node, ui = self._panel.parameters, self._ui
        self._begun = time.monotonic()
        self._operation = self._logic.segment(
            self.volumes,
            self.task,
            model_version=self.versions.chosen,
            output=node.segmentation if ui.replaceCheckBox.checked else None,
            show_3d=ui.show3DCheckBox.checked,
        )
        self._operation.changed.connect(self._on_progress)
        self._operation.finished.connect(self._on_finished)
        ui.statusLabel.setText("")
        self._panel.update()

    def update(self) -> None:
        """Enable what can be done now and explain what cannot."""
        ui, operation = self._ui, self._operation
        reason = self._panel.backend.problem
        no_tasks = _("There are no tasks yet. Create one first.") if not self.tasks else ""
        offer(ui.taskSelector, reason or no_tasks, _("What to segment."))
        self.channels.update(self.task)
        self.versions.update(self.task)
        self._update_output()
        ui.segmentProgressBar.setVisible(operation is not None)
        if operation is not None:
            ui.applyButton.setText(_("Cancel"))
            offer(ui.applyButton, _("Stopping…") if operation.cancelling else "", _("Stop segmenting."))
            return
        ui.applyButton.setText(_("Segment"))
        reason = reason or self.channels.problem or no_tasks
        if not reason and not self.task["promoted"] and self.versions.chosen is None:
            reason = _("{task} has no model yet. Submit labelled cases, then train one.").format(task=self.task["name"])
        into = _("Segment into the chosen segmentation; what it holds now is kept beside it.")
        new = _("Segment the input volume into a new segmentation.")
        offer(ui.applyButton, reason, into if ui.replaceCheckBox.checked else new)

    def _update_output(self) -> None:
        ui, node = self._ui, self._panel.parameters.segmentation
        if node is None:
            ui.replaceCheckBox.setChecked(False)
        offer(
            ui.replaceCheckBox,
            _("No segmentation is chosen, so a new one is made.") if node is None else "",
            _("Put the next result into this segmentation. What it holds now is kept in a hidden copy, “… before”."),
        )

    def _on_show_3d(self, *_clicked) -> None:
        node = self._panel.parameters.segmentation
        if node is not None:
            self._logic.show_3d(node, self._ui.show3DCheckBox.checked).finished.connect(self._on_shown)

    def _on_shown(self, operation) -> None:
        if operation.error:
            self._ui.statusLabel.setText(operation.error)

    def _on_tasks(self, operation) -> None:
        if operation.state != "succeeded":
            self._ui.statusLabel.setText(operation.error or "")
            return
        chosen = self._panel.parameters.task or (self.task or {}).get("id")
        selector = self._ui.taskSelector
        selector.blockSignals(True)
        selector.clear()
        self.tasks = operation.result
        self.tasks_known = True
        for task in self.tasks:
            selector.addItem(task["name"])
        ids = [task["id"] for task in self.tasks]
        selector.setCurrentIndex(ids.index(chosen) if chosen in ids else min(0, len(ids) - 1))
        selector.blockSignals(False)
        self._on_task_chosen()

    def _on_task_chosen(self, *_index) -> None:
        if self.task is not None:
            self._panel.parameters.task = self.task["id"]
        self.versions.refresh(self.task)
        self._panel.update()

    def _on_progress(self, operation) -> None:
        self._ui.segmentProgressBar.setValue(round(1000 * operation.fraction))
        self._ui.statusLabel.setText(progress(operation))

    def _on_finished(self, operation) -> None:
        self._operation = None
        if operation.state == "succeeded":
            node = operation.result
            kept = _("What was in it before is kept beside it, hidden.") if self._ui.replaceCheckBox.checked else ""
            self._ui.replaceCheckBox.setChecked(False)  # it is to be said anew each time
            self._panel.parameters.segmentation = node
            made = _("Made {name} in {time}.").format(
                name=node.GetName(), time=duration(time.monotonic() - self._begun)
            )
            self._ui.statusLabel.setText(f"{made} {kept}".strip())
        else:
            self._ui.statusLabel.setText(operation.error or _("Stopped. Nothing was changed."))
        self._panel.update()
