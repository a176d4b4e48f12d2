"""The panel in a made-up language, with a real service: no English is left but names and the backend's sentences."""

from __future__ import annotations

import sys

import pytest
from PySide6 import QtWidgets

import phantom
from finished_model import write_finished_model
from marked_language import MarkedLanguage, marked, shown_texts, unmarked
from nodes import add_segmentation, add_volume, paint
from panel_driver import opened_panel, start_backend, until
from slicer_shell.application import install
from slicer_shell.i18n import context_of
from translatable import sources
from UnifiedFocalSegLib.environment.gpu import find_gpus
from UnifiedFocalSegLib.environment.space import words
from UnifiedFocalSegLib.environment.torch_builds import BUILDS

# What the test, the phantom's model and the computer are called.
NAMES = ["Phantom MRI", "a-phantom-mri", "MRI", "bright", "dark", "head", "by hand", "A. Reader", "tumour"]
NAMES += ["UFSEG_ENVIRONMENT", "pypi.org", "download.pytorch.org"]
ELSEWHERE = "http://ai.example:8443"


@pytest.fixture
def language(scene, monkeypatch):
    import slicer

    qt = install()
    language = MarkedLanguage()
    monkeypatch.setattr(slicer.app, "translate", language.of_python)
    assert qt.QApplication.installTranslator(language)
    yield language
    qt.QApplication.removeTranslator(language)


@pytest.fixture
def widget(language, monkeypatch, tmp_path):
    write_finished_model(tmp_path / "models" / "a-phantom-mri")
    monkeypatch.setattr("UnifiedFocalSegLib.connection.default_models", lambda: tmp_path / "models")
    with opened_panel(monkeypatch, tmp_path, 1500) as widget:
        yield widget


def assert_translated(widget, names, dialog=None) -> None:
    """Every word of the panel, or of a dialog, is translated or among the names."""
    ui = widget.ui
    named = [ui.taskSelector, ui.sliceSegmentSelector, ui.inputSelector, ui.segmentationSelector, ui.roiSelector]
    named += QtWidgets.QWidget.findChildren(ui.editorFrame, QtWidgets.QWidget)
    if dialog is not None:
        named.append(dialog.classesSegmentationSelector)
    found = shown_texts(widget.parent if dialog is None else dialog.TaskWizard, named)
    wrong = [f"{where}: {text!r}" for where, text in found if unmarked(text, names)]
    assert not wrong, "\n".join(wrong)


def idle(widget) -> None:
    until(lambda: not widget.logic.operations and not widget.panel.review._timer.active)


def listened(widget, names: list[str]) -> None:
    """Put the backend's own sentences among the names, as they come."""

    def take(operation) -> None:
        result = operation.result if isinstance(operation.result, dict) else {}
        device, gate = result.get("device") or {}, result.get("gate") or {}
        said = [result.get("message"), gate.get("reason"), device.get("name"), device.get("note")]
        names.extend(text for text in said if text)

    widget.logic.operation_started.connect(lambda operation: operation.finished.connect(take))


def test_the_panel_says_nothing_in_english(widget, scene, language, tmp_path):
    ui, names = widget.ui, [*NAMES, str(tmp_path), sys.executable, *BUILDS, *(gpu.name for gpu in find_gpus().gpus)]
    listened(widget, names)
    until(lambda: ui.setupButton.enabled)
    assert ui.backendLabel.text == marked("Backend: not set up")
    assert_translated(widget, names)

    ui.placeSelector.setCurrentIndex(1)
    ui.addressLineEdit.setText(ELSEWHERE)
    assert_translated(widget, names)
    ui.tokenLineEdit.setText("secret")
    ui.backendButton.click()
    idle(widget)
    assert ui.backendLabel.text.startswith(f"{ELSEWHERE}⟦ is not encrypted")
    ui.placeSelector.setCurrentIndex(0)

    start_backend(widget)
    ui.authorLineEdit.setText("A. Reader")
    until(lambda: ui.installModelButton.visible)
    assert_translated(widget, names)
    ui.installModelButton.click()
    assert_translated(widget, names)
    until(lambda: ui.taskSelector.count == 1)
    idle(widget)

    image, _label, geometry = phantom.study(0)
    volume = add_volume(scene, image, geometry, "head")
    ui.inputSelector.setCurrentNode(volume)
    assert_translated(widget, names)
    ui.applyButton.click()
    assert_translated(widget, names)
    idle(widget)
    node = ui.segmentationSelector.currentNode()
    assert node.GetName() == "head⟦ segmentation⟧"
    assert_translated(widget, names)

    data = node.GetSegmentation()
    extra = data.AddEmptySegment("", "tumour")
    idle(widget)
    ui.regionComboBox.setCurrentIndex(1)
    assert_translated(widget, names)
    ui.submitButton.click()
    idle(widget)
    assert ui.correctionStatusLabel.text.startswith("head⟦ segmentation⟧⟦ has a segment named ⟧“tumour”⟦, but")
    assert_translated(widget, names)

    data.RemoveSegment(extra)
    ui.submitButton.click()
    idle(widget)
    assert ui.correctionStatusLabel.text == "⟦Saved as revision ⟧1⟦ by ⟧A. Reader."
    ui.casesTable.selectRow(0)
    ui.showComboBox.setCurrentIndex(2)
    idle(widget)
    ui.nextSliceButton.click()
    idle(widget)
    assert_translated(widget, names)

    wizard = widget.ui.newTaskButton.click() or widget.panel.cases.wizard
    assert wizard.ui.modalitySelector.currentText == marked("MRI")
    wizard.ui.taskNameLineEdit.setText("Phantom MRI")
    assert_translated(widget, names, wizard.ui)
    assert wizard.draft.modality == "MRI"
    wizard.close()

    train(widget, names)
    assert ui.trainingStatusLabel.text.startswith("⟦Version ⟧2")
    assert_translated(widget, names)
    ui.promoteButton.click()
    idle(widget)
    assert_translated(widget, names)
    assert_found_by_translators(language)


def train(widget, names) -> None:
    """A short training by the button, on a case that is for training whatever its subject's hash."""
    import slicer

    image, label, geometry = phantom.study(1)
    volume = add_volume(slicer.mrmlScene, image, geometry, "head")
    node = add_segmentation(slicer.mrmlScene, volume)
    for name, value in phantom.VALUES.items():
        paint(node, volume, name, label == value)
    subject = phantom.subjects("training", 1)[0]
    task = widget.panel.segment.task
    widget.logic.submit_correction(node, volume, task=task, subject=subject, wait=True)
    widget.panel.segment.refresh_tasks()
    idle(widget)
    retrain, brief = widget.logic.retrain, {"budget_seconds": None, "epochs": 1}
    widget.logic.retrain = lambda task, **options: retrain(task, **{**options, **brief})
    assert widget.ui.trainButton.enabled, widget.ui.trainButton.toolTip
    widget.ui.trainButton.click()
    assert_translated(widget, names)
    idle(widget)


def assert_found_by_translators(language) -> None:
    """Slicer's tools would find each text that was asked for, under the name by which it was asked for."""
    there = {(context_of(str(source.path)), call.args[0].value) for source in sources() for call in source.calls}
    there.add(("qSlicerAbstractCoreModule", "Segmentation"))
    assert len(language.asked) > 150
    assert language.asked <= there


def test_a_translation_with_other_fields_is_not_taken(scene, monkeypatch, caplog):
    """As in Slicer: with it ``.format`` would fail."""
    import slicer

    monkeypatch.setattr(slicer.app, "translate", lambda _context, text: text.replace("size", "taille"))
    assert words(2_500_000_000) == "2.5 GB"
    assert "environment.space" in caplog.text
