"""Review, save, reopen, train and judge by clicks: the module file in the test shell with the real service."""

from __future__ import annotations

import numpy as np
import pytest
import slicer

import phantom
from datasets import write_dataset
from finished_model import write_finished_model
from nodes import add_segmentation, add_volume, paint, painted
from panel_driver import opened_panel, picture, start_backend, until
from UnifiedFocalSegLib import case_nodes

HEIGHT = 1500


@pytest.fixture
def widget(scene, monkeypatch, tmp_path):
    """The panel with a backend of its own and the untrained phantom model installed."""
    write_finished_model(tmp_path / "models" / "a-phantom-mri")
    monkeypatch.setattr("UnifiedFocalSegLib.connection.default_models", lambda: tmp_path / "models")
    with opened_panel(monkeypatch, tmp_path, HEIGHT) as widget:
        start_backend(widget)
        widget.ui.authorLineEdit.setText("A. Reader")
        yield widget


def idle(widget) -> None:
    """Wait until nothing is under way and nothing waits to begin."""
    until(lambda: not widget.logic.operations and not widget.panel.review._timer.active)


def install_model(widget) -> None:
    until(lambda: widget.ui.installModelButton.visible)
    widget.ui.installModelButton.click()
    until(lambda: widget.ui.taskSelector.count == 1)
    idle(widget)


def segment(widget, seed: int = 0, name: str = "head"):
    """A phantom in the scene, segmented by the button; volume and segmentation."""
    volume = add_volume(slicer.mrmlScene, *phantom.study(seed)[::2], name)
    widget.ui.inputSelector.setCurrentNode(volume)
    assert widget.ui.applyButton.enabled, widget.ui.applyButton.toolTip
    widget.ui.applyButton.click()
    idle(widget)
    return volume, widget.ui.segmentationSelector.currentNode()


def cells(table) -> list[list[str]]:
    """Texts of a table."""
    return [[table.item(row, column).text() for column in range(table.columnCount)] for row in range(table.rowCount)]


def label_by_clicks(widget, seed: int, subject: str) -> None:
    """A phantom with its true label, saved by the button."""
    image, label, geometry = phantom.study(seed)
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(slicer.mrmlScene)
    volume = add_volume(slicer.mrmlScene, image, geometry, f"study {seed}")
    hierarchy.CreateItem(hierarchy.CreateSubjectItem(hierarchy.GetSceneItemID(), subject), volume)
    node = add_segmentation(slicer.mrmlScene, volume, f"by hand {seed}")
    for name, value in phantom.VALUES.items():
        paint(node, volume, name, label == value)
    widget.ui.inputSelector.setCurrentNode(volume)
    widget.ui.segmentationSelector.setCurrentNode(node)
    assert widget.ui.submitButton.enabled, widget.ui.submitButton.toolTip
    widget.ui.submitButton.click()
    idle(widget)


def test_review_edit_compare_save_and_reopen(widget, scene, tmp_path):
    ui, panel = widget.ui, widget.panel
    assert ui.showComboBox.toolTip.startswith("Choose a segmentation")
    install_model(widget)
    volume, node = segment(widget)
    editor = panel.review.editor.widget
    assert (editor.segmentationNode(), editor.sourceVolumeNode()) == (node, volume)
    assert editor.shortcuts
    before = painted(node, volume, "dark")
    rows = cells(ui.measuresTable)
    assert [row[0] for row in rows] == ["bright", "dark"]
    assert {row[2] for row in rows} <= {"1.000", "–"}
    assert ui.measuresLabel.text == "Compared with the model's result."

    mask = ~before & (np.cumsum(~before).reshape(before.shape) <= 100)  # the first 100 voxels that are not dark
    assert np.count_nonzero(mask) == 100
    editor.paint("dark", mask)
    idle(widget)
    assert int(cells(ui.measuresTable)[1][3]) == 100
    editor.undo()
    idle(widget)
    assert cells(ui.measuresTable)[1][3:] == ["0", "0"]
    editor.paint("dark", mask)
    idle(widget)

    ui.showComboBox.setCurrentIndex(2)
    idle(widget)
    difference = panel.review._shown_node
    assert (node.GetDisplayVisibility(), difference.GetDisplayVisibility()) == (0, 1)
    np.testing.assert_array_equal(painted(difference, volume, "dark: added"), mask)
    picture(widget, "test-shell-review.png", tmp_path, part=ui.ReviewPanel)
    panel.review.show_next()
    idle(widget)
    assert ui.showComboBox.currentIndex == 0
    assert node.GetDisplayVisibility() == 1
    assert not scene.IsNodePresent(difference)

    ui.regionComboBox.setCurrentIndex(2)
    assert ui.submitButton.toolTip.startswith("Choose a region of interest")
    ui.newRoiButton.click()
    assert "count as corrected" in ui.regionWordsLabel.text
    ui.noteLineEdit.setText("lower pole")
    picture(widget, "test-shell-save-region.png", tmp_path, part=ui.CorrectionPanel)
    ui.submitButton.click()
    idle(widget)
    assert ui.correctionStatusLabel.text == "Saved as revision 1 by A. Reader."
    region = widget.logic.client.revisions(node.GetAttribute(case_nodes.CASE))[0]["region"]
    assert region == {"start": list(panel.review.box[0]), "stop": list(panel.review.box[1])}

    ui.regionComboBox.setCurrentIndex(1)
    assert ui.slicesPlaneSelector.itemText(0) == "axial (k)"
    ui.firstSliceSpinBox.setValue(2)
    ui.lastSliceSpinBox.setValue(5)
    assert ui.regionWordsLabel.text.startswith("Only axial slices 2 to 5 of 20 count as corrected (20% of the volume)")
    picture(widget, "test-shell-save-slices.png", tmp_path, part=ui.CorrectionPanel)
    ui.submitButton.click()
    idle(widget)

    scene.Clear(0)
    assert ui.segmentationSelector.count == 1
    ui.casesCollapsibleButton.collapsed = False
    (row,) = cells(ui.casesTable)
    assert (row[0], row[2], row[3], row[4]) == ("head", "yes", "2", "A. Reader")
    assert not ui.openCaseButton.enabled
    ui.casesTable.selectRow(0)
    idle(widget)
    history = cells(ui.historyTable)
    assert [r[0] for r in history] == ["2", "1"]
    assert history[1][3] == "first"
    ui.historyTable.selectRow(1)
    picture(widget, "test-shell-cases.png", tmp_path, part=ui.CasesPanel)
    ui.openCaseButton.click()
    idle(widget)
    opened = ui.segmentationSelector.currentNode()
    assert opened.GetName() == "head revision 1"
    assert ui.inputSelector.currentNode().GetName() == "head"
    np.testing.assert_array_equal(painted(opened, ui.inputSelector.currentNode(), "dark"), before | mask)


def test_slices_keys_and_leaving_the_module(widget, scene):
    ui, panel = widget.ui, widget.panel
    install_model(widget)
    volume, node = segment(widget)
    mask = np.zeros((20, 24, 28), bool)
    mask[[3, 4, 12]] = True
    paint(node, volume, "bright", np.zeros_like(mask))
    paint(node, volume, "dark", mask)
    idle(widget)
    ui.sliceSegmentSelector.setCurrentIndex(ui.sliceSegmentSelector.findText("dark"))
    ui.nextSliceButton.click()
    idle(widget)
    assert ui.sliceLabel.text == "The layout has no such view. Choose another view."
    view = slicer.vtkMRMLSliceNode()
    view.SetSingletonTag("Red")
    view.SetLayoutName("Red")
    view = scene.AddNode(view)
    assert view.GetID() == "vtkMRMLSliceNodeRed"
    view.SetOrientation("Axial")
    view.SetSliceOffset(7.5)
    offsets = []
    for _press in range(4):
        panel.review._press(ui.nextSliceButton)
        idle(widget)
        offsets.append(view.GetSliceOffset())
    np.testing.assert_allclose(offsets, [7.5 + 1.5 * k for k in (3, 4, 12, 12)])
    assert ui.sliceLabel.text == "There is no further slice with it in this direction."
    ui.previousSliceButton.click()
    idle(widget)
    assert view.GetSliceOffset() == pytest.approx(7.5 + 1.5 * 4)
    assert ui.sliceLabel.text == "Slice 2 of 3 with dark."
    ui.sliceSegmentSelector.setCurrentIndex(ui.sliceSegmentSelector.findText("bright"))
    ui.nextSliceButton.click()
    idle(widget)
    assert ui.sliceLabel.text == "The segment is empty."

    editor = panel.review.editor.widget
    assert len(panel.review._shortcuts._installed) == 3
    ui.showComboBox.setCurrentIndex(1)
    idle(widget)
    widget.exit()
    assert panel.review._shortcuts._installed == []
    assert (editor.shortcuts, editor.observes) == (False, False)
    assert node.GetDisplayVisibility() == 1
    widget.enter()
    assert editor.shortcuts
    assert editor.segmentationNode() is node
    scene.Clear(0)
    assert (editor.segmentationNode(), editor.sourceVolumeNode()) == (None, None)
    assert ui.measuresTable.rowCount == 0
    assert scene.GetSingletonNode("UnifiedFocalSegSegmentEditor", "vtkMRMLSegmentEditorNode") is not None
    volume, node = segment(widget, 3)
    assert editor.segmentationNode() is node


def test_train_judge_promote_and_roll_back(widget, scene, tmp_path):
    ui, panel = widget.ui, widget.panel
    widget.logic.create_task("Phantom", "MRI", phantom.CLASSES, validation_fraction=0.5, wait=True)
    panel.segment.refresh_tasks()
    until(lambda: ui.taskSelector.count == 1)
    for seed in range(4):
        label_by_clicks(widget, seed, f"PATIENT^{seed}")
    idle(widget)
    retrain, losses = widget.logic.retrain, []
    request = {"budget_seconds": None, "epochs": 1}
    widget.logic.retrain = lambda task, **options: losses.append(options) or retrain(task, **{**options, **request})
    ui.lossAdvancedButton.collapsed = False
    ui.deltaSpinBox.setValue(0.7)
    assert "Recommended" in ui.lossHelpLabel.text
    ui.trainButton.click()
    until(lambda: ui.curveButton.enabled)
    picture(widget, "test-shell-training.png", tmp_path, part=ui.TrainingPanel)
    ui.curveButton.click()
    idle(widget)
    assert losses[0]["loss"] == {
        "name": "asymmetric-unified-focal",
        "options": {"delta": 0.7, "gamma": 0.5, "focal_weight": 0.5},
    }
    assert "in use now" in ui.trainingStatusLabel.text
    assert scene.GetNumberOfNodesByClass("vtkMRMLPlotChartNode") == 1
    assert not ui.rollbackButton.enabled

    ui.lossSelector.setCurrentIndex(ui.lossSelector.findText("Dice"))
    assert not ui.deltaSpinBox.enabled
    ui.startSelector.setCurrentIndex(ui.startSelector.findText("Version 1"))
    ui.trainButton.click()
    idle(widget)
    assert losses[1]["loss"] == {"name": "dice", "options": {}}
    assert losses[1]["start"] == losses[1]["start"].lower() != "promoted"
    rows = cells(ui.versionsTable)
    assert [row[0] for row in rows] == ["2", "1"]
    assert rows[0][5] == "Dice"
    assert [row[0] for row in cells(ui.scoresTable)] == ["bright", "dark", "mean"]
    assert ui.gateLabel.text
    picture(widget, "test-shell-versions.png", tmp_path, part=ui.ModelsPanel)
    used = [row[0] for row in rows if row[1] == "in use"]
    ui.versionsTable.selectRow(0 if used == ["1"] else 1)
    idle(widget)
    assert ui.promoteButton.enabled, ui.promoteButton.toolTip
    picture(widget, "test-shell-version-not-in-use.png", tmp_path, part=ui.ModelsPanel)
    ui.promoteButton.click()
    idle(widget)
    other = [row[0] for row in cells(ui.versionsTable) if row[1] == "in use"]
    assert other != used
    assert ui.modelsStatusLabel.text == f"Version {other[0]} is in use now."
    assert "in use already" in ui.promoteButton.toolTip
    ui.rollbackButton.click()
    idle(widget)
    assert [row[0] for row in cells(ui.versionsTable) if row[1] == "in use"] == used


def test_new_task_and_import_by_the_wizard(widget, scene, tmp_path):
    ui, panel = widget.ui, widget.panel
    volume = add_volume(scene, *phantom.study(0)[::2], "T1")
    node = add_segmentation(scene, volume, "drawn")
    for name in ("bright", "dark"):
        paint(node, volume, name, np.ones((20, 24, 28), bool))
    ui.newTaskButton.click()
    wizard = panel.cases.wizard
    dialog = wizard.ui
    assert dialog.wizardProblemLabel.text.startswith("Give the task a name")
    assert not dialog.createTaskButton.enabled
    dialog.taskNameLineEdit.setText("Balls MRI")
    dialog.classNameLineEdit.setText("liver")
    dialog.addClassButton.click()
    assert cells(dialog.classesTable)[0] == ["liver", "", "SCT 10200004"]
    dialog.classesTable.item(0, 0).setText("hippocampus")
    assert cells(dialog.classesTable)[0][2] == "SCT 5366008"
    dialog.classesTable.selectRow(0)
    dialog.removeClassButton.click()
    assert cells(dialog.classesTable) == []
    dialog.classesSegmentationSelector.setCurrentNode(node)
    dialog.takeClassesButton.click()
    assert [row[0] for row in cells(dialog.classesTable)] == ["bright", "dark"]
    dialog.folderPathLineEdit.setCurrentPath("/data/balls")
    picture(wizard.dialog, "test-shell-new-task.png", tmp_path)
    dialog.folderPathLineEdit.setCurrentPath(str(write_dataset(tmp_path / "data", 3, damaged=1)))
    dialog.createTaskButton.click()
    idle(widget)
    task = panel.segment.task
    assert (task["name"], [c["name"] for c in task["classes"]]) == ("Balls MRI", ["bright", "dark"])
    assert ui.casesStatusLabel.text.startswith("2 of 3 cases imported.\nRefused: case2.")
    assert [row[0] for row in cells(ui.casesTable)] == ["case0", "case1"]
    ui.casesTable.selectRow(0)
    idle(widget)
    ui.openCaseButton.click()
    idle(widget)
    opened = ui.segmentationSelector.currentNode()
    np.testing.assert_array_equal(painted(opened, ui.inputSelector.currentNode(), "dark"), phantom.study(0)[1] == 4)

    ui.newTaskButton.click()
    panel.cases.wizard.ui.taskNameLineEdit.setText("balls mri")
    assert "already" in panel.cases.wizard.ui.wizardProblemLabel.text
    panel.cases.wizard.ui.cancelTaskButton.click()
    panel.cases.start_import(task, str(tmp_path / "nowhere"))
    idle(widget)
    assert "no dataset folder" in ui.casesStatusLabel.text


def test_a_training_that_went_on_without_slicer_is_shown_again(widget, scene):
    ui, panel = widget.ui, widget.panel
    widget.logic.create_task("Phantom", "MRI", phantom.CLASSES, validation_fraction=0.0, wait=True)
    panel.segment.refresh_tasks()
    until(lambda: ui.taskSelector.count == 1)
    label_by_clicks(widget, 0, "PATIENT^0")
    job = widget.logic.client.train(panel.segment.task["id"], {"epochs": 1_000_000, "author": "A. Reader"})
    assert ui.trainButton.text == "Train first model"
    panel.training._asked = ""  # as when the panel is opened for the first time
    panel.update()
    until(lambda: ui.trainButton.text == "Cancel training")
    until(lambda: ui.curveButton.enabled)
    ui.trainButton.click()
    idle(widget)
    assert ui.trainingStatusLabel.text == "Training stopped. The model in use stays as it was."
    assert widget.logic.client.job(job["id"])["state"] == "cancelled"


def test_what_disabled_controls_say(scene, monkeypatch, tmp_path):
    with opened_panel(monkeypatch, tmp_path, HEIGHT) as widget:
        ui = widget.ui
        for button in (ui.newTaskButton, ui.importButton, ui.openCaseButton, ui.promoteButton, ui.rollbackButton):
            assert not button.enabled
            assert button.toolTip == widget.panel.backend.problem != ""
        for control in (ui.previousSliceButton, ui.nextSliceButton, ui.showComboBox):
            assert not control.enabled
            assert control.toolTip == "Choose a segmentation, or segment a volume first."
        assert ui.curveButton.toolTip == "There is no curve yet."
        assert "paused" in ui.goOnCheckBox.toolTip
