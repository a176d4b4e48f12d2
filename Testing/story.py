"""The steps of the clinician's story, each by the panel's controls; used straight through and interrupted."""

from __future__ import annotations

import os
import signal
import time
from dataclasses import dataclass, field

import numpy as np
import slicer

from nodes import add_segmentation, add_volume, paint, painted
from panel_driver import until
from UnifiedFocalSegLib import case_nodes


@dataclass(frozen=True)
class Study:
    """A case of the story.

    Args:
        image: ``[k, j, i]``.
        label: class values, of the same shape.
        geometry: the grid of both.
        subject: anonymous id.
    """

    image: np.ndarray
    label: np.ndarray
    geometry: object
    subject: str


@dataclass
class Story:
    """What a user does with an open panel.

    Args:
        widget: the module's widget.
        values: class values by the names that the task has.
        epochs: of a training, in place of the minutes that a user gives it.
        saved: label revisions that the panel has said to be saved, with their label maps by name.
    """

    widget: object
    values: dict[str, int]
    epochs: int = 1
    saved: dict[str, dict[str, np.ndarray]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        logic = self.widget.logic
        retrain = logic.retrain
        logic.retrain = lambda task, **options: retrain(
            task, **{**options, "budget_seconds": None, "epochs": self.epochs}
        )

    @property
    def ui(self):
        """The panel's controls."""
        return self.widget.ui

    def idle(self) -> None:
        """Wait until nothing is under way and nothing waits to begin."""
        until(lambda: not self.widget.logic.operations and not self.widget.panel.review._timer.active)

    def ready(self) -> None:
        """Wait for the backend; press the button if it does not come by itself."""
        panel = self.widget.panel

        def is_ready() -> bool:
            if panel.backend.problem and panel.backend._starting is None and self.ui.backendButton.enabled:
                self.ui.backendButton.click()
            return not panel.backend.problem

        until(is_ready)
        until(lambda: bool(panel.segment.tasks) or self.ui.installModelButton.visible)
        self.idle()

    def kill_backend(self) -> None:
        """As a crash would."""
        process = self.widget.logic._process
        os.kill(process.pid, signal.SIGKILL)
        while process.is_running():
            time.sleep(0.01)

    def close_scene(self) -> None:
        """File, Close scene."""
        slicer.mrmlScene.Clear(0)

    def load(self, study: Study, name: str):
        """The study's image in the scene, under its patient, chosen as input."""
        hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(slicer.mrmlScene)
        volume = add_volume(slicer.mrmlScene, study.image, study.geometry, name)
        hierarchy.CreateItem(hierarchy.CreateSubjectItem(hierarchy.GetSceneItemID(), study.subject), volume)
        self.ui.inputSelector.setCurrentNode(volume)
        return volume

    def press(self, button) -> None:
        """Click it, which must be possible."""
        assert button.enabled, button.toolTip
        button.click()

    def label(self, study: Study, name: str) -> None:
        """Draw the true label by hand and save it."""
        volume = self.load(study, name)
        node = add_segmentation(slicer.mrmlScene, volume, f"{name} by hand")
        for segment, value in self.values.items():
            paint(node, volume, segment, study.label == value)
        self.ui.segmentationSelector.setCurrentNode(node)
        self.idle()
        self.save()

    def segment(self, study: Study, name: str):
        """Segment by the button; volume and segmentation."""
        volume = self.load(study, name)
        self.ui.segmentationSelector.setCurrentNode(None)
        self.press(self.ui.applyButton)
        self.idle()
        node = self.ui.segmentationSelector.currentNode()
        assert node is not None, self.ui.statusLabel.text
        assert self.ui.statusLabel.text.startswith("Made "), self.ui.statusLabel.text
        return volume, node

    def correct(self, study: Study) -> None:
        """Paint what is missing of each class, with the segment editor."""
        editor = self.widget.panel.review.editor.widget
        node, volume = editor.segmentationNode(), editor.sourceVolumeNode()
        for segment, value in self.values.items():
            missing = (study.label == value) & ~painted(node, volume, segment)
            editor.paint(segment, missing)
        self.idle()

    def save(self) -> str:
        """Save the chosen segmentation; the revision's id."""
        self.press(self.ui.submitButton)
        self.idle()
        assert self.ui.correctionStatusLabel.text.startswith("Saved as revision"), self.ui.correctionStatusLabel.text
        return self.note_saved()

    def note_saved(self) -> str:
        """Remember what the panel has said to be saved."""
        node, volume = self.ui.segmentationSelector.currentNode(), self.ui.inputSelector.currentNode()
        revision = node.GetAttribute(case_nodes.REVISION)
        self.saved[revision] = {name: painted(node, volume, name) for name in self.values}
        return revision

    def retrain(self) -> None:
        """Train by the button, to the end."""
        self.press(self.ui.trainButton)
        self.idle()

    def versions(self) -> list[dict]:
        """Model versions of the chosen task, as the backend tells."""
        return self.widget.logic.client.models(self.widget.panel.segment.task["id"])

    def in_use(self) -> str:
        """Number of the version in use, as the table shows it."""
        table = self.ui.versionsTable
        rows = [[table.item(row, column).text() for column in (0, 1)] for row in range(table.rowCount)]
        return next((number for number, state in rows if state == "in use"), "")

    def use(self, number: str) -> None:
        """Have this version in use: by the gate, or promoted by hand."""
        if self.in_use() != number:
            table = self.ui.versionsTable
            numbers = [table.item(row, 0).text() for row in range(table.rowCount)]
            table.selectRow(numbers.index(number))
            self.idle()
            self.press(self.ui.promoteButton)
            self.idle()
        assert self.in_use() == number

    def choose_revision(self, case: str) -> None:
        """Choose the oldest revision of the case that bears this name or one that begins with it."""
        ui = self.ui
        ui.casesCollapsibleButton.collapsed = False
        names = [ui.casesTable.item(row, 0).text() for row in range(ui.casesTable.rowCount)]
        ui.casesTable.selectRow(next(row for row, name in enumerate(names) if name.startswith(case)))
        self.idle()
        ui.historyTable.selectRow(ui.historyTable.rowCount - 1)

    def reopen(self, case: str):
        """Open the case's oldest revision; volume and segmentation."""
        self.choose_revision(case)
        self.press(self.ui.openCaseButton)
        self.idle()
        return self.ui.inputSelector.currentNode(), self.ui.segmentationSelector.currentNode()

    def check_nothing_lost(self) -> None:
        """Every revision that was said to be saved is there with its voxels under its names."""
        from ufseg.images.class_table import ClassTable

        client = self.widget.logic.client
        task = self.widget.panel.segment.task
        table = ClassTable.of({entry["name"]: entry["value"] for entry in task["classes"]})
        known = {r["id"]: r for case in client.cases(task["id"]) for r in client.revisions(case["id"])}
        for revision, masks in self.saved.items():
            content = client.download(known[revision]["label"])
            voxels = np.frombuffer(content.partition(b"\n\n")[2], np.uint8)
            for name, mask in masks.items():
                value = dict(zip(table.names, table.values, strict=True))[name]
                np.testing.assert_array_equal(voxels.reshape(mask.shape) == value, mask)
