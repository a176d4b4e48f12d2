"""Stand-in for `slicer.ScriptedLoadableModule`."""

from __future__ import annotations

import types
from pathlib import Path

import qt
import slicer


class ScriptedLoadableModule:
    """What a module says about itself; `parent` takes the values."""

    def __init__(self, parent) -> None:
        self.parent = parent


class ScriptedLoadableModuleWidget:
    """A panel with its life cycle: setup, enter, exit, cleanup."""

    def __init__(self, parent=None) -> None:
        self.parent = parent or slicer.qMRMLWidget()
        if not isinstance(self.parent.layout(), qt.QLayout):
            self.parent.setLayout(qt.QVBoxLayout())
        self.layout = self.parent.layout()
        self.moduleName = type(self).__name__.removesuffix("Widget")

    def resourcePath(self, name: str) -> str:
        return str(Path(slicer.modules.__dict__[self.moduleName.lower()].path).parent / "Resources" / name)

    def setup(self) -> None:
        """Nothing: the real one adds the developers' reload section."""

    def cleanup(self) -> None:
        """Overridden by modules."""


class ScriptedLoadableModuleLogic:
    """Finds the module's parameter node."""

    def __init__(self, parent=None) -> None:
        self.moduleName = type(self).__name__.removesuffix("Logic")

    def getParameterNode(self):
        """The module's one vtkMRMLScriptedModuleNode, made if the scene has none."""
        tag = self.moduleName
        node = slicer.mrmlScene.GetSingletonNode(tag, "vtkMRMLScriptedModuleNode")
        if node is None:
            node = slicer.vtkMRMLScriptedModuleNode()
            node.SetSingletonTag(tag)
            node.SetName(tag)
            node = slicer.mrmlScene.AddNode(node)
        return node


class ScriptedLoadableModuleTest:
    """Base of a module's own tests in the application."""

    def delayDisplay(self, message: str, *_) -> None:
        print(message)


def build() -> types.ModuleType:
    """The module to be imported as `slicer.ScriptedLoadableModule`."""
    module = types.ModuleType("slicer.ScriptedLoadableModule", __doc__)
    for cls in (
        ScriptedLoadableModule,
        ScriptedLoadableModuleWidget,
        ScriptedLoadableModuleLogic,
        ScriptedLoadableModuleTest,
    ):
        setattr(module, cls.__name__, cls)
    return module
