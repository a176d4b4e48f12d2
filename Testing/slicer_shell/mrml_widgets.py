"""Stand-ins for the qMRML widgets that the panel uses, on the real scene."""

# ruff: noqa: N801 - named as the C++ classes they stand for
from __future__ import annotations

import qt
import slicer
from PySide6 import QtWidgets
from PySide6.QtCore import Property, Signal
from vtk.util.numpy_support import vtk_to_numpy

from .pythonqt import custom_widget


@custom_widget
class qMRMLWidget(qt.QWidget):
    """A widget that hands its scene to those inside it."""

    mrmlSceneChanged = Signal(object)

    def setMRMLScene(self, scene) -> None:
        self.mrmlSceneChanged.emit(scene)
        for child in QtWidgets.QWidget.findChildren(self, QtWidgets.QWidget):
            if hasattr(child, "setMRMLScene"):
                child.setMRMLScene(scene)


@custom_widget
class qMRMLNodeComboBox(qt.QComboBox):
    """A list of the scene's nodes of some types."""

    currentNodeChanged = Signal(object)

    def __init__(self, parent=None) -> None:
        super().__init__(parent)
        self._scene = None
        self._types: list[str] = []
        self._hidden: list[str] = []
        self._flags: dict[str, bool] = {}
        self._none = "None"
        self.currentIndexChanged.connect(lambda _index: self.currentNodeChanged.emit(self.currentNode()))

    def _flag(name: str) -> Property:  # noqa: N805 - runs while the class is made
        return Property(bool, lambda self: self._flags.get(name, False), lambda self, v: self._flags.update({name: v}))

    addEnabled, removeEnabled, noneEnabled = _flag("add"), _flag("remove"), _flag("none")
    renameEnabled, editEnabled, showChildNodeTypes = _flag("rename"), _flag("edit"), _flag("children")
    selectNodeUponCreation = _flag("select")
    nodeTypes = Property("QStringList", lambda self: self._types, lambda self, v: setattr(self, "_types", list(v)))
    hideChildNodeTypes = Property(
        "QStringList", lambda self: self._hidden, lambda self, v: setattr(self, "_hidden", list(v))
    )
    noneDisplay = Property(str, lambda self: self._none, lambda self, v: setattr(self, "_none", v))

    def setMRMLScene(self, scene) -> None:
        if scene is self._scene:
            return
        self._scene = scene
        events = (scene.NodeAddedEvent, scene.NodeRemovedEvent, scene.EndCloseEvent)
        tags = [scene.AddObserver(event, lambda *_: self.refresh()) for event in events]
        self.destroyed.connect(lambda *_: [scene.RemoveObserver(tag) for tag in tags])
        self.refresh()

    def refresh(self) -> None:
        """List the nodes that the scene holds now and keep the current one, if it is still there."""
        before = self.currentNodeID
        self.blockSignals(True)
        self.clear()
        if self.noneEnabled:
            self.addItem(self._none, "")
        for kind in self._types:
            for index in range(self._scene.GetNumberOfNodesByClass(kind)):
                node = self._scene.GetNthNodeByClass(index, kind)
                hidden = node.GetHideFromEditors() or any(node.IsA(h) for h in self._hidden)
                if not hidden and (self.showChildNodeTypes or node.GetClassName() == kind):
                    self.addItem(node.GetName(), node.GetID())
        self.setCurrentIndex(max(self.findData(before), 0 if self.count else -1))
        self.blockSignals(False)
        if self.currentNodeID != before:
            self.currentNodeChanged.emit(self.currentNode())

    @property
    def currentNodeID(self) -> str:
        return self.currentData or ""

    def currentNode(self):
        return self._scene.GetNodeByID(self.currentNodeID) if self._scene and self.currentNodeID else None

    def setCurrentNode(self, node) -> None:
        self.setCurrentIndex(self.findData(node.GetID() if node is not None else ""))


@custom_widget
class qMRMLSegmentEditorWidget(qt.QWidget):
    """The editor's life cycle on the real segment-editor logic; without effects, which are of the application.

    `paint` does what an effect does: it keeps a state for undo and changes the chosen segment by the logic.
    """

    def __init__(self, parent=None) -> None:
        super().__init__(parent)
        self.logic = slicer.vtkSlicerSegmentEditorLogic()
        self.shortcuts = self.observes = False
        self.hidden: set[str] = set()
        layout = qt.QVBoxLayout(self)
        self._text = qt.QLabel("")
        self._text.setWordWrap(True)
        layout.addWidget(self._text)
        self._show()

    def setMRMLSegmentEditorNode(self, node) -> None:
        self.logic.SetSegmentEditorNode(node)
        self._show()

    def mrmlSegmentEditorNode(self):
        return self.logic.GetSegmentEditorNode()

    def setMRMLScene(self, scene) -> None:
        assert self.mrmlSegmentEditorNode() is not None, "the node must be set before the scene"
        self.logic.SetMRMLScene(scene)

    def setSegmentationNode(self, node) -> None:
        self.logic.SetSegmentationNode(node)
        self._show()

    def segmentationNode(self):
        return self.logic.GetSegmentationNode()

    def setSourceVolumeNode(self, node) -> None:
        self.logic.SetSourceVolumeNode(node)
        self._show()

    def sourceVolumeNode(self):
        return self.logic.GetSourceVolumeNode()

    def setMaximumNumberOfUndoStates(self, count: int) -> None:
        self.logic.SetMaximumNumberOfUndoStates(count)

    def setSegmentationNodeSelectorVisible(self, visible: bool) -> None:
        """Nothing to hide."""

    def setSourceVolumeNodeSelectorVisible(self, visible: bool) -> None:
        """Nothing to hide."""

    def installKeyboardShortcuts(self) -> None:
        self.shortcuts = True

    def uninstallKeyboardShortcuts(self) -> None:
        self.shortcuts = False

    def updateWidgetFromMRML(self) -> None:
        self.observes = True
        self._show()

    def removeViewObservations(self) -> None:
        self.observes = False

    def setActiveEffect(self, effect) -> None:
        """No effect can be active here."""

    def undo(self) -> None:
        self.logic.Undo()

    def paint(self, name: str, mask) -> None:
        """Add the voxels of `mask` (bool ``[k, j, i]`` on the source volume) to a segment, as Paint does."""
        segmentation = self.segmentationNode()
        segment = segmentation.GetSegmentation().GetSegmentIdBySegmentName(name)
        self.logic.SetCurrentSegmentID(segment)
        self.logic.UpdateReferenceGeometryImage()
        self.logic.SaveStateForUndo()
        self.logic.ResetModifierLabelmapToDefault()
        modifier = self.logic.GetModifierLabelmap()
        vtk_to_numpy(modifier.GetPointData().GetScalars()).reshape(mask.shape)[mask] = 1
        modifier.Modified()
        self.logic.ModifySegmentByLabelmap(
            segmentation, segment, modifier, self.logic.ModificationModeAdd, False, False
        )

    def _show(self) -> None:
        nodes = (self.segmentationNode(), self.sourceVolumeNode())
        names = ["none" if node is None else node.GetName() for node in nodes]
        self._text.setText(f"[Segment editor of the application, here without effects: {names[0]} on {names[1]}]")


def install() -> None:
    """Make the widgets attributes of `slicer`, as in the application."""
    for cls in (qMRMLWidget, qMRMLNodeComboBox, qMRMLSegmentEditorWidget):
        setattr(slicer, cls.__name__, cls)
