"""A complete installation with PyTorch, from which the service starts and segments; only where it is asked for.

UFSEG_WHEELS names a folder with PyTorch's wheel for this computer (``pip download --no-deps torch -d FOLDER``); the
other packages come from the index.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from nodes import add_volume
from phantom import study
from UnifiedFocalSegLib.environment import Options
from UnifiedFocalSegLib.environment.places import ROOT_VARIABLE, Places
from UnifiedFocalSegLib.logic import FocalSegLogic

WHEELS = os.environ.get("UFSEG_WHEELS", "")
_GIGABYTES = 4 << 30


@pytest.mark.skipif(not WHEELS, reason="installs 1.5 GB: set UFSEG_WHEELS to a folder with PyTorch's wheel to run it")
def test_install_start_segment(scene, tmp_path, monkeypatch):
    monkeypatch.setenv(ROOT_VARIABLE, str(tmp_path / "environment"))
    monkeypatch.delenv("UFSEG_PYTHON", raising=False)
    logic = FocalSegLogic()
    try:
        operation = logic.install_backend(Options(torch="cpu", wheels=Path(WHEELS), needed=_GIGABYTES))
        python = logic.wait(operation, 1800)
        assert python == Places(tmp_path / "environment").python()
        logic.start_backend(tmp_path / "workspace", python, device="cpu", wait=True)
        task = logic.install_model("hippocampus-mri", wait=True).result["task"]
        image, _, geometry = study(0)
        found = logic.segment(add_volume(scene, image, geometry), task, wait=True).result
        assert found.GetSegmentation().GetNumberOfSegments() == 2
    finally:
        logic.close(wait=True)
