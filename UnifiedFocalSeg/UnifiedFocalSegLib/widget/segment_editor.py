"""Slicer's segment editor inside the panel."""

from __future__ import annotations

import slicer

_TAG = "UnifiedFocalSegSegmentEditor"
_UNDO_STATES = 10


class SegmentEditor:
    """The editor and its life cycle; made when it is first needed, for it is large.

    Args:
        frame: widget whose layout takes it.
    """

    def __init__(self, frame) -> None:
        self._frame = frame
        self.widget = None
        self._entered = False

    def enter(self) -> None:
        """The module is shown: react to keys and views again."""
        if self.widget is None:
            self._make()
        self._entered = True
        self._use_node()
        self.widget.installKeyboardShortcuts()
        self.widget.updateWidgetFromMRML()

    def exit(self) -> None:
        """Another module is shown: leave keys and views to it."""
        if self.widget is None or not self._entered:
            return
        self._entered = False
        self.widget.setActiveEffect(None)
        self.widget.uninstallKeyboardShortcuts()
        self.widget.removeViewObservations()

    def scene_closing(self) -> None:
        """Let go of the nodes that are removed now."""
        if self.widget is None:
            return
        self.widget.setActiveEffect(None)
        self.widget.setSourceVolumeNode(None)
        self.widget.setSegmentationNode(None)
        self.widget.removeViewObservations()

    def show(self, segmentation, volume) -> None:
        """Edit `segmentation` on `volume`; either may be None."""
        if self.widget is None or not self._entered:
            return
        self._use_node()
        if self.widget.segmentationNode() is not segmentation:
            self.widget.setSegmentationNode(segmentation)
        grey = volume if volume is not None and not volume.IsA("vtkMRMLVectorVolumeNode") else None
        if segmentation is not None and self.widget.sourceVolumeNode() is not grey:
            self.widget.setSourceVolumeNode(grey)

    def close(self) -> None:
        """The panel goes away."""
        self.exit()
        self.scene_closing()

    def _make(self) -> None:
        self.widget = slicer.qMRMLSegmentEditorWidget()
        self.widget.setMaximumNumberOfUndoStates(_UNDO_STATES)
        self.widget.setSegmentationNodeSelectorVisible(False)
        self.widget.setSourceVolumeNodeSelectorVisible(False)
        # In this order, or the widget would make a node of its own for the scene.
        self._use_node()
        self.widget.setMRMLScene(slicer.mrmlScene)
        self._frame.layout().addWidget(self.widget)

    def _use_node(self) -> None:
        """The one editor node of this module, apart from the Segment Editor module's."""
        scene = slicer.mrmlScene
        node = scene.GetSingletonNode(_TAG, "vtkMRMLSegmentEditorNode")
        if node is None:
            node = slicer.vtkMRMLSegmentEditorNode()
            node.SetSingletonTag(_TAG)
            node = scene.AddNode(node)
        if self.widget.mrmlSegmentEditorNode() is not node:
            self.widget.setMRMLSegmentEditorNode(node)
