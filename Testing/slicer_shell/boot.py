"""Start a real MRML scene with Slicer's logics, without Qt."""

from __future__ import annotations

import atexit
import os
import shutil
import sys
import tempfile
import types
from pathlib import Path

import slicer
import slicer.util
import vtk
from vtkmodules.vtkCommonCore import vtkCollection, vtkFileOutputWindow, vtkOutputWindow

from . import i18n
from .core_io import CoreIOManager

SHARE = Path(__file__).with_name("share")

# Here, not in `boot`: the module's files take their `tr` from it when they are imported, which may be earlier.
sys.modules["slicer.i18n"] = i18n

_LOGICS = {
    "Colors": "vtkMRMLColorLogic",
    "Volumes": "vtkSlicerVolumesLogic",
    "Terminologies": "vtkSlicerTerminologiesModuleLogic",
    "Segmentations": "vtkSlicerSegmentationsModuleLogic",
    "SegmentEditor": "vtkSlicerSegmentEditorLogic",
    "SubjectHierarchy": "vtkSlicerSubjectHierarchyModuleLogic",
    "Transforms": "vtkSlicerTransformLogic",
    "Tables": "vtkSlicerTablesLogic",
    "Plots": "vtkSlicerPlotsLogic",
}


class Application:
    """What the module uses of `slicer.app`; without Qt it has no event loop."""

    def __init__(self, scene, logic, temporary: str) -> None:
        self._scene, self._logic = scene, logic
        self.temporaryPath = temporary
        self._io = CoreIOManager(scene)
        self._slots: dict[str, list] = {}

    def connect(self, signal: str, slot) -> None:
        """Call `slot` when the application emits `signal`, such as "startupCompleted()"."""
        self._slots.setdefault(signal, []).append(slot)

    def emit(self, signal: str) -> None:
        """What the application does; here a test does."""
        for slot in self._slots.get(signal, []):
            slot()

    def applicationLogic(self):
        return self._logic

    def mrmlScene(self):
        return self._scene

    def coreIOManager(self):
        return self._io

    def testingEnabled(self) -> bool:
        return True

    def startupEnvironment(self) -> _Environment:
        return _Environment(os.environ)

    def translate(self, _context: str, text: str) -> str:
        """The English text; a test puts a language of its own here."""
        return text

    def processEvents(self, *_) -> None:
        """Nothing to process without Qt; the Qt shell replaces this."""


class _Environment(dict):
    """QProcessEnvironment as far as `slicer.util.startupEnvironment` reads it."""

    def value(self, name: str) -> str:
        return self[name]


def boot(log: str | os.PathLike | None = None):
    """Start Slicer's scene once in this process and return it; later calls return the same scene.

    Args:
        log: file for VTK's warnings; None keeps them on standard error.
    """
    if getattr(slicer, "mrmlScene", None) is not None:
        return slicer.mrmlScene
    window = vtkFileOutputWindow() if log else vtkOutputWindow()
    if log:
        window.SetFileName(os.fspath(log))
        vtk.vtkLogger.SetStderrVerbosity(vtk.vtkLogger.VERBOSITY_OFF)
    else:
        window.SetDisplayModeToAlwaysStdErr()
    vtkOutputWindow.SetInstance(window)
    scene = slicer.vtkMRMLScene()
    application = slicer.vtkSlicerApplicationLogic()
    application.SetMRMLScene(scene)
    application.GetColorLogic().SetMRMLScene(scene)
    application.GetColorLogic().AddDefaultColorNodes()
    application.SetSliceLogics(vtkCollection())
    application.SetViewLogics(vtkCollection())
    temporary = tempfile.mkdtemp(prefix="slicer_shell_")
    atexit.register(shutil.rmtree, temporary, ignore_errors=True)
    application.SetTemporaryPath(temporary)
    slicer.mrmlScene = scene
    slicer.app = Application(scene, application, temporary)
    slicer.modules = types.SimpleNamespace()
    for name, class_name in _LOGICS.items():
        logic = getattr(slicer, class_name)()
        if hasattr(logic, "SetModuleShareDirectory"):
            logic.SetModuleShareDirectory(str(SHARE))
        logic.SetMRMLScene(scene)
        logic.SetMRMLApplicationLogic(application)
        application.SetModuleLogic(name, logic)
        setattr(slicer.modules, name.lower(), types.SimpleNamespace(logic=lambda logic=logic: logic))
    slicer.vtkMRMLSliceNode.AddDefaultSliceOrientationPresets(scene, True)
    # In the application a hierarchy node always exists; nodes find it by asking the scene.
    slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(scene)
    return scene
