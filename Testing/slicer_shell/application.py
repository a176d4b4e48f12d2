"""Loads a scripted module, unmodified, as the application would."""

from __future__ import annotations

import gc
import importlib.util
import sys
import types
from pathlib import Path

import slicer

from . import pythonqt
from .boot import boot


def install(log: str | None = None):
    """Start the scene and make `qt`, `ctk` and the scripted-module base classes importable; returns `qt`."""
    boot(log)
    if "qt" in sys.modules:
        return sys.modules["qt"]
    # PySide may crash where Python's collector frees cycles of widgets, at whatever moment that is. Cycles are few.
    gc.disable()
    qt = pythonqt.build()
    # The .ui file connects the scene by its C++ type, which PySide's signals do not have; qMRMLWidget does it instead.
    qt.qInstallMessageHandler(lambda _kind, _context, text: None if "connect:" in text else print(text))
    from . import ctk_widgets, mrml_widgets, parameter_node, scripted_module  # they import qt

    application = qt.QApplication.instance() or qt.QApplication(["slicer_shell"])
    application.setStyle("Fusion")
    sys.modules["ctk"] = ctk_widgets.build()
    mrml_widgets.install()
    sys.modules["slicer.ScriptedLoadableModule"] = scripted_module.build()
    sys.modules["slicer.parameterNodeWrapper"] = parameter_node.build()
    slicer.app.processEvents = application.processEvents
    manager = ModuleManager()
    slicer.app.moduleManager = lambda: manager
    slicer.qSlicerScriptedLoadableModuleWidget = qSlicerScriptedLoadableModuleWidget
    slicer.app.topLevelWidgets = list  # no main window: keys belong to the panel's own window
    return qt


# Panels live as long as the process, for the same reason.
_opened: list = []


class LoadedModule:
    """A module file and its panel.

    Args:
        path: the module's Python file.
    """

    def __init__(self, path: Path) -> None:
        name = path.stem
        spec = importlib.util.spec_from_file_location(name, path)
        self.python = importlib.util.module_from_spec(spec)
        sys.modules[name] = self.python
        spec.loader.exec_module(self.python)
        self._widget_class = getattr(self.python, f"{name}Widget")
        logic = slicer.vtkSlicerScriptedLoadableModuleLogic()  # as in the application, of C++
        self.parent = types.SimpleNamespace(
            name=name, path=str(path), logic=lambda: logic, widgetRepresentation=self._representation
        )
        setattr(slicer.modules, name.lower(), self.parent)
        slicer.app.moduleManager().add(self.parent)
        self.widget = None
        self.module = getattr(self.python, name)(self.parent)

    def open(self):
        """A new panel, set up and entered."""
        self.widget = None
        self._representation().self().enter()
        return self.widget

    def close(self) -> None:
        """Forget the panel; whoever asks for it gets a new one."""
        self.widget = None

    def _representation(self):
        """The panel, set up but not entered if nobody has asked for it yet."""
        if self.widget is None:
            self.widget = self._widget_class()
            _opened.append(self.widget)
            self.widget.setup()
        return slicer.qSlicerScriptedLoadableModuleWidget(self.widget)


class ModuleManager:
    """What `slicer.util.getModule` asks."""

    def __init__(self) -> None:
        self._modules: dict[str, types.SimpleNamespace] = {}

    def add(self, module) -> None:
        self._modules[module.name] = module

    def module(self, name: str):
        return self._modules.get(name)


class qSlicerScriptedLoadableModuleWidget:  # noqa: N801 - named as the C++ class it stands for
    """Holds a panel's Python object."""

    def __init__(self, widget) -> None:
        self._widget = widget

    def self(self):
        return self._widget
