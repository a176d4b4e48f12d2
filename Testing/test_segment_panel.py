"""Segmenting by clicks: channels, versions, replacing, 3D, and that nothing keeps the GUI thread."""

from __future__ import annotations

import numpy as np
import pytest
import slicer

import phantom
from finished_model import write_finished_model
from nodes import add_segmentation, add_volume, paint, painted, segment_names
from panel_driver import opened_panel, picture, start_backend, until
from stalls import LONGEST_SECONDS


@pytest.fixture
def widget(scene, stalls, monkeypatch, tmp_path):
    """The panel with a backend and two untrained models: for one channel, and for two."""
    write_finished_model(tmp_path / "models" / "a-phantom-mri")
    write_finished_model(tmp_path / "models" / "two-channels", "Two channels", ("T1", "T2"))
    monkeypatch.setattr("UnifiedFocalSegLib.connection.default_models", lambda: tmp_path / "models")
    with opened_panel(monkeypatch, tmp_path, 1000) as widget:
        start_backend(widget)
        for model in ("a-phantom-mri", "two-channels"):
            widget.logic.install_model(model, wait=True)
        widget.panel.segment.refresh_tasks()
        until(lambda: widget.ui.taskSelector.count == 2)
        idle(widget)
        yield widget


def idle(widget) -> None:
    until(lambda: not widget.logic.operations)


def choose_task(widget, name: str) -> None:
    widget.ui.taskSelector.setCurrentIndex(widget.ui.taskSelector.findText(name))
    idle(widget)


def segment(widget):
    """Press Segment and return the segmentation that is chosen then."""
    assert widget.ui.applyButton.enabled, widget.ui.applyButton.toolTip
    widget.ui.applyButton.click()
    until(lambda: widget.ui.applyButton.text == "Segment")
    return widget.ui.segmentationSelector.currentNode()


def test_replacing_keeps_what_was_painted(widget, scene, tmp_path):
    """A new node each time; into an existing one only when told to, and then nothing of it is lost."""
    ui = widget.ui
    choose_task(widget, "Phantom MRI")
    image, label, geometry = phantom.study(0)
    volume = add_volume(scene, image, geometry, "T1")
    ui.inputSelector.setCurrentNode(volume)
    assert not ui.replaceCheckBox.enabled
    assert ui.replaceCheckBox.toolTip == "No segmentation is chosen, so a new one is made."
    assert not ui.channelsWidget.visible
    first = segment(widget)
    assert ui.versionSelector.currentText == "In use: version 1 (Dice 0.50)"
    paint(first, volume, "dark", label == 4)
    paint(first, volume, "bright", label == 1)

    second = segment(widget)
    assert second is not first
    np.testing.assert_array_equal(painted(first, volume, "dark"), label == 4)

    ui.segmentationSelector.setCurrentNode(first)
    ui.replaceCheckBox.setChecked(True)
    widget.panel.update()
    assert "kept beside it" in ui.applyButton.toolTip
    assert segment(widget) is first
    assert not ui.replaceCheckBox.checked, "it is said anew each time"
    assert "kept beside it, hidden" in ui.statusLabel.text
    np.testing.assert_array_equal(painted(first, volume, "dark"), painted(second, volume, "dark"))
    kept = slicer.util.getNode("T1 segmentation before")
    np.testing.assert_array_equal(painted(kept, volume, "dark"), label == 4)
    assert not kept.GetDisplayNode().GetVisibility()
    assert {ui.segmentationSelector.itemText(i) for i in range(ui.segmentationSelector.count)} >= {kept.GetName()}

    ui.show3DCheckBox.click()
    until(lambda: first.GetSegmentation().ContainsRepresentation("Closed surface"))
    assert first.GetDisplayNode().GetVisibility3D()
    ui.show3DCheckBox.click()
    until(lambda: not first.GetDisplayNode().GetVisibility3D())
    picture(widget, "test-shell-segmented.png", tmp_path, height=420)


def test_a_selector_for_each_channel(widget, scene, tmp_path):
    ui = widget.ui
    choose_task(widget, "Two channels")
    image, _label, geometry = phantom.study(0)
    one, two = (add_volume(scene, image + offset, geometry, name) for offset, name in ((0, "a T1"), (50, "a T2")))
    ui.inputSelector.setCurrentNode(one)
    assert ui.inputVolumeLabel.text == "Input volume (T1):"
    ((label, selector),) = widget.panel.segment.channels._rows
    assert (label.text, selector.visible) == ("T2:", True)
    assert ui.applyButton.toolTip == "Choose the volume of the channel T2."
    selector.setCurrentNode(one)
    assert ui.applyButton.toolTip == "The same volume is chosen for two channels."
    selector.setCurrentNode(two)
    picture(widget, "test-shell-channels.png", tmp_path, height=420)
    node = segment(widget)
    assert segment_names(node) == ["bright", "dark"]
    case = widget.logic.client.cases(widget.panel.segment.task["id"])[0]
    assert len(case["images"]) == 2
    ui.authorLineEdit.setText("A. Reader")
    ui.submitButton.click()
    idle(widget)
    assert ui.correctionStatusLabel.text == "Saved as revision 1 by A. Reader."

    widget.exit()
    widget.enter()
    assert selector.currentNode() is two, "the choice is kept in the scene"
    choose_task(widget, "Phantom MRI")
    assert not ui.channelsWidget.visible
    choose_task(widget, "Two channels")
    scene.Clear(0)
    assert "Choose an input volume" in ui.applyButton.toolTip


def test_nothing_keeps_the_gui_thread(widget, scene, stalls, tmp_path):
    """The bound of 50 ms for every slot while a large volume is segmented and a model is trained."""
    ui = widget.ui
    image, label, geometry = phantom.study(0)
    small = add_volume(scene, image, geometry, "small")
    own = widget.logic.create_task("Own", "MRI", phantom.CLASSES, validation_fraction=0.0, wait=True).result
    node = add_segmentation(scene, small)
    for name, value in phantom.VALUES.items():
        paint(node, small, name, label == value)
    widget.logic.submit_correction(node, small, author="A. Reader", task=own, wait=True)
    widget.panel.segment.refresh_tasks()
    until(lambda: ui.taskSelector.count == 3)
    choose_task(widget, "Own")
    retrain = widget.logic.retrain
    widget.logic.retrain = lambda task, **options: retrain(task, **{**options, "budget_seconds": None, "epochs": 1000})
    random = np.random.default_rng(0)
    large = add_volume(scene, random.normal(0, 200, (48, 96, 96)).astype(np.int16), name="large")
    ui.inputSelector.setCurrentNode(large)
    ui.segmentationSelector.setCurrentNode(None)
    idle(widget)
    assert ui.trainButton.enabled, ui.trainButton.toolTip
    with stalls.watch():
        ui.trainButton.click()
        until(lambda: "loss" in widget.panel.training._operation.scalars)
        ui.taskSelector.setCurrentIndex(ui.taskSelector.findText("Phantom MRI"))
        until(lambda: ui.applyButton.enabled)
        ui.applyButton.click()
        until(lambda: ui.segmentProgressBar.value > 100)
        picture(widget, "test-shell-segmenting.png", tmp_path, height=420)
        until(lambda: ui.applyButton.text == "Segment")
        ui.trainButton.click()
        idle(widget)
    assert ui.segmentationSelector.currentNode().GetName() == "large segmentation", ui.statusLabel.text
    assert stalls.count > 20
    assert stalls.longest[0].seconds < LONGEST_SECONDS, stalls.longest
