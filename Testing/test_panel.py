"""The module file, unmodified, in the test shell on the real scene and the real service, driven by clicks."""

from __future__ import annotations

import sys

import numpy as np
import pytest

import phantom
from finished_model import write_finished_model
from nodes import add_segmentation, add_volume, paint
from panel_driver import MODULE_FILE, opened_panel, picture, start_backend, until
from slicer_shell.application import LoadedModule, install
from UnifiedFocalSegLib import self_test_loop


@pytest.fixture
def module(scene):
    """The module, with settings of its own."""
    qt = install()
    qt.QSettings.values.clear()
    return LoadedModule(MODULE_FILE)


@pytest.fixture
def widget(scene, monkeypatch, tmp_path):
    """The panel, open, with a workspace of its own and no backend running."""
    with opened_panel(monkeypatch, tmp_path, 760) as widget:
        yield widget


def test_a_correction_is_not_saved_to_another_volume_on_the_same_grid(widget, scene):
    start_backend(widget)
    widget.logic.create_task("Phantom", "MRI", phantom.CLASSES, wait=True)
    widget.panel.segment.refresh_tasks()
    until(lambda: widget.ui.taskSelector.count == 1)
    image, label, geometry = phantom.study(0)
    one = add_volume(scene, image, geometry, "patient 1")
    two = add_volume(scene, image[::-1].copy(), geometry, "patient 2")
    node = add_segmentation(scene, two)
    paint(node, two, "dark", label == 4)
    widget.ui.segmentationSelector.setCurrentNode(node)
    widget.ui.inputSelector.setCurrentNode(one)
    assert not widget.ui.submitButton.enabled
    assert widget.ui.submitButton.toolTip == "by hand was made on patient 2. Choose that as the input volume."
    widget.ui.inputSelector.setCurrentNode(two)
    assert widget.ui.submitButton.enabled, widget.ui.submitButton.toolTip


def test_cancel_by_click(widget, scene):
    start_backend(widget)
    widget.logic.create_task("Phantom", "MRI", phantom.CLASSES, wait=True)
    widget.panel.segment.refresh_tasks()
    until(lambda: widget.ui.taskSelector.count == 1)
    widget.panel.segment.tasks[0]["promoted"] = "made up, so that the button can be pressed"
    add_volume(scene, *phantom.study(0)[::2], "T1")
    widget.initializeParameterNode()
    widget.ui.applyButton.click()
    assert widget.ui.applyButton.text == "Cancel"
    widget.ui.applyButton.click()
    assert not widget.ui.applyButton.enabled
    until(lambda: not widget.logic.operations)
    assert widget.ui.statusLabel.text == "Stopped. Nothing was changed."
    assert widget.ui.applyButton.text == "Segment"


def test_disabled_controls_say_why(widget, scene, module):
    ui = widget.ui
    assert ui.backendLabel.text == "Backend: not set up"
    until(lambda: ui.setupButton.enabled)
    for button in (ui.applyButton, ui.submitButton, ui.trainButton):
        assert not button.enabled
        assert button.toolTip == "The backend cannot be used yet. Press “Download and install” above."
    ui.pythonPathLineEdit.setCurrentPath(sys.executable)
    for button in (ui.applyButton, ui.submitButton, ui.trainButton):
        assert not button.enabled
        assert button.toolTip == "No backend is running. Start it first."
    assert module.module.parent.title == "Unified Focal Segmentation"


def test_backend_that_cannot_start_says_so(widget, scene):
    widget.ui.pythonPathLineEdit.setCurrentPath("/usr/bin/env")
    widget.ui.backendButton.click()
    assert widget.ui.backendLabel.text == "Backend: starting…"
    until(lambda: not widget.logic.operations)
    assert "could not start" in widget.ui.backendLabel.text
    assert widget.ui.backendButton.text == "Start backend"


def test_parameters_follow_widgets_and_widgets_follow_parameters(widget, scene):
    one, two = (add_volume(scene, np.zeros((2, 2, 2), np.int16), name=name) for name in ("one", "two"))
    node = widget._parameterNode
    widget.ui.inputSelector.setCurrentNode(two)
    assert node.inputVolume is two
    node.inputVolume = one
    assert widget.ui.inputSelector.currentNode() is one
    widget.ui.budgetSpinBox.setValue(12.5)
    assert node.budgetMinutes == 12.5
    node.note = "from the scene"
    assert widget.ui.noteLineEdit.text == "from the scene"


def test_colour_volumes_can_be_chosen_and_label_maps_cannot(widget, scene):
    grey = add_volume(scene, np.zeros((2, 2, 2), np.int16), name="grey")
    colour = add_volume(scene, np.zeros((2, 2, 2, 3), np.uint8), name="colour")
    scene.AddNewNodeByClass("vtkMRMLLabelMapVolumeNode", "labels")
    selector = widget.ui.inputSelector
    assert {selector.itemText(i) for i in range(selector.count)} == {"grey", "colour"}
    for node in (colour, grey):
        selector.setCurrentNode(node)
        assert widget._parameterNode.inputVolume is node


def test_scene_closed_and_module_left(widget, scene):
    add_volume(scene, np.zeros((2, 2, 2), np.int16), name="one")
    scene.Clear(0)
    assert widget._parameterNode.inputVolume is None
    add_volume(scene, np.zeros((2, 2, 2), np.int16), name="two")
    widget.exit()
    scene.Clear(0)
    widget.enter()
    assert widget.ui.inputSelector.count == 0


def test_the_modules_own_test_passes_here_too(module, monkeypatch, capsys):
    monkeypatch.setenv("UFSEG_PYTHON", sys.executable)
    module.python.UnifiedFocalSegTest().runTest()
    assert "Left out" not in capsys.readouterr().out


def test_the_modules_own_test_says_what_it_leaves_out(scene, monkeypatch):
    monkeypatch.setattr(self_test_loop, "default_python", lambda: None)
    assert self_test_loop.the_loop().startswith("Left out: the backend is not set up.")


def test_example_model_is_installed_by_one_click(widget, scene, tmp_path, monkeypatch):
    write_finished_model(tmp_path / "models" / "a-phantom-mri")
    monkeypatch.setattr("UnifiedFocalSegLib.connection.default_models", lambda: tmp_path / "models")
    ui = widget.ui
    assert not ui.installModelButton.visible
    start_backend(widget)
    until(lambda: ui.installModelButton.visible)
    assert ui.installModelButton.text == "Install example model “Phantom MRI”"
    assert "Published mean Dice: 0.500." in ui.installModelButton.toolTip
    ui.installModelButton.click()
    assert not ui.installModelButton.enabled
    assert not ui.backendButton.enabled
    until(lambda: ui.taskSelector.count == 1)
    until(lambda: not widget.logic.operations)
    assert not ui.installModelButton.visible
    assert "Installed as version 1" in ui.statusLabel.text
    assert widget.panel.segment.task["name"] == "Phantom MRI"

    volume = add_volume(scene, *phantom.study(0)[::2], "new patient")
    ui.inputSelector.setCurrentNode(volume)
    assert ui.applyButton.enabled, ui.applyButton.toolTip
    ui.applyButton.click()
    until(lambda: not widget.logic.operations)
    assert ui.segmentationSelector.currentNode().GetName() == "new patient segmentation"

    ui.applyButton.click()
    assert ui.applyButton.text == "Cancel"
    widget.exit()  # the user looks at another module meanwhile
    until(lambda: not widget.logic.operations)
    widget.enter()
    assert ui.segmentationSelector.currentNode().GetName() == "new patient segmentation_1"
    picture(widget, "panel-test-shell.png", tmp_path)


def test_the_example_model_is_not_offered_beside_tasks(widget, scene, tmp_path, monkeypatch):
    write_finished_model(tmp_path / "models" / "a-phantom-mri")
    monkeypatch.setattr("UnifiedFocalSegLib.connection.default_models", lambda: tmp_path / "models")
    start_backend(widget)
    until(lambda: widget.ui.installModelButton.visible)
    widget.logic.create_task("My own", "MRI", phantom.CLASSES, wait=True)
    widget.panel.segment.refresh_tasks()
    until(lambda: widget.ui.taskSelector.count == 1)
    assert not widget.ui.installModelButton.visible
