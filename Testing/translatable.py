"""Which literals of the module's sources a user can read, and which of them go through ``_()``."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

MODULE = Path(__file__).resolve().parents[1] / "UnifiedFocalSeg"

# Where a call or a keyword takes a text that is shown, by the number or the name of the argument.
SHOWN: dict[str, tuple[int | str, ...]] = {
    "report": (1, "stage"),
    "_report": (0, 1),
    "_begin": (2,),
    "_load": (3,),
    "Progress": (1, "stage"),
    "StepProgress": (3, "stage"),
    "Operation": (1, "title"),
    "_run": (1, "title"),
    "_simple": (1, "title"),
    "check_present": (1, "title"),
    "check_unchanged": (2, "title"),
    "end": (2, "error"),
    "_end": (2, "error"),
    "Report": (1, "sentence"),
    "Choice": (1, "why"),
    "Found": (1, "problem"),
    "offer": (1, 2),
    "fill": (0,),
    "setText": (0,),
    "setToolTip": (0,),
    "setTitle": (0,),
    "setWindowTitle": (0,),
    "setPlaceholderText": (0,),
    "setHorizontalHeaderLabels": (0,),
    "addItem": (0,),
    "QLabel": (0,),
    "QTableWidgetItem": (0,),
    "getExistingDirectory": (1,),
    "tryWithErrorDisplay": (0,),
    "SetName": (0,),
    "SetTitle": (0,),
    "SetXAxisTitle": (0,),
    "SetYAxisTitle": (0,),
    "AddNewNodeByClass": (1,),
    "GenerateUniqueName": (0,),
    "empty_segmentation": (1, "name"),
    "label_to_segmentation": (3, "name"),
    "registerCustomSampleDataSource": ("category",),
}
SHOWN_ATTRIBUTES = {"stage", "error", "title", "text", "toolTip", "helpText", "acknowledgementText", "contributors"}
_LETTER = re.compile(r"[^\W\d_]")
# Two words, or a word beside something that is filled in.
_SENTENCE = re.compile(r"[^\W\d_]{2}.*\s|\s.*[^\W\d_]{2}", re.DOTALL)
_FIELD = "\0"
# Functions that look for a text in another one.
_SEEKING = {"compile", "sub", "startswith", "removeprefix"}


def _parts_of_call(node: ast.Call) -> list[ast.expr]:
    """What a text is put together of; other functions are looked at where they are."""
    if isinstance(node.func, ast.Attribute) and node.func.attr in ("format", "join", "strip"):
        return [node.func.value, *node.args, *(keyword.value for keyword in node.keywords)]
    return []


# Expressions whose value is made of those inside them.
_PARTS: dict[type, Callable[[Any], Iterable[ast.expr]]] = {
    ast.Call: _parts_of_call,
    ast.IfExp: lambda node: (node.body, node.orelse),
    ast.BinOp: lambda node: (node.left, node.right),
    ast.BoolOp: lambda node: node.values,
    ast.Subscript: lambda node: (node.value,),
    ast.Dict: lambda node: node.values,
    ast.List: lambda node: node.elts,
    ast.Tuple: lambda node: node.elts,
    ast.GeneratorExp: lambda node: (node.elt,),
    ast.ListComp: lambda node: (node.elt,),
}


@dataclass(frozen=True)
class Found:
    """A literal that a user may see as it stands.

    Args:
        line: its number.
        text: it, with NUL for what an f-string fills in.
    """

    line: int
    text: str


class Source:
    """One file of the module.

    Args:
        path: it.
        errors: names of the classes whose first argument is shown.
    """

    def __init__(self, path: Path, errors: set[str]) -> None:
        self.path, self._errors = path, errors
        self.tree = ast.parse(path.read_text(encoding="utf-8"))
        self._parents = {child: node for node in ast.walk(self.tree) for child in ast.iter_child_nodes(node)}

    @property
    def name(self) -> str:
        """Path below the module's folder."""
        return self.path.relative_to(MODULE).as_posix()

    @cached_property
    def calls(self) -> list[ast.Call]:
        """Every ``_(…)``."""
        return [node for node in ast.walk(self.tree) if isinstance(node, ast.Call) and _called(node) == "_"]

    def outer(self, node: ast.AST) -> Iterator[ast.AST]:
        """What a node stands in, from the inside out."""
        while (above := self._parents.get(node)) is not None:
            yield above
            node = above

    def sentences(self) -> Iterator[Found]:
        """Literals of more than one word that are in no ``_()`` and not looked for in other texts."""
        for node in ast.walk(self.tree):
            if (text := _literal(node)) is None or not _SENTENCE.search(text):
                continue
            above = list(self.outer(node))
            calls = {_called(a) for a in above if isinstance(a, ast.Call)}
            sought = calls & _SEEKING or isinstance(above[0], ast.Compare)
            if "_" not in calls and not sought and not isinstance(above[0], (ast.Expr, ast.JoinedStr)):
                yield Found(node.lineno, text)

    def shown(self) -> Iterator[Found]:
        """Literals, of one word too, that are given to something that shows them, or returned as a text."""
        for node in ast.walk(self.tree):
            for expression in self._shown_by(node):
                yield from self._untranslated(expression, frozenset())

    def _shown_by(self, node: ast.AST) -> Iterator[ast.expr]:
        if isinstance(node, ast.Call):
            places = (0, "message") if _called(node) in self._errors else SHOWN.get(_called(node), ())
            yield from (node.args[p] for p in places if isinstance(p, int) and p < len(node.args))
            yield from (keyword.value for keyword in node.keywords if keyword.arg in places)
        elif isinstance(node, ast.Assign) and any(_is_shown(target) for target in node.targets):
            yield node.value
        elif isinstance(node, ast.Return) and node.value is not None:
            function = next(above for above in self.outer(node) if isinstance(above, ast.FunctionDef))
            if function.returns is not None and "str" in ast.unparse(function.returns).split(" | "):
                yield node.value

    def _untranslated(self, node: ast.AST, seen: frozenset[str]) -> Iterator[Found]:
        """Literals with letters of which the value of an expression may be made."""
        text = _literal(node)
        if text is not None:
            if _LETTER.search(text):
                yield Found(node.lineno, text)
        elif isinstance(node, ast.Name) and node.id not in seen:
            for value in self._assigned(node):
                yield from self._untranslated(value, seen | {node.id})
        else:
            for part in _PARTS.get(type(node), lambda _node: ())(node):
                yield from self._untranslated(part, seen)

    def _assigned(self, name: ast.Name) -> Iterator[ast.expr]:
        """What the function around a name assigns to it."""
        function = next((a for a in self.outer(name) if isinstance(a, (ast.FunctionDef, ast.Lambda))), None)
        for node in ast.walk(function) if function is not None else ():
            if isinstance(node, ast.Assign):
                for target in node.targets:
                    if isinstance(target, ast.Name) and target.id == name.id:
                        yield node.value
                    elif isinstance(target, ast.Tuple) and isinstance(node.value, ast.Tuple):
                        pairs = zip(target.elts, node.value.elts, strict=True)
                        yield from (v for t, v in pairs if isinstance(t, ast.Name) and t.id == name.id)


def sources() -> list[Source]:
    """Every Python file of the module."""
    tree = ast.parse((MODULE / "UnifiedFocalSegLib" / "errors.py").read_text(encoding="utf-8"))
    errors = {node.name for node in tree.body if isinstance(node, ast.ClassDef)}
    return [Source(path, errors) for path in sorted(MODULE.rglob("*.py"))]


def _called(node: ast.Call) -> str:
    function = node.func
    return function.id if isinstance(function, ast.Name) else getattr(function, "attr", "")


def _is_shown(target: ast.expr) -> bool:
    return isinstance(target, ast.Attribute) and target.attr in SHOWN_ATTRIBUTES


def _literal(node: ast.AST) -> str | None:
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if isinstance(node, ast.JoinedStr):
        return "".join(v.value if isinstance(v, ast.Constant) else _FIELD for v in node.values)
    return None
