"""The module installs the backend and starts it from there."""

from __future__ import annotations

import json
import os

import pytest

from UnifiedFocalSegLib import backend_process, connection, setup
from UnifiedFocalSegLib.environment.places import ROOT_VARIABLE, site_packages
from UnifiedFocalSegLib.errors import FocalSegError
from UnifiedFocalSegLib.logic import FocalSegLogic


@pytest.fixture
def module(scene, site, monkeypatch):
    """The module's logic on a computer without a backend."""
    monkeypatch.setenv(ROOT_VARIABLE, str(site.places.root))
    monkeypatch.delenv("UFSEG_PYTHON", raising=False)
    for part in (backend_process, setup):
        monkeypatch.setattr(part, "shipped", lambda: site.wanted)
    # A developer's checkout has a .venv, which is preferred.
    monkeypatch.setattr(connection, "default_python", backend_process.installed_python)
    logic = FocalSegLogic()
    yield logic
    logic.close(wait=True)


def test_install_start_damage_repair(module, site, tmp_path):
    with pytest.raises(FocalSegError, match="The backend is not set up"):
        module.start_backend(tmp_path / "workspace", wait=True)
    stages = set()
    operation = module.install_backend(site.options)
    operation.changed.connect(lambda o: stages.add(o.stage))
    python = module.wait(operation)
    assert (python, operation.fraction) == (site.places.python(), 1.0)
    assert "trying it out" in stages
    assert module.start_backend(tmp_path / "workspace", wait=True).result == "http://127.0.0.1:1"
    module.stop_backend(wait=True)

    os.truncate(site_packages(site.places.current()) / "helper" / "data.bin", 5)
    with pytest.raises(FocalSegError, match=r"data\.bin has 5 bytes instead of 6000000"):
        module.start_backend(tmp_path / "workspace", wait=True)
    assert module.install_backend(wait=True).result != python
    options = json.loads((site.places.current() / "ufseg-environment.json").read_text(encoding="utf-8"))["options"]
    assert options["wheels"] == str(site.options.wheels), "a repair goes the way of the installation"
    assert module.start_backend(tmp_path / "workspace", wait=True).result


def test_stop(module, site):
    operation = module.install_backend(site.options)
    operation.cancel()
    with pytest.raises(FocalSegError):
        module.wait(operation)
    assert operation.state == "cancelled"
    assert site.places.python() is None
