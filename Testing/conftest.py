"""One MRML scene for all tests of the Slicer side, emptied before each."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(REPOSITORY / "UnifiedFocalSeg"), str(REPOSITORY / "Testing")]
os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")

from slicer_shell.boot import boot  # noqa: E402


def pytest_configure(config):
    config.addinivalue_line("markers", "slow: takes long; runs only with -m slow")


def pytest_collection_modifyitems(config, items):
    if "slow" in (config.getoption("-m") or ""):
        return
    for item in items:
        if item.get_closest_marker("slow"):
            item.add_marker(pytest.mark.skip(reason="takes long; run it with -m slow"))


@pytest.fixture(scope="session")
def slicer_scene(tmp_path_factory):
    """The scene of slicer-core, started once."""
    return boot(log=tmp_path_factory.mktemp("vtk") / "vtk.log")


@pytest.fixture
def scene(slicer_scene):
    """An empty scene."""
    slicer_scene.Clear(0)
    yield slicer_scene
    slicer_scene.Clear(0)


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Folder of real labelled data; skips the test where there is none."""
    folder = Path(os.environ.get("UFSEG_DATA", REPOSITORY.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip("no real data here: set UFSEG_DATA to a folder laid out like the developers' shared/data")
    return folder


@pytest.fixture(scope="session")
def backend(slicer_scene, tmp_path_factory):
    """A real service process on a fresh workspace, shared by the tests that only add to it."""
    from finished_model import write_finished_model
    from UnifiedFocalSegLib.backend_process import BackendProcess

    models = tmp_path_factory.mktemp("models")
    write_finished_model(models / "a-phantom-mri")
    process = BackendProcess.start(sys.executable, tmp_path_factory.mktemp("workspace"), device="cpu", models=models)
    yield process
    process.stop()


@pytest.fixture
def logic(scene, backend):
    """The module's logic, connected to the shared backend."""
    from UnifiedFocalSegLib.logic import FocalSegLogic

    logic = FocalSegLogic()
    logic.connect(backend.url, backend.token, wait=True)
    yield logic
    logic.close()


@pytest.fixture
def stalls(monkeypatch):
    """Measures the slots of panels that are made while it is in use."""
    from slicer_shell import pythonqt
    from stalls import Stalls

    stalls = Stalls()
    monkeypatch.setattr(pythonqt, "watch_slot", stalls.timed)
    return stalls
