"""Saving the segmentation as a correction from which the model can learn."""

from __future__ import annotations

import qt
from slicer.i18n import tr as _

from UnifiedFocalSegLib.case_nodes import made_from_another
from UnifiedFocalSegLib.identity import default_author

from .words import offer

AUTHOR_SETTING = "UnifiedFocalSeg/Author"


class CorrectionPart:
    """Submits the chosen segmentation.

    Args:
        panel: the panel, for its ui, logic, parameter node and backend state.
    """

    def __init__(self, panel) -> None:
        self._panel, self._ui, self._logic = panel, panel.ui, panel.logic
        self._operation = None
        self._ui.authorLineEdit.setText(qt.QSettings().value(AUTHOR_SETTING, "") or default_author())
        self._ui.authorLineEdit.connect("textChanged(QString)", self._save_author)
        self._ui.submitButton.connect("clicked(bool)", self.on_button)

    def on_button(self) -> None:
        """Submit."""
        node, task = self._panel.parameters, self._panel.segment.task
        self._operation = self._logic.submit_correction(
            node.segmentation, node.inputVolume, author=self._ui.authorLineEdit.text, note=node.note, task=task
        )
        self._operation.changed.connect(self._on_progress)
        self._operation.finished.connect(self._on_finished)
        self._panel.update()

    def update(self) -> None:
        """Enable what can be done now and explain what cannot."""
        node = self._panel.parameters
        reason = self._panel.backend.problem
        if not reason and self._operation is not None:
            reason = _("A correction is being saved.")
        if not reason and node.segmentation is None:
            reason = _("Choose the segmentation to save, or segment a volume first.")
        if not reason and node.inputVolume is None:
            reason = _("Choose the input volume that the segmentation belongs to.")
        if not reason and (other := made_from_another(node.segmentation, node.inputVolume)) is not None:
            reason = _("{segmentation} was made on {volume}. Choose that as the input volume.").format(
                segmentation=node.segmentation.GetName(), volume=other.GetName()
            )
        if not reason and self._panel.segment.task is None:
            reason = _("Choose a task.")
        if not reason and not self._ui.authorLineEdit.text.strip():
            reason = _("Enter the author's name.")
        offer(
            self._ui.submitButton,
            reason,
            _("Save the segmentation as the newest correction of this volume. Earlier ones are kept."),
        )

    def _save_author(self) -> None:
        qt.QSettings().setValue(AUTHOR_SETTING, self._ui.authorLineEdit.text)
        self._panel.update()

    def _on_progress(self, operation) -> None:
        self._ui.correctionStatusLabel.setText(operation.stage)

    def _on_finished(self, operation) -> None:
        self._operation = None
        if operation.state == "succeeded":
            saved = operation.result
            text = _("Saved as revision {number} by {author}.").format(number=saved["number"], author=saved["author"])
        else:
            text = operation.error or _("Stopped. Nothing was saved.")
        self._ui.correctionStatusLabel.setText(text)
        self._panel.segment.refresh_tasks()
        self._panel.update()
