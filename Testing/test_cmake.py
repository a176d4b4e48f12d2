"""The extension is configured and installed by CMake against a stand-in of Slicer's package."""

from __future__ import annotations

import importlib
import re
import subprocess
import sys
from pathlib import Path

import pytest

cmake = pytest.importorskip("cmake", reason="the package cmake is not installed; it belongs to the extra test")

REPOSITORY = Path(__file__).resolve().parents[1]
STANDIN = Path(__file__).with_name("cmake_standin")
MODULES = Path("lib", "Slicer-5.10", "qt-scripted-modules")
PROGRAM = Path(cmake.CMAKE_BIN_DIR) / "cmake"
# No compiler is needed for what has nothing to compile.
NO_COMPILER = [f"-DCMAKE_{kind}_COMPILER_FORCED=ON" for kind in ("C", "CXX")] + [
    f"-DCMAKE_{kind}_COMPILER={sys.executable}" for kind in ("C", "CXX")
]


@pytest.fixture(scope="module")
def configured(tmp_path_factory) -> tuple[Path, str]:
    """The build folder and what CMake said."""
    build = tmp_path_factory.mktemp("build")
    command = [str(PROGRAM), "-S", str(REPOSITORY), "-B", str(build), f"-DSlicer_DIR={STANDIN}", "-DBUILD_TESTING=ON"]
    done = subprocess.run([*command, *NO_COMPILER], capture_output=True, encoding="utf-8", check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return build, done.stdout


@pytest.fixture(scope="module")
def installed(configured, tmp_path_factory) -> Path:
    """The folder that Slicer looks for modules in, as a user gets it."""
    prefix = tmp_path_factory.mktemp("prefix")
    command = [str(PROGRAM), "--install", str(configured[0]), "--prefix", str(prefix), "--component"]
    done = subprocess.run([*command, "RuntimeLibraries"], capture_output=True, encoding="utf-8", check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return prefix / MODULES


def files(folder: Path) -> set[str]:
    found = (p.relative_to(folder) for p in folder.rglob("*") if p.is_file())
    return {p.as_posix() for p in found if "__pycache__" not in p.parts and not p.parts[0].endswith(".egg-info")}


def test_the_whole_module_is_installed(installed):
    source = REPOSITORY / "UnifiedFocalSeg"
    wanted = files(source) - {"CMakeLists.txt"}
    assert {name for name in files(installed) if not name.startswith("UnifiedFocalSegBackend/")} == wanted
    assert {Path(name).suffix for name in wanted} == {".py", ".ui", ".png", ".nrrd"}
    for name in wanted:
        assert (installed / name).read_bytes() == (source / name).read_bytes()


def test_the_backend_comes_along(installed):
    backend = installed / "UnifiedFocalSegBackend"
    assert files(backend / "src") == files(REPOSITORY / "backend" / "src")
    alone = {"pyproject.toml", "README.md", "requirements.lock", "LICENSE.txt"}
    assert {p.name for p in backend.iterdir() if p.is_file()} == alone
    assert files(backend / "Models") == files(REPOSITORY / "Resources" / "Models")


def test_the_installed_module_finds_its_backend_and_models(installed):
    code = (
        "import sys; sys.path.insert(0, sys.argv[1])\n"
        "from UnifiedFocalSegLib.environment import shipped\n"
        "wanted = shipped(); print(wanted.sources, wanted.version, len(wanted.digest))"
    )
    done = subprocess.run(
        [sys.executable, "-I", "-c", code, str(installed)], capture_output=True, encoding="utf-8", check=False
    )
    assert done.returncode == 0, done.stderr
    sources, version, digits = done.stdout.split()
    assert Path(sources) == installed / "UnifiedFocalSegBackend"
    assert (version, digits) == (importlib.import_module("ufseg").__version__, "64")


def test_the_application_would_run_the_modules_own_test(configured):
    assert "test UnifiedFocalSeg.py" in configured[1]
    assert "generic tests of UnifiedFocalSeg" in configured[1]


def test_what_the_catalogue_shows_is_in_the_repository(configured):
    said = dict(re.findall(r"-- EXTENSION_(\w+)=(.*)", configured[1]))
    assert said["HOMEPAGE"].startswith("https://")
    assert said["DESCRIPTION"].endswith(".")
    assert said["DEPENDS"] == "NA"
    for address in (said["ICONURL"], *said["SCREENSHOTURLS"].split(" ")):
        root, _, path = address.partition("/main/")
        assert root.startswith("https://raw.githubusercontent.com/")
        assert (REPOSITORY / path).is_file(), f"{address} is shown but not in the repository"
