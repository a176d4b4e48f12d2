"""Saving the segmentation as a correction from which the model can learn."""

from __future__ import annotations

import qt
from slicer.i18n import tr as _

from UnifiedFocalSegLib.case_nodes import made_from_another
from UnifiedFocalSegLib.errors import SceneError
from UnifiedFocalSegLib.identity import default_author
from UnifiedFocalSegLib.regions import Region, add_roi, plane_names, roi_region, slices_region
from UnifiedFocalSegLib.scene import volume_geometry

from .region_words import in_words
from .words import offer

AUTHOR_SETTING = "UnifiedFocalSeg/Author"
_EVERYWHERE, _SLICES, _ROI = range(3)


class CorrectionPart:
    """Saves the chosen segmentation, or a part of it.

    Args:
        panel: the panel, for its ui, logic, parameter node and backend state.
    """

    def __init__(self, panel) -> None:
        self._panel, self._ui, self._logic = panel, panel.ui, panel.logic
        self._operation = None
        self._planes_of = None
        ui = self._ui
        ui.authorLineEdit.setText(qt.QSettings().value(AUTHOR_SETTING, "") or default_author())
        ui.authorLineEdit.connect("textChanged(QString)", self._save_author)
        ui.submitButton.connect("clicked(bool)", self.on_button)
        ui.newRoiButton.connect("clicked(bool)", self.on_new_roi)
        ui.regionComboBox.connect("currentIndexChanged(int)", lambda *_: self._panel.update())
        ui.slicesPlaneSelector.connect("currentIndexChanged(int)", lambda *_: self._limit_slices())
        for spin in (ui.firstSliceSpinBox, ui.lastSliceSpinBox):
            spin.connect("valueChanged(int)", lambda *_: self._panel.update())

    def enter(self) -> None:
        """Nothing to do."""

    def exit(self) -> None:
        """Nothing to do."""

    def scene_closing(self) -> None:
        """The region belonged to the scene's volume."""
        self._planes_of = None
        self._ui.correctionStatusLabel.setText("")
        self._ui.regionComboBox.setCurrentIndex(_EVERYWHERE)

    def close(self) -> None:
        """Nothing to do."""

    def on_button(self) -> None:
        """Save."""
        node, task = self._panel.parameters, self._panel.segment.task
        try:
            region = self._region()
        except SceneError as error:  # the region was moved a moment ago
            self._ui.correctionStatusLabel.setText(str(error))
            return
        self._operation = self._logic.submit_correction(
            node.segmentation,
            self._panel.segment.volumes,
            author=self._ui.authorLineEdit.text,
            note=node.note,
            task=task,
            region=region,
        )
        self._operation.changed.connect(self._on_progress)
        self._operation.finished.connect(self._on_finished)
        self._panel.update()

    def on_new_roi(self) -> None:
        """Put a region of interest around what was changed, or around the whole volume."""
        node = self._panel.parameters
        node.regionOfInterest = add_roi(node.inputVolume, self._panel.review.box)
        self._panel.update()

    def update(self) -> None:
        """Enable what can be done now and explain what cannot."""
        ui, node = self._ui, self._panel.parameters
        problem = ""
        if node.segmentation is None:
            problem = _("Choose the segmentation to save, or segment a volume first.")
        elif node.inputVolume is None:
            problem = _("Choose the input volume that the segmentation belongs to.")
        elif (other := made_from_another(node.segmentation, node.inputVolume)) is not None:
            problem = _("{segmentation} was made on {volume}. Choose that as the input volume.").format(
                segmentation=node.segmentation.GetName(), volume=other.GetName()
            )
        else:
            problem = _grid_problem(node.inputVolume) or self._panel.segment.channels.problem
        self._update_region(problem)
        reason = self._panel.backend.problem
        if not reason and self._operation is not None:
            reason = _("A correction is being saved.")
        reason = reason or problem or self._region_problem()
        if not reason and self._panel.segment.task is None:
            reason = _("Choose a task.")
        if not reason and not ui.authorLineEdit.text.strip():
            reason = _("Enter the author's name.")
        offer(
            ui.submitButton,
            reason,
            _("Save the segmentation as the newest correction of this volume. Earlier ones are kept."),
        )

    def _update_region(self, problem: str) -> None:
        ui, chosen = self._ui, self._ui.regionComboBox.currentIndex
        what = _("Where the segmentation was looked at. What lies elsewhere is unknown to the training.")
        offer(ui.regionComboBox, problem, what)
        ui.slicesFrame.setVisible(chosen == _SLICES)
        ui.roiFrame.setVisible(chosen == _ROI)
        offer(ui.newRoiButton, problem, _("Make a box along the volume's axes that holds all that was changed so far."))
        if problem:
            ui.regionWordsLabel.setText("")
            return
        self._list_planes()
        said = self._region_problem()
        if not said:
            said = in_words(self._region(), volume_geometry(self._panel.parameters.inputVolume))
        ui.regionWordsLabel.setText(said)

    def _region(self) -> Region | None:
        """The chosen region; None for everywhere.

        Raises:
            SceneError: it cannot be used.
        """
        ui, node = self._ui, self._panel.parameters
        if ui.regionComboBox.currentIndex == _SLICES:
            axis = max(0, ui.slicesPlaneSelector.currentIndex)
            geometry = volume_geometry(node.inputVolume)
            return slices_region(geometry, 2 - axis, ui.firstSliceSpinBox.value, ui.lastSliceSpinBox.value)
        if ui.regionComboBox.currentIndex == _ROI:
            if node.regionOfInterest is None:
                raise SceneError(_("Choose a region of interest, or make one with the button."))
            return roi_region(node.regionOfInterest, node.inputVolume)
        return None

    def _region_problem(self) -> str:
        try:
            self._region()
        except SceneError as error:
            return str(error)
        return ""

    def _list_planes(self) -> None:
        """Offer the axes of the chosen volume, the one along which it was acquired first."""
        volume, selector = self._panel.parameters.inputVolume, self._ui.slicesPlaneSelector
        geometry = volume_geometry(volume)
        if self._planes_of == (volume.GetID(), geometry):
            return
        self._planes_of = (volume.GetID(), geometry)
        selector.blockSignals(True)
        selector.clear()
        for name, letter in zip(reversed(plane_names(geometry)), ("k", "j", "i"), strict=True):
            selector.addItem(_("{plane} ({axis})").format(plane=name, axis=letter))
        selector.blockSignals(False)
        self._limit_slices()

    def _limit_slices(self) -> None:
        volume = self._panel.parameters.inputVolume
        if volume is None or _grid_problem(volume):
            return
        last = volume_geometry(volume).size[2 - max(0, self._ui.slicesPlaneSelector.currentIndex)] - 1
        for spin in (self._ui.firstSliceSpinBox, self._ui.lastSliceSpinBox):
            spin.setMaximum(last)
        self._ui.firstSliceSpinBox.setValue(0)
        self._ui.lastSliceSpinBox.setValue(last)

    def _save_author(self, *_text) -> None:
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
        self._panel.cases.refresh()
        self._panel.update()


def _grid_problem(volume) -> str:
    """Why the volume's voxels cannot be counted, in a sentence; empty if they can."""
    try:
        volume_geometry(volume)
    except SceneError as error:
        return str(error)
    return ""
