"""Stand-in for `slicer.parameterNodeWrapper`: numbers, texts, truth values and nodes, bound to widgets both ways."""

from __future__ import annotations

import types
import typing
from collections.abc import Callable
from typing import Any

import slicer
import vtk

# How a widget of each class shows a value: property or method to read, method to write, signal.
_BINDINGS: dict[str, tuple[Callable[[Any], Any], str, str]] = {
    "qMRMLNodeComboBox": (lambda w: w.currentNode(), "setCurrentNode", "currentNodeChanged"),
    "QLineEdit": (lambda w: w.text, "setText", "textChanged"),
    "QDoubleSpinBox": (lambda w: w.value, "setValue", "valueChanged"),
    "QSpinBox": (lambda w: w.value, "setValue", "valueChanged"),
    "QCheckBox": (lambda w: w.checked, "setChecked", "toggled"),
}
_DEFAULTS: dict[type, Any] = {str: "", float: 0.0, int: 0, bool: False}


class _Annotation:
    """`Default(5.0)`, `WithinRange(0, 1)` and the like, kept to be read by the wrapper."""

    def __init__(self, *values: Any) -> None:
        self.values = values


class Default(_Annotation):
    """Value of a parameter that was never set."""


class WithinRange(_Annotation):
    """Smallest and largest value."""


def parameterNodeWrapper(cls: type) -> type:
    """Turn annotations into parameters that are stored in a node of the scene."""
    hints = typing.get_type_hints(cls, include_extras=True)

    members: dict[str, Any] = {"__init__": _initialise, "connectGui": _connect_gui, "disconnectGui": _disconnect_gui}
    members["_hints"] = hints
    members["AddObserver"] = lambda self, *a: self.parameterNode.AddObserver(*a)
    members["RemoveObserver"] = lambda self, *a: self.parameterNode.RemoveObserver(*a)
    for name, hint in hints.items():
        members[name] = _parameter(name, hint)
    return type(cls.__name__, (cls,), members)


def _initialise(self: Any, node: Any) -> None:
    self.parameterNode = node
    self._bound: dict[int, list[tuple[Any, Callable[..., Any]]]] = {}


def _parameter(name: str, hint: Any) -> property:
    extras = getattr(hint, "__metadata__", ())
    kind = typing.get_args(hint)[0] if extras else hint
    default = next((e.values[0] for e in extras if isinstance(e, Default)), _DEFAULTS.get(kind))
    if kind not in _DEFAULTS:  # a node
        return property(
            lambda self: self.parameterNode.GetNodeReference(name),
            lambda self, node: self.parameterNode.SetNodeReferenceID(name, node.GetID() if node else None),
        )

    def read(self: Any) -> Any:
        text = self.parameterNode.GetParameter(name)
        if text == "":
            return default
        return text == "True" if kind is bool else kind(text)

    return property(read, lambda self, value: self.parameterNode.SetParameter(name, str(value)))


def _connect_gui(self: Any, gui: Any) -> int:
    """Bind every widget in `gui` that names a parameter; returns a tag for `disconnectGui`."""
    updates, connections = [], []
    for widget in gui.findChildren(slicer.qMRMLWidget.__mro__[2]):
        name = widget.property("SlicerParameterName")
        if not name:
            continue
        if type(widget).__name__ == "qMRMLNodeComboBox":
            # As in the application, where the parameter's type replaces what the .ui file lists.
            widget.nodeTypes = _node_types(self._hints[name])
            widget.refresh()
        get, setter, signal = next(_BINDINGS[c.__name__] for c in type(widget).__mro__ if c.__name__ in _BINDINGS)

        def to_node(*_: Any, name: str = name, get: Any = get, widget: Any = widget) -> None:
            if getattr(self, name) != get(widget):
                setattr(self, name, get(widget))

        def to_widget(name: str = name, get: Any = get, widget: Any = widget, setter: str = setter) -> None:
            if getattr(self, name) != get(widget):
                getattr(widget, setter)(getattr(self, name))

        getattr(widget, signal).connect(to_node)
        connections.append((getattr(widget, signal), to_node))
        updates.append(to_widget)
        to_widget()
    tag = self.parameterNode.AddObserver(vtk.vtkCommand.ModifiedEvent, lambda *_: [update() for update in updates])
    self._bound[tag] = connections
    return tag


def _node_types(hint: Any) -> list[str]:
    """Class names of a node type, or of ``Union[NodeType1, NodeType2, …, None]``."""
    return [kind.__name__ for kind in typing.get_args(hint) or (hint,) if kind is not type(None)]


def _disconnect_gui(self: Any, tag: int) -> None:
    self.parameterNode.RemoveObserver(tag)
    for signal, slot in self._bound.pop(tag):
        signal.disconnect(slot)


def build() -> types.ModuleType:
    """The module to be imported as `slicer.parameterNodeWrapper`."""
    module = types.ModuleType("slicer.parameterNodeWrapper", __doc__)
    module.parameterNodeWrapper, module.Default, module.WithinRange = parameterNodeWrapper, Default, WithinRange
    return module
