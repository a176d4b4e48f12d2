"""The backend's state by clicks: killed and started again, on another computer, with certificates and wrong tokens."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import phantom
from finished_model import write_finished_model
from nodes import add_volume
from panel_driver import opened_panel, picture, start_backend, until


@pytest.fixture
def widget(scene, monkeypatch, tmp_path):
    """The panel, open, with a workspace of its own and no backend running."""
    monkeypatch.setattr("UnifiedFocalSegLib.connection.default_models", lambda: None)
    with opened_panel(monkeypatch, tmp_path, 900) as widget:
        yield widget


@pytest.fixture
def server(tmp_path):
    """A backend as another computer would serve it: TLS with a certificate of its own; its process and first line."""
    write_finished_model(tmp_path / "models" / "a-phantom-mri")
    command = [sys.executable, "-m", "ufseg.cli.main", "serve", "--workspace", str(tmp_path / "elsewhere")]
    command += ["--device", "cpu", "--tls-generate", "--models", str(tmp_path / "models")]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, encoding="utf-8")
    yield process, json.loads(process.stdout.readline())
    process.stdin.close()
    process.wait(30)


def test_a_backend_that_dies_is_noticed_and_started_again_once(widget, tmp_path, monkeypatch):
    import qt

    ui = widget.ui
    opened_folders = []
    monkeypatch.setattr(qt.QDesktopServices, "openUrl", lambda url: opened_folders.append(url.toLocalFile()))
    assert not ui.logsButton.enabled
    start_backend(widget)
    until(lambda: ui.backendLabel.text.startswith("Backend: ready on "))
    os.kill(widget.logic._process.pid, signal.SIGKILL)
    killed = time.monotonic()
    until(lambda: ui.backendLabel.text == "Backend: starting…")  # nobody has asked it anything
    assert time.monotonic() - killed < 1.0
    picture(widget, "test-shell-starting-again.png", tmp_path, height=420)
    assert "killed by signal 9" in ui.backendNoteLabel.text
    until(lambda: ui.backendLabel.text.startswith("Backend: ready on "))
    assert ui.backendNoteLabel.visible, "it is still to be read"

    os.kill(widget.logic._process.pid, signal.SIGKILL)
    until(lambda: "killed by signal 9" in ui.backendLabel.text)
    assert (ui.backendButton.text, ui.backendButton.enabled) == ("Start backend", True)
    assert "killed by signal 9" in ui.applyButton.toolTip
    picture(widget, "test-shell-backend-died.png", tmp_path, height=420)
    ui.advancedCollapsibleButton.collapsed = False
    ui.logsButton.click()
    (folder,) = opened_folders
    assert "was ready after" in (Path(folder) / "service.jsonl").read_text(encoding="utf-8")
    ui.backendButton.click()
    until(lambda: ui.backendLabel.text.startswith("Backend: ready"))
    assert not ui.backendNoteLabel.visible


def connect(widget, **entered: str) -> str:
    """Enter what is given, press Connect and return what the panel says when it is done."""
    for name, text in entered.items():
        getattr(widget.ui, f"{name}LineEdit").setText(text)
    assert widget.ui.backendButton.text == "Connect"
    widget.ui.backendButton.click()
    until(lambda: widget.panel.backend._starting is None)
    return widget.ui.backendLabel.text


def test_a_backend_on_another_computer(widget, server, scene, tmp_path):
    process, hello = server
    ui = widget.ui
    ui.advancedCollapsibleButton.collapsed = False
    ui.placeSelector.setCurrentIndex(1)
    assert ui.remoteWidget.visible
    assert not ui.localWidget.visible
    assert not ui.setupGroupBox.visible
    assert (ui.backendButton.enabled, ui.backendButton.toolTip) == (
        False,
        "Enter the backend's address under Advanced first.",
    )
    said = connect(widget, address="http://ai.hospital.example:8000", token="secret")
    assert "not encrypted" in said
    said = connect(widget, address="https://127.0.0.1:9", token="wrong")
    assert "https://127.0.0.1:9 cannot be reached" in said
    said = connect(widget, address=hello["url"])
    assert "is not trusted by this computer" in said
    assert hello["fingerprint"] in said.replace(" ", ":"), "so that it can be compared"
    picture(widget, "test-shell-remote-refused.png", tmp_path, height=420)
    said = connect(widget, fingerprint="AB:" * 31 + "CD")
    assert "another certificate than the one whose fingerprint you entered" in said
    said = connect(widget, fingerprint=hello["fingerprint"][:-3])
    assert "has 62 hex digits" in said
    said = connect(widget, fingerprint=hello["fingerprint"])
    assert "token is missing or wrong" in said
    said = connect(widget, token=hello["token"])
    assert said == f"Backend: ready on {hello['url']}"
    assert ui.tokenLineEdit.displayText != hello["token"], "nobody reads it over the user's shoulder"

    until(lambda: ui.installModelButton.visible)
    ui.installModelButton.click()
    until(lambda: ui.taskSelector.count == 1 and not widget.logic.operations)
    ui.inputSelector.setCurrentNode(add_volume(scene, *phantom.study(0)[::2], "T1"))
    ui.applyButton.click()
    until(lambda: not widget.logic.operations)
    assert ui.segmentationSelector.currentNode().GetName() == "T1 segmentation"
    picture(widget, "test-shell-remote.png", tmp_path, part=ui.BackendSettingsPanel)

    widget.panel.backend._watch.setInterval(100)
    process.kill()
    until(lambda: "cannot be reached" in ui.backendLabel.text)
    assert ui.backendButton.text == "Connect"


def test_a_certificate_file_and_kept_settings(widget, server, tmp_path):
    _process, hello = server
    ui = widget.ui
    ui.placeSelector.setCurrentIndex(1)
    ui.authorityPathLineEdit.setCurrentPath(str(tmp_path / "nothing.pem"))
    said = connect(widget, address=hello["url"], token=hello["token"])
    assert "There is no certificate file" in said
    ui.authorityPathLineEdit.setCurrentPath(str(tmp_path / "elsewhere" / "tls" / "certificate.pem"))
    assert connect(widget).startswith("Backend: ready on ")
    ui.backendButton.click()
    assert ui.backendButton.text == "Connect"

    widget.cleanup()
    widget.setup()  # as after a start of Slicer
    widget.enter()
    until(lambda: widget.panel.backend.problem == "")
    assert widget.ui.backendLabel.text.startswith(f"Backend: ready on {hello['url']}")
    until(lambda: not widget.logic.operations)
