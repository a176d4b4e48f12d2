"""`qt` on PySide6 in PythonQt's calling style.

Every widget class becomes a subclass whose Qt properties are Python attributes (``button.text``, ``box.checked =
True``) and whose signals are connected by their C++ name (``button.connect("clicked(bool)", slot)``). Setters such as
``setText`` stay as they are in both.
"""

from __future__ import annotations

import ctypes
import sys
import types
from collections.abc import Callable
from typing import Any, ClassVar

from PySide6 import QtCore, QtGui, QtUiTools, QtWidgets

# Qt calls these back, or they are methods in PythonQt too, so they cannot become attributes.
_METHODS = {"singleShot", "sizeHint", "minimumSizeHint", "maximumSize", "metaObject", "parent", "layout"}
_UNCHANGED = {"QObject", "QCoreApplication", "QGuiApplication", "QApplication", "QThread"}

# Widgets that .ui files name and Qt does not know: filled by the ctk and qMRML stand-ins.
custom_widgets: dict[str, type] = {}


def _attribute(name: str) -> property:
    return property(lambda self: self.property(name), lambda self, value: self.setProperty(name, value))


def watch_slot(slot: Callable[..., Any]) -> Callable[..., Any]:
    """What is connected in place of `slot`; tests that measure slots replace this, see `stalls`."""
    return slot


def _connect(self: Any, signal: str, slot: Callable[..., Any]) -> None:
    kept = self.__dict__.setdefault("slots_of_shell", {})
    watched = kept[signal, slot] = watch_slot(slot)
    getattr(self, signal.partition("(")[0]).connect(watched)


def _disconnect(self: Any, signal: str, slot: Callable[..., Any] | None = None) -> None:
    bound = getattr(self, signal.partition("(")[0])
    if slot is None:
        bound.disconnect()
    else:
        bound.disconnect(self.__dict__.get("slots_of_shell", {}).pop((signal, slot), slot))


def in_pythonqt_style(cls: type) -> type:
    """A subclass of a PySide class with PythonQt's attributes and string connections."""
    members: dict[str, Any] = {"connect": _connect, "disconnect": _disconnect, "name": _attribute("objectName")}
    meta = cls.staticMetaObject
    names = (meta.property(index).name() for index in range(meta.propertyCount()))
    members.update({name: _attribute(name) for name in names if name not in _METHODS})
    return type(cls.__name__, (cls,), members)


def custom_widget(cls: type) -> type:
    """Class decorator for stand-ins: known to the .ui loader, and connected in PythonQt's style.

    PySide looks `connect` up in an object's own class only, so every class needs it anew.
    """
    cls.connect, cls.disconnect = _connect, _disconnect
    custom_widgets[cls.__name__] = cls
    return cls


class Settings:
    """QSettings in memory, so that tests neither read nor change those of the person who runs them."""

    values: ClassVar[dict[str, Any]] = {}

    def value(self, key: str, default: Any = None) -> Any:
        return self.values.get(key, default)

    def setValue(self, key: str, value: Any) -> None:
        self.values[key] = value


def _keep_none_alive() -> None:
    """Before Python 3.12 made None immortal, PySide 6.12 loses a reference to it with every call, until it dies."""
    if sys.version_info < (3, 12):
        ctypes.c_ssize_t.from_address(id(None)).value += 1 << 40


def build() -> types.ModuleType:
    """The module to be imported as `qt`."""
    _keep_none_alive()
    module = types.ModuleType("qt", __doc__)
    for part in (QtCore, QtGui, QtWidgets):
        for name in dir(part):
            if not name.startswith("_") and not hasattr(module, name):
                setattr(module, name, getattr(part, name))
    for name, value in list(vars(module).items()):
        if isinstance(value, type) and issubclass(value, QtCore.QObject) and name not in _UNCHANGED:
            try:
                setattr(module, name, in_pythonqt_style(value))
            except TypeError:  # final classes stay as they are
                continue

    class QUiLoader(QtUiTools.QUiLoader):
        """Creates stand-ins for ctk and qMRML classes, and PythonQt-like ones for Qt's own."""

        def createWidget(self, class_name: str, parent: Any = None, name: str = "") -> Any:
            cls = custom_widgets.get(class_name) or getattr(module, class_name, None)
            if cls is None:
                raise LookupError(f"The test shell has no stand-in for {class_name}; add one to slicer_shell.")
            widget = cls(parent)
            widget.setObjectName(name)
            self.__dict__.setdefault("created", []).append(widget)
            return widget

        def load(self, file: Any, parent: Any = None) -> Any:
            widget = super().load(file, parent)
            widget.kept_alive = self.__dict__.get("created")  # PySide would drop the Python halves
            return widget

    module.QUiLoader = QUiLoader
    module.QSettings = Settings
    sys.modules["qt"] = module
    return module
