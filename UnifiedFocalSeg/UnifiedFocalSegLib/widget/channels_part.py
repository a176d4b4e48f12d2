"""A selector for each further channel of a task, shown only where one volume is not enough."""

from __future__ import annotations

import qt
import slicer
from slicer.i18n import tr as _

# Role of the chosen volumes in the parameter node, so that they are saved with the scene.
_ROLE = "channelVolume"


class ChannelsPart:
    """The volumes beside the input volume.

    Args:
        panel: the panel, for its ui and parameter node.
        on_changed: called when another volume was chosen.
    """

    def __init__(self, panel, on_changed) -> None:
        self._panel, self._ui, self._on_changed = panel, panel.ui, on_changed
        self._rows: list[tuple] = []
        self._names: list[str] = []

    @property
    def volumes(self) -> list:
        """The input volume and those of the further channels; None where none is chosen."""
        node = self._panel.parameters
        further = [node.parameterNode.GetNthNodeReference(_ROLE, index) for index in range(len(self._names))]
        return [node.inputVolume, *further]

    @property
    def problem(self) -> str:
        """Which volume is missing, or chosen twice, in a sentence; empty if there is one for each channel."""
        chosen = self.volumes
        if chosen[0] is None:
            return _("Choose an input volume.")
        for name, volume in zip(self._names, chosen[1:], strict=True):
            if volume is None:
                return _("Choose the volume of the channel {name}.").format(name=name)
        ids = [volume.GetID() for volume in chosen]
        if len(set(ids)) < len(ids):
            return _("The same volume is chosen for two channels.")
        return ""

    def update(self, task: dict | None) -> None:
        """Show as many selectors as the task has channels that the input volume does not hold itself."""
        names = list((task or {}).get("channels") or ["image"])
        volume = self._panel.parameters.inputVolume
        image = volume.GetImageData() if volume is not None else None
        held = image.GetNumberOfScalarComponents() if image is not None else 1
        several = len(names) > 1 and held == 1
        label = _("Input volume ({channel}):").format(channel=names[0]) if several else _("Input volume:")
        self._ui.inputVolumeLabel.setText(label)
        self._names = names[1:] if several else []
        while len(self._rows) < len(self._names):
            self._add_row(len(self._rows))
        for index, (row_label, selector) in enumerate(self._rows):
            used = index < len(self._names)
            row_label.setVisible(used)
            selector.setVisible(used)
            if used:
                row_label.setText(_("{channel}:").format(channel=self._names[index]))
                row_label.setMinimumWidth(self._ui.inputVolumeLabel.sizeHint().width())
                selector.setToolTip(_("The volume of the channel {name}.").format(name=self._names[index]))
                self._show(selector, self._panel.parameters.parameterNode.GetNthNodeReference(_ROLE, index))
        self._ui.channelsWidget.setVisible(bool(self._names))

    def _show(self, selector, node) -> None:
        if selector.currentNode() is not node:
            selector.blockSignals(True)
            selector.setCurrentNode(node)
            selector.blockSignals(False)

    def _add_row(self, index: int) -> None:
        selector = slicer.qMRMLNodeComboBox()
        selector.nodeTypes = ["vtkMRMLScalarVolumeNode"]
        selector.showChildNodeTypes = False
        selector.noneEnabled = True
        selector.addEnabled = selector.removeEnabled = False
        selector.setMRMLScene(slicer.mrmlScene)
        label = qt.QLabel("")
        self._ui.channelsWidget.layout().addRow(label, selector)
        self._rows.append((label, selector))
        selector.connect("currentNodeChanged(vtkMRMLNode*)", lambda node: self._on_chosen(index, node))

    def _on_chosen(self, index: int, node) -> None:
        if index < len(self._names):
            parameters = self._panel.parameters.parameterNode
            parameters.SetNthNodeReferenceID(_ROLE, index, node.GetID() if node is not None else None)
            self._on_changed()
