"""The documented lines for scripts, on the module file in the test shell."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

import pytest
import slicer

import phantom
from finished_model import write_finished_model
from nodes import add_volume, segment_names
from panel_driver import until
from slicer_shell.application import LoadedModule, install
from UnifiedFocalSegLib.errors import FocalSegError
from UnifiedFocalSegLib.logic import FocalSegLogic
from UnifiedFocalSegLib.scripting import OFFERED

REPOSITORY = Path(__file__).resolve().parents[1]


@pytest.fixture
def module(scene, monkeypatch, tmp_path):
    """The module as it is loaded when the application starts: its panel was never opened."""
    qt = install()
    qt.QSettings.values.clear()
    write_finished_model(tmp_path / "models" / "a-phantom-mri")
    monkeypatch.setenv("UFSEG_WORKSPACE", str(tmp_path / "workspace"))
    monkeypatch.setenv("UFSEG_ENVIRONMENT", str(tmp_path / "environment"))
    monkeypatch.setenv("UFSEG_PYTHON", sys.executable)
    monkeypatch.setattr("UnifiedFocalSegLib.connection.default_models", lambda: tmp_path / "models")
    module = LoadedModule(REPOSITORY / "UnifiedFocalSeg" / "UnifiedFocalSeg.py")
    yield module
    if module.widget is not None:
        module.widget.cleanup()


def test_one_line_segments(module, scene):
    """The backend is started by it, the task goes by its name, and the panel knows of both."""
    logic = slicer.modules.unifiedfocalseg.logic()
    assert isinstance(logic, slicer.vtkSlicerScriptedLoadableModuleLogic), "the application's own object, of C++"
    volume = add_volume(scene, *phantom.study(0)[::2], "T1")
    with pytest.raises(FocalSegError, match=r"no task “Phantom MRI”\. There are none yet"):
        logic.segment(volume, task="Phantom MRI", wait=True)
    logic.install_model("a-phantom-mri", wait=True)
    operation = slicer.modules.unifiedfocalseg.logic().segment(volume, task="Phantom MRI", show_3d=True, wait=True)
    assert operation.result.GetSegmentation().ContainsRepresentation("Closed surface")
    assert operation.result.GetName() == "T1 segmentation"
    assert segment_names(operation.result) == ["bright", "dark"]
    with pytest.raises(FocalSegError, match=r"no task “Liver”\. There are: “Phantom MRI”"):
        logic.segment(volume, task="Liver", wait=True)
    assert slicer.util.getModuleWidget("UnifiedFocalSeg") is module.widget, "not made anew for each call"
    assert module.widget.logic.backend_problem() == ""


def test_a_script_chooses_another_workspace(module, scene, tmp_path):
    """The panel shows what is in it, and a backend that has died is started there again."""
    logic = slicer.modules.unifiedfocalseg.logic()
    volume = add_volume(scene, *phantom.study(0)[::2], "T1")
    logic.start_backend(tmp_path / "another", wait=True)
    logic.install_model("a-phantom-mri", wait=True)
    widget = module.widget
    until(lambda: widget.ui.backendLabel.text.startswith("Backend: ready on "))
    os.kill(widget.logic._process.pid, signal.SIGKILL)
    until(lambda: widget.ui.backendNoteLabel.text)  # noticed
    operation = logic.segment(volume, task="Phantom MRI", wait=True)
    assert operation.result.GetName() == "T1 segmentation"
    assert widget.logic.place[1] == tmp_path / "another"
    until(lambda: widget.ui.taskSelector.count == 1)


def test_what_is_offered_exists_and_explains_itself(module):
    logic = slicer.modules.unifiedfocalseg.logic()
    for name in OFFERED:
        assert getattr(logic, name).__doc__ == getattr(FocalSegLogic, name).__doc__


def test_without_a_backend_the_next_step_is_named(module, scene, monkeypatch):
    monkeypatch.delenv("UFSEG_PYTHON")
    monkeypatch.setattr("UnifiedFocalSegLib.widget.backend_part.default_python", lambda: None)
    monkeypatch.setattr("UnifiedFocalSegLib.connection.default_python", lambda: None)
    volume = add_volume(scene, *phantom.study(0)[::2], "T1")
    with pytest.raises(FocalSegError, match=r"not set up\. Install it \(install_backend"):
        slicer.modules.unifiedfocalseg.logic().segment(volume, task="Phantom MRI", wait=True)
