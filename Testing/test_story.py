"""The clinician's story as a whole: straight on with real images, and with scene or backend lost at each step."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest
import slicer

import phantom
from finished_model import write_finished_model
from nodes import painted
from panel_driver import opened_panel, until
from story import Story, Study
from UnifiedFocalSegLib.client import BackendClient


@pytest.fixture
def widget(scene, monkeypatch, tmp_path):
    """The panel on a computer where the backend is set up, so that it starts when the module is entered."""
    with opened_panel(monkeypatch, tmp_path, 1500, python=lambda: Path(sys.executable)) as widget:
        widget.ui.authorLineEdit.setText("A. Reader")
        yield widget


def hippocampi(folder: Path, count: int) -> list[Study]:
    """Unseen cases of the hippocampus data: one whose subject trains, and others that validate."""
    import SimpleITK as sitk

    from UnifiedFocalSegLib.geometry import Geometry

    names = json.loads((folder / "split.json").read_text(encoding="utf-8"))["val"]
    found = []
    subjects = phantom.subjects("training", 1) + phantom.subjects("validation", count - 1)
    for name, subject in zip(names, subjects, strict=False):
        image, label = (sitk.ReadImage(str(next(folder.rglob(f"{part}*/{name}.nii*")))) for part in ("image", "label"))
        grid = Geometry(image.GetSize(), image.GetSpacing(), image.GetOrigin(), image.GetDirection())
        voxels = sitk.GetArrayFromImage(image).astype(np.float32)
        found.append(Study(voxels, sitk.GetArrayFromImage(label).astype(np.uint8), grid, subject))
    return found


def test_the_story(widget, shared_data):
    """Enter, segment a hippocampus, correct, save, retrain, judge, segment again, roll back, reopen."""
    print("data: hippocampus_mri")
    story = Story(widget, {"anterior": 1, "posterior": 2})
    first, *validating = hippocampi(shared_data / "hippocampus_mri", 3)
    story.ready()
    story.press(widget.ui.installModelButton)
    until(lambda: widget.ui.taskSelector.count == 1)
    story.idle()
    assert widget.panel.segment.task["name"] == "Hippocampus MRI"
    for number, study in enumerate(validating):
        story.label(study, f"validation {number}")

    volume, node = story.segment(first, "head")
    found = {name: painted(node, volume, name) for name in story.values}
    for name, value in story.values.items():
        assert phantom.dice(found[name], first.label == value) > 0.75
    story.correct(first)
    revision = story.save()
    story.retrain()
    assert "Version 2" in widget.ui.trainingStatusLabel.text
    story.use("2")
    story.segment(first, "head again")
    story.press(widget.ui.rollbackButton)
    story.idle()
    assert story.in_use() == "1"
    again, node = story.segment(first, "head once more")
    for name, mask in found.items():
        np.testing.assert_array_equal(painted(node, again, name), mask)

    story.close_scene()
    volume, opened = story.reopen("head")
    assert slicer.mrmlScene.GetNumberOfNodesByClass("vtkMRMLSegmentationNode") == 1
    for name, mask in story.saved[revision].items():
        np.testing.assert_array_equal(painted(opened, volume, name), mask)
    story.check_nothing_lost()


@pytest.fixture
def interrupted(widget, monkeypatch, tmp_path):
    """The story on phantoms with a finished model, up to where the first head is to be segmented."""
    write_finished_model(tmp_path / "models" / "a-phantom-mri")
    monkeypatch.setattr("UnifiedFocalSegLib.connection.default_models", lambda: tmp_path / "models")
    return Story(widget, phantom.VALUES)


def studies(count: int) -> list[Study]:
    """One phantom whose subject trains, and others that validate."""
    subjects = phantom.subjects("training", 1) + phantom.subjects("validation", count - 1)
    return [Study(*phantom.study(number), subject) for number, subject in enumerate(subjects)]


def begun(story: Story, button) -> None:
    """Press a button and go on until its work is under way in its thread."""
    story.press(button)
    until(lambda: any(o.stage for o in story.widget.logic.operations))


def test_the_backend_is_killed_in_the_middle_of_each_step(interrupted):
    """The panel says so, the backend comes back, what was saved is there, and the step can be done again."""
    story, ui, logic = interrupted, interrupted.widget.ui, interrupted.widget.logic
    first, second = studies(2)
    until(lambda: any(o.kind == "start" and o.stage for o in logic.operations))
    until(lambda: logic._process is not None)
    story.kill_backend()
    story.ready()

    story.press(ui.installModelButton)
    story.kill_backend()
    story.ready()
    if ui.taskSelector.count == 0:
        story.press(ui.installModelButton)
        until(lambda: ui.taskSelector.count == 1)
        story.idle()
    story.label(second, "validation")

    story.load(first, "head")
    ui.segmentationSelector.setCurrentNode(None)
    begun(story, ui.applyButton)
    story.kill_backend()
    until(lambda: ui.applyButton.text == "Segment")
    assert "backend" in ui.statusLabel.text.lower(), ui.statusLabel.text
    assert ui.segmentationSelector.currentNode() is None
    story.ready()
    story.segment(first, "head after the crash")
    story.correct(first)

    begun(story, ui.submitButton)
    story.kill_backend()
    until(lambda: not any(o.kind == "submit" for o in logic.operations))
    said = ui.correctionStatusLabel.text
    assert said.startswith("Saved as revision") or "backend" in said.lower(), said
    story.ready()
    story.save()
    story.check_nothing_lost()

    story.epochs = 60
    story.press(ui.trainButton)
    until(lambda: any(o.kind == "retrain" and o.scalars.get("loss") for o in logic.operations))
    story.kill_backend()
    until(lambda: not any(o.kind == "retrain" for o in logic.operations))
    assert ui.trainingStatusLabel.text
    _come_back(story)
    until(lambda: ui.trainButton.text == "Cancel training" or len(story.versions()) == 2)
    story.idle()
    assert [version["number"] for version in story.versions()] == [1, 2]
    story.use("2")

    story.press(ui.rollbackButton)
    story.kill_backend()
    until(lambda: not any(o.kind == "rollback" for o in logic.operations))
    story.ready()
    used = story.widget.panel.segment.task["promoted"]
    assert used in {version["id"] for version in story.versions()}

    story.choose_revision("head")
    story.press(ui.openCaseButton)
    story.kill_backend()
    until(lambda: not any(o.kind == "open" for o in logic.operations))
    story.ready()
    _, opened = story.reopen("head")
    assert opened is not None
    story.check_nothing_lost()


def _come_back(story: Story) -> None:
    """As `Story.ready`, but a training that goes on keeps the panel from being idle."""
    panel = story.widget.panel

    def is_ready() -> bool:
        if panel.backend.problem and panel.backend._starting is None and story.ui.backendButton.enabled:
            story.ui.backendButton.click()
        return not panel.backend.problem and bool(panel.segment.tasks)

    until(is_ready)


def test_the_scene_is_closed_in_the_middle_of_each_step(interrupted):
    """What belongs into the scene is dropped, what is to be saved is saved, and a training goes on."""
    story, ui, logic = interrupted, interrupted.widget.ui, interrupted.widget.logic
    first, second = studies(2)
    story.close_scene()
    story.ready()
    story.press(ui.installModelButton)
    story.close_scene()
    until(lambda: ui.taskSelector.count == 1)
    story.idle()
    story.label(second, "validation")

    story.load(first, "head")
    begun(story, ui.applyButton)
    story.close_scene()
    story.idle()
    assert slicer.mrmlScene.GetNumberOfNodesByClass("vtkMRMLSegmentationNode") == 0
    assert ui.applyButton.text == "Segment"

    volume, node = story.segment(first, "head")
    story.correct(first)
    masks = {name: painted(node, volume, name) for name in story.values}
    begun(story, ui.submitButton)
    story.close_scene()
    story.idle()
    assert ui.correctionStatusLabel.text.startswith("Saved as revision"), ui.correctionStatusLabel.text
    client: BackendClient = logic.client
    task = story.widget.panel.segment.task["id"]
    newest = [client.revisions(case["id"]) for case in client.cases(task)]
    corrected = [r for revisions in newest for r in revisions if r["origin"] == "corrected"]
    assert len(corrected) == 1
    story.saved[corrected[0]["id"]] = masks

    story.press(ui.trainButton)
    until(lambda: any(o.kind == "retrain" and o.stage for o in logic.operations))
    story.close_scene()
    story.idle()
    assert "Version 2" in ui.trainingStatusLabel.text, ui.trainingStatusLabel.text
    story.use("2")
    story.press(ui.rollbackButton)
    story.close_scene()
    story.idle()
    assert story.in_use() == "1"

    story.choose_revision("head")
    story.press(ui.openCaseButton)
    story.close_scene()
    story.idle()
    assert slicer.mrmlScene.GetNumberOfNodesByClass("vtkMRMLSegmentationNode") == 0
    _, opened = story.reopen("head")
    assert opened is not None
    story.check_nothing_lost()
