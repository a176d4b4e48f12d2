"""Looking at a result: measures, what was changed, and the slices that matter."""

from __future__ import annotations

import qt
import slicer
from slicer.i18n import tr as _

from UnifiedFocalSegLib.case_nodes import TASK, is_present
from UnifiedFocalSegLib.measuring import MODELS_RESULT, SAVED_REVISION, reference_of
from UnifiedFocalSegLib.segment_slices import neighbour

from .segment_editor import SegmentEditor
from .shortcuts import Shortcuts
from .tables import Rows, number
from .words import offer

# After the last of many strokes in a row; measuring between them would be of no use.
_QUIET_MILLISECONDS = 400
_SHOWN = ("corrected", "original", "difference")
# Slicer's names of its slice views, which the box shows in the user's language.
_VIEWS = ("Red", "Yellow", "Green")


class ReviewPart:
    """Measures and compares the chosen segmentation, and edits it.

    Args:
        panel: the panel, for its ui, logic, parameter node and chosen task.
    """

    def __init__(self, panel) -> None:
        self._panel, self._ui, self._logic = panel, panel.ui, panel.logic
        self.editor = SegmentEditor(self._ui.editorFrame)
        self.box = None
        self._watched = self._tags = None
        self._measuring = self._comparing = self._finding = None
        self._stale = False
        self._shown_node = self._compared = self._hidden = None
        self._entered = False
        self._rows = Rows(self._ui.measuresTable)
        self._timer = qt.QTimer()
        self._timer.setSingleShot(True)
        self._timer.setInterval(_QUIET_MILLISECONDS)
        self._timer.connect("timeout()", self._measure)
        self._ui.showComboBox.connect("currentIndexChanged(int)", self.on_show)
        self._ui.previousSliceButton.connect("clicked(bool)", lambda *_: self.go_to_slice(-1))
        self._ui.nextSliceButton.connect("clicked(bool)", lambda *_: self.go_to_slice(1))
        self._shortcuts = Shortcuts(
            (
                ("Shift+B", lambda: self._press(self._ui.previousSliceButton)),
                ("Shift+F", lambda: self._press(self._ui.nextSliceButton)),
                ("Shift+D", self.show_next),
            )
        )

    def enter(self) -> None:
        """The module is shown."""
        self._entered = True
        self.editor.enter()
        self._shortcuts.install(self._ui.showComboBox)
        self._follow()

    def exit(self) -> None:
        """Another module is shown: no keys, no work, and the segmentation as it was."""
        self._entered = False
        self._ui.showComboBox.setCurrentIndex(0)
        self._unwatch()
        self._shortcuts.remove()
        self.editor.exit()

    def scene_closing(self) -> None:
        """Let go of its nodes."""
        self._unwatch()
        self._shown_node = self._compared = self._hidden = None
        self.box = None
        self.editor.scene_closing()
        self._rows.fill([])
        for label in (self._ui.measuresLabel, self._ui.sliceLabel):
            label.setText("")

    def close(self) -> None:
        """The panel goes away."""
        self.exit()
        self._timer.stop()
        self.editor.close()

    def update(self) -> None:
        """Enable what can be done now and explain what cannot."""
        ui = self._ui
        node = self._panel.parameters.segmentation
        self._follow()
        problem = "" if node is not None else _("Choose a segmentation, or segment a volume first.")
        if not problem and self._volume() is None:
            problem = _("Choose the input volume that the segmentation belongs to.")
        empty = problem or ("" if ui.sliceSegmentSelector.count else _("The segmentation has no segments."))
        searching = empty or ("" if self._finding is None else _("Looking for the slice…"))
        offer(ui.previousSliceButton, searching, _("The slice before that contains the segment (Shift+B)."))
        offer(ui.nextSliceButton, searching, _("The next slice that contains the segment (Shift+F)."))
        offer(ui.sliceSegmentSelector, empty, _("Which segment the two buttons below look for."))
        nothing = problem or self._nothing_to_compare(node)
        busy = nothing or ("" if self._comparing is None else _("Comparing…"))
        offer(ui.showComboBox, busy, _("What the views show. Shift+D goes through all three."))

    # Corrected, original, difference

    def on_show(self, *_index) -> None:
        """Show what the box says."""
        what = _SHOWN[self._ui.showComboBox.currentIndex]
        segmentation, volume = self._panel.parameters.segmentation, self._volume()
        if what == "corrected" or segmentation is None or volume is None:
            self._show_only(None)
            return
        self._compared = segmentation
        self._comparing = self._logic.compare_in_scene(segmentation, volume, what)
        self._comparing.finished.connect(self._on_compared)
        self.update()

    def show_next(self) -> None:
        """Corrected, original, difference, and round again."""
        box = self._ui.showComboBox
        if box.enabled:
            box.setCurrentIndex((box.currentIndex + 1) % len(_SHOWN))

    def _on_compared(self, operation) -> None:
        self._comparing = None
        if operation.state == "succeeded":
            self._show_only(operation.result)
            if self._ui.showComboBox.currentIndex == 0:  # the user has looked away meanwhile
                self._show_only(None)
        else:
            self._ui.showComboBox.setCurrentIndex(0)
            self._ui.measuresLabel.setText(operation.error or "")
        self.update()

    def _show_only(self, node) -> None:
        """Show `node` in place of the segmentation that it was compared with; that segmentation itself if None."""
        if self._shown_node is not None and is_present(self._shown_node) and self._shown_node is not node:
            slicer.mrmlScene.RemoveNode(self._shown_node)
        self._shown_node = node
        if self._hidden is not None and is_present(self._hidden):
            self._hidden.SetDisplayVisibility(True)
        self._hidden = self._compared if node is not None else None
        if self._hidden is not None:
            self._hidden.SetDisplayVisibility(False)

    @staticmethod
    def _nothing_to_compare(node) -> str:
        if reference_of(node)[0]:
            return ""
        return _("This segmentation was not made by a model nor saved, so there is nothing to compare it with.")

    # Slices

    def go_to_slice(self, direction: int) -> None:
        """Move the view to the slice before (−1) or after (+1) that contains the segment."""
        segmentation, volume = self._panel.parameters.segmentation, self._volume()
        view = slicer.mrmlScene.GetNodeByID(f"vtkMRMLSliceNode{_VIEWS[self._ui.sliceViewSelector.currentIndex]}")
        if view is None:
            self._ui.sliceLabel.setText(_("The layout has no such view. Choose another view."))
            return
        normal = [view.GetSliceToRAS().GetElement(row, 2) for row in range(3)]
        name = self._ui.sliceSegmentSelector.currentText
        self._finding = self._logic.slices_with(segmentation, volume, name, normal)
        self._finding.finished.connect(lambda operation: self._on_slices(operation, view, direction))
        self.update()

    def _on_slices(self, operation, view, direction: int) -> None:
        self._finding = None
        text = operation.error or ""
        if operation.state == "succeeded":
            offsets, step = operation.result
            found = neighbour(offsets, step, view.GetSliceOffset(), direction)
            if found is not None:
                view.SetSliceOffset(found)
                place = int((offsets <= found + step / 2).sum())
                text = _("Slice {place} of {count} with {name}.").format(
                    place=place, count=len(offsets), name=self._ui.sliceSegmentSelector.currentText
                )
            elif len(offsets):
                text = _("There is no further slice with it in this direction.")
            else:
                text = _("The segment is empty.")
        self._ui.sliceLabel.setText(text)
        self.update()

    @staticmethod
    def _press(button) -> None:
        if button.enabled:
            button.click()

    # Measures

    def _follow(self) -> None:
        """Watch the chosen segmentation for changes."""
        if not self._entered:
            return
        node = self._panel.parameters.segmentation
        self.editor.show(node, self._volume())
        if node is self._watched:
            return
        self._unwatch()
        if node is None:
            self._rows.fill([])
            self._ui.sliceSegmentSelector.clear()
            return
        self._watched = node
        events = slicer.vtkSegmentation
        self._tags = [
            node.AddObserver(event, self._on_changed)
            for event in (
                events.SourceRepresentationModified,
                events.SegmentAdded,
                events.SegmentRemoved,
                events.SegmentModified,
            )
        ]
        self._ui.showComboBox.setCurrentIndex(0)
        self._on_changed()

    def _unwatch(self) -> None:
        if self._watched is not None:
            for tag in self._tags:
                self._watched.RemoveObserver(tag)
        self._watched = self._tags = None
        self._timer.stop()

    def _on_changed(self, *_arguments) -> None:
        self._timer.start()

    def _measure(self) -> None:
        node, volume = self._panel.parameters.segmentation, self._volume()
        if node is None or volume is None or node is not self._watched:
            return
        if self._measuring is not None:
            self._stale = True
            return
        self._list_segments(node)
        task = self._panel.segment.task
        classes = task["classes"] if task is not None and node.GetAttribute(TASK) in (None, task["id"]) else None
        self._measuring = self._logic.measure(node, volume, classes)
        self._measuring.finished.connect(self._on_measured)

    def _on_measured(self, operation) -> None:
        self._measuring = None
        if self._stale:
            self._stale = False
            self._timer.start()
        if operation.state == "succeeded":
            review = operation.result
            self.box = review.box
            self._rows.fill(
                [
                    (
                        m.name,
                        [
                            m.name,
                            number(m.millilitres),
                            number(m.dice),
                            number(m.added, "{:d}"),
                            number(m.removed, "{:d}"),
                        ],
                    )
                    for m in review.measures
                ]
            )
            words = {MODELS_RESULT: _("the model's result"), SAVED_REVISION: _("what was saved last")}
            against = words.get(review.reference)
            self._ui.measuresLabel.setText(_("Compared with {what}.").format(what=against) if against else "")
        elif operation.error:
            self._ui.measuresLabel.setText(operation.error)
        self._panel.update()

    def _list_segments(self, node) -> None:
        selector, data = self._ui.sliceSegmentSelector, node.GetSegmentation()
        names = [data.GetNthSegment(index).GetName() for index in range(data.GetNumberOfSegments())]
        if names == [selector.itemText(index) for index in range(selector.count)]:
            return
        before = selector.currentText
        selector.clear()
        for name in names:
            selector.addItem(name)
        selector.setCurrentIndex(names.index(before) if before in names else min(0, len(names) - 1))

    def _volume(self):
        return self._panel.parameters.inputVolume
