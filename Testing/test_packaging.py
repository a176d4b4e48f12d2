"""What the extension installs and what the module may import."""

from __future__ import annotations

import ast
import json
import re
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

REPOSITORY = Path(__file__).resolve().parents[1]
MODULE = REPOSITORY / "UnifiedFocalSeg"
LIBRARY = sorted((MODULE / "UnifiedFocalSegLib").rglob("*.py"))
# Slicer has these; anything else would have to be installed into its Python, which breaks installations.
ALLOWED = {"numpy", "requests", "slicer", "vtk", "SampleData", "UnifiedFocalSegLib"}


def listed(variable: str) -> set[str]:
    """Files in a list of the module's CMakeLists.txt."""
    text = (MODULE / "CMakeLists.txt").read_text(encoding="utf-8").replace("${MODULE_NAME}", "UnifiedFocalSeg")
    return set(re.search(rf"set\({variable}\s+(.*?)\)", text, re.DOTALL).group(1).split())


def test_every_python_file_is_installed():
    files = {str(p.relative_to(MODULE)) for p in MODULE.rglob("*.py")}
    assert listed("MODULE_PYTHON_SCRIPTS") == files


def test_every_resource_is_installed():
    files = {str(p.relative_to(MODULE)) for p in (MODULE / "Resources").rglob("*") if p.is_file()}
    assert listed("MODULE_PYTHON_RESOURCES") == files


def test_backend_sources_are_installed():
    text = (REPOSITORY / "CMakeLists.txt").read_text(encoding="utf-8")
    assert "DIRECTORY backend/src" in text
    for name in re.search(r"FILES (.*)\n", text).group(1).split():
        assert (REPOSITORY / name).is_file(), f"{name} is to be installed but does not exist"


def test_the_lock_holds_all_that_the_backend_imports():
    project = (REPOSITORY / "backend" / "pyproject.toml").read_text(encoding="utf-8")
    block = re.search(r"^dependencies = \[(.*?)^\]", project, re.DOTALL | re.MULTILINE).group(1)
    wanted = {name.lower() for name in re.findall(r'"([A-Za-z0-9_.-]+)', block)}
    lines = (REPOSITORY / "backend" / "requirements.lock").read_text(encoding="utf-8").splitlines()
    locked = {line.split("==")[0] for line in lines if "==" in line}
    assert wanted <= locked, "make lock"
    makefile = (REPOSITORY / "Makefile").read_text(encoding="utf-8")
    assert lines[0] in makefile, "the lock's PyTorch is the one that the tests ran with"


def test_finished_models_are_installed_where_the_module_looks():
    text = (REPOSITORY / "CMakeLists.txt").read_text(encoding="utf-8")
    block = re.search(r"DIRECTORY (Resources/Models)\s+DESTINATION \S+LIB_DIR}/(\S+)", text)
    assert (REPOSITORY / block.group(1)).is_dir()
    source = (MODULE / "UnifiedFocalSegLib" / "backend_process.py").read_text(encoding="utf-8")
    assert f'"{block.group(2)}" / "Models"' in source


@pytest.mark.parametrize("path", LIBRARY, ids=lambda p: str(p.relative_to(MODULE)))
def test_library_imports_only_what_slicer_has(path):
    allowed = ALLOWED | ({"qt"} if path.parent.name == "widget" else set())
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        names = [a.name for a in node.names] if isinstance(node, ast.Import) else []
        if isinstance(node, ast.ImportFrom) and not node.level:
            names = [node.module]
        for name in names:
            root = name.split(".")[0]
            assert root in allowed or root in sys.stdlib_module_names, f"{path.name} imports {name}"


def test_entry_file_is_thin():
    assert len((MODULE / "UnifiedFocalSeg.py").read_text(encoding="utf-8").splitlines()) < 150


def test_catalogue_entry():
    entry = json.loads((REPOSITORY / "UnifiedFocalSeg.json").read_text(encoding="utf-8"))
    known = {"$schema", "build_dependencies", "build_subdirectory", "category", "enabled", "scm_revision", "scm_type"}
    assert {"$schema", "category", "scm_url"} <= set(entry) <= known | {"scm_url", "tier", "dicom_support_rule"}
    assert entry["category"] == "Segmentation"
    assert entry["$schema"].endswith("/slicer-extension-catalog-entry-schema-v1.0.2.json#")
    assert entry["scm_url"].startswith("https://")
    assert entry.get("tier", 1) in range(1, 6)
    assert all(isinstance(name, str) for name in entry.get("build_dependencies", []))


def test_every_widget_bound_to_a_parameter_has_one():
    source = ast.parse((MODULE / "UnifiedFocalSeg.py").read_text(encoding="utf-8"))
    wrapper = next(n for n in source.body if isinstance(n, ast.ClassDef) and n.name.endswith("ParameterNode"))
    parameters = {n.target.id for n in wrapper.body if isinstance(n, ast.AnnAssign)}
    files = [ElementTree.parse(path) for path in (MODULE / "Resources" / "UI").glob("*.ui")]
    properties = [p for ui in files for p in ui.iter("property")]
    bound = {p.findtext("string") for p in properties if p.get("name") == "SlicerParameterName"}
    assert bound
    assert bound <= parameters
