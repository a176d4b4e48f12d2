"""Loads a scripted module, unmodified, as the application would."""

from __future__ import annotations

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
    qt = pythonqt.build()
    # The .ui file connects the scene by its C++ type, which PySide's signals do not have; qMRMLWidget does it instead.
    qt.qInstallMessageHandler(lambda _kind, _context, text: None if "connect:" in text else print(text))
    from . import ctk_widgets, mrml_widgets, parameter_node, scripted_module  # they import qt

    application = qt.QApplication.instance() or qt.QApplication(["slicer_shell"])
    application.setStyle("Fusion")
    sys.modules["ctk"] = ctk_widgets.build()
    mrml_widgets.install()
    sys.modules["slicer.ScriptedLoadableModule"], sys.modules["slicer.i18n"] = scripted_module.build()
    sys.modules["slicer.parameterNodeWrapper"] = parameter_node.build()
    slicer.app.processEvents = application.processEvents
    slicer.app.topLevelWidgets = list  # no main window: keys belong to the panel's own window
    return qt


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
        self.parent = types.SimpleNamespace(path=str(path))
        setattr(slicer.modules, name.lower(), self.parent)
        self.module = getattr(self.python, name)(self.parent)
        self._widget_class = getattr(self.python, f"{name}Widget")

    def open(self):
        """A new panel, set up and entered."""
        widget = self._widget_class()
        widget.setup()
        widget.enter()
        return widget
