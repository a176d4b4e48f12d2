"""The first run by clicks: the module file in the test shell, real uv, tiny packages, and then the real service."""

from __future__ import annotations

import os
import sys

import pytest

from panel_driver import opened_panel, picture, until
from UnifiedFocalSegLib import backend_process, setup
from UnifiedFocalSegLib.environment import Wanted
from UnifiedFocalSegLib.environment.places import ROOT_VARIABLE, site_packages
from UnifiedFocalSegLib.logic import FocalSegLogic

HEIGHT = 420
# The tiny backend hands over to the real one of the Python that runs the tests.
_HAND_OVER = f"""
import os, sys
if __name__ == "__main__":
    os.execv({sys.executable!r}, [{sys.executable!r}, "-m", "ufseg.cli.main", *sys.argv[1:]])
"""


@pytest.fixture
def widget(scene, site, monkeypatch, tmp_path):
    """The panel on a computer without a backend."""
    (site.wanted.sources / "src" / "ufseg" / "cli" / "main.py").write_text(_HAND_OVER, encoding="utf-8")
    monkeypatch.delenv("UFSEG_PYTHON", raising=False)
    for part in (backend_process, setup):
        monkeypatch.setattr(part, "shipped", lambda: Wanted(site.wanted.sources))
    monkeypatch.setattr("UnifiedFocalSegLib.connection.default_models", lambda: None)
    # A developer's checkout has a .venv, which is preferred.
    python = backend_process.installed_python
    with opened_panel(monkeypatch, tmp_path, 900, python=python, environment=site.places.root) as widget:
        yield widget


def test_set_up_stop_resume_start_repair_update(widget, site, tmp_path):
    """From nothing to a running backend with one click, through a stop; back to it after damage and an update."""
    ui = widget.ui
    assert ui.backendLabel.text == "Backend: not set up"
    assert not ui.backendButton.visible
    until(lambda: ui.setupButton.enabled)
    assert ui.setupButton.text == "Download and install"
    for words in ("Download: about 0.5 GB", "On disk: about 1.9 GB", "are free", "no NVIDIA GPU", "stay on this"):
        assert words in ui.setupLabel.text
    assert ui.environmentPathLineEdit.currentPath == str(site.places.root)
    picture(widget, "test-shell-setup.png", tmp_path, height=HEIGHT)

    # Offline from the test's packages, instead of from the registries.
    widget.logic.install_backend = lambda: FocalSegLogic.install_backend(widget.logic, site.options)
    ui.setupButton.click()
    assert (ui.setupButton.text, ui.backendLabel.text) == ("Cancel", "Backend: being set up…")
    until(lambda: ui.setupStageLabel.text != "")
    ui.setupButton.click()
    assert not ui.setupButton.enabled
    until(lambda: ui.setupButton.text == "Resume")
    assert ui.setupStageLabel.text == "Stopped. What was downloaded is kept."
    assert "not complete" in ui.setupLabel.text
    picture(widget, "test-shell-setup-stopped.png", tmp_path, height=HEIGHT)

    ui.setupButton.click()
    until(lambda: ui.setupProgressBar.value > 50)
    picture(widget, "test-shell-setup-installing.png", tmp_path, height=HEIGHT)
    until(lambda: ui.backendLabel.text.startswith("Backend: ready on "))
    assert not ui.setupGroupBox.visible
    assert widget.panel.backend.settings.python == str(site.places.python())
    picture(widget, "test-shell-ready.png", tmp_path, height=HEIGHT)

    del widget.logic.install_backend
    widget.logic.stop_backend(wait=True)
    os.truncate(site_packages(site.places.current()) / "helper" / "data.bin", 5)
    assert ui.backendButton.text == "Start backend"
    ui.backendButton.click()
    until(lambda: ui.setupGroupBox.visible and ui.setupButton.text == "Repair")
    assert "data.bin has 5 bytes instead of 6000000" in ui.setupLabel.text
    assert ui.backendLabel.text == "Backend: damaged"
    picture(widget, "test-shell-setup-repair.png", tmp_path, height=HEIGHT)
    ui.setupButton.click()
    until(lambda: ui.backendLabel.text.startswith("Backend: ready"))
    assert not ui.setupGroupBox.visible

    widget.logic.stop_backend(wait=True)
    with (site.wanted.sources / "src" / "ufseg" / "__init__.py").open("a", encoding="utf-8") as file:
        file.write("# the extension was updated\n")
    ui.backendButton.click()
    until(lambda: ui.setupGroupBox.visible and ui.setupButton.text == "Update")
    assert ui.backendLabel.text == "Backend: out of date"
    picture(widget, "test-shell-setup-update.png", tmp_path, height=HEIGHT)
    ui.setupButton.click()
    until(lambda: ui.backendLabel.text.startswith("Backend: ready"))


def test_too_little_disk_space_is_told_before_anything_is_downloaded(widget, monkeypatch):
    monkeypatch.setattr(setup, "free_bytes", lambda _folder: 200_000_000)
    widget.panel.backend.setup.examine()
    until(lambda: "0.2 GB are free" in widget.ui.setupLabel.text)
    assert not widget.ui.setupButton.enabled
    assert "1.9 GB are needed and 0.2 GB are free" in widget.ui.setupButton.toolTip


def test_another_folder_can_be_chosen(widget, monkeypatch, tmp_path):
    assert not widget.ui.environmentPathLineEdit.enabled, "the variable decides"
    assert ROOT_VARIABLE in widget.ui.environmentPathLineEdit.toolTip
    monkeypatch.delenv(ROOT_VARIABLE)
    widget.cleanup()
    widget.setup()
    ui = widget.ui
    until(lambda: not widget.logic.operations)
    ui.environmentPathLineEdit.setCurrentPath(str(tmp_path / "large disk"))
    until(lambda: not widget.logic.operations)
    assert widget.panel.backend.setup._plan.root == tmp_path / "large disk"
    monkeypatch.setenv(ROOT_VARIABLE, "restored at the end")
