"""The layers of the package: imports go only downwards, and each of the lowest is usable alone."""

from __future__ import annotations

import ast
import sys
from pathlib import Path

import pytest

import ufseg

PACKAGE = Path(ufseg.__file__).parent
# Highest first; the parts of a layer may use each other, except those that are usable alone.
LAYERS: list[set[str]] = [
    {"cli", "doctor", "service"},
    {"engine", "comparison", "exchange"},
    {"workspace"},
    {"training", "inference", "evaluation"},
    {"plans", "networks"},
    {"images", "losses"},
    {"errors", "progress", "_version"},
]
HEIGHT = {part: len(LAYERS) - number for number, layer in enumerate(LAYERS) for part in layer}
ALONE = {"images", "losses"}
# torch and what it brings along; Numba where it is installed.
LOSSES_MAY_USE = {"torch", "numpy", "triton", "numba", "typing_extensions", "ufseg"}
FILES = sorted(PACKAGE.rglob("*.py"))


def part_of(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imported(path: Path) -> set[str]:
    """Full names of the modules that a file imports, wherever in it, and of what it takes from `ufseg` itself."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{path} imports relatively; the package imports by full names"
            names |= {f"{node.module}.{a.name}" for a in node.names} if node.module == "ufseg" else {str(node.module)}
    return names


def test_every_part_has_a_layer() -> None:
    assert {part_of(path) for path in FILES} - {"__init__"} == set(HEIGHT)


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_imports_go_only_downwards(path: Path) -> None:
    own = part_of(path)
    for name in imported(path):
        root, _, rest = name.partition(".")
        other = rest.split(".")[0]
        assert root != "slicer", f"{path} imports {name}; the backend knows nothing of 3D Slicer"
        if own == "losses":
            assert root in LOSSES_MAY_USE or root in sys.stdlib_module_names, f"{path} imports {name}"
            assert root != "ufseg" or other == "losses", f"{path} imports {name}; the losses are usable alone"
        if root == "ufseg" and other in HEIGHT and own != "__init__":
            beside = HEIGHT[other] == HEIGHT[own] and own not in ALONE
            assert other == own or beside or HEIGHT[other] < HEIGHT[own], f"{path} imports {name}: not below {own}"
