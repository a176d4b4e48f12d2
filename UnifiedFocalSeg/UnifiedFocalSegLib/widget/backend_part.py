"""The line that shows the backend's state, the button that starts it, and its settings."""

from __future__ import annotations

from pathlib import Path

import qt
from slicer.i18n import tr as _

from UnifiedFocalSegLib.backend_process import default_python, default_workspace

from .words import offer

PYTHON_SETTING, WORKSPACE_SETTING = "UnifiedFocalSeg/BackendPython", "UnifiedFocalSeg/Workspace"
_ASK_AGAIN_MILLISECONDS = 500
# Operations that a restart of the backend would break off.
_DISTURBED = ("segment", "submit", "retrain", "install")


class BackendPart:
    """Starts the backend and says how it is.

    Args:
        ui: controls of the .ui file.
        logic: FocalSegLogic.
        on_ready: called when a backend has become ready.
    """

    def __init__(self, ui, logic, on_ready) -> None:
        self._ui, self._logic, self._on_ready = ui, logic, on_ready
        self._starting = None
        self._error = ""
        self._device = self._note = ""
        settings = qt.QSettings()
        found = default_python()
        ui.pythonPathLineEdit.setCurrentPath(settings.value(PYTHON_SETTING, "") or (str(found) if found else ""))
        ui.workspacePathLineEdit.setCurrentPath(settings.value(WORKSPACE_SETTING, "") or str(default_workspace()))
        ui.pythonPathLineEdit.connect("currentPathChanged(QString)", self._save_settings)
        ui.workspacePathLineEdit.connect("currentPathChanged(QString)", self._save_settings)
        ui.backendButton.connect("clicked(bool)", self.on_button)
        logic.backend_changed.connect(self.update)

    @property
    def problem(self) -> str:
        """Why nothing can be asked of the backend now; empty if it is ready."""
        if self._starting is not None:
            return _("The backend is starting.")
        return self._logic.backend_problem()

    def start_if_set_up(self) -> None:
        """Start in the background, unless it runs, starts, or has no Python chosen yet."""
        if self._logic.backend_problem() and self._starting is None and self._python() and not self._error:
            self.start()

    def start(self) -> None:
        """Start the backend chosen under Advanced."""
        self._error = self._device = self._note = ""
        self._starting = self._logic.start_backend(self._ui.workspacePathLineEdit.currentPath, self._python())
        self._starting.finished.connect(self._on_started)
        self.update()

    def on_button(self) -> None:
        """Start, or stop the start."""
        if self._starting is not None:
            self._starting.cancel()
        else:
            self.start()
        self.update()

    def update(self) -> None:
        """Show the state."""
        ui = self._ui
        problem = self._logic.backend_problem()
        if self._starting is not None:
            text, button = _("Backend: starting…"), _("Stop")
        elif not problem:
            device = _(" on {device}").format(device=self._device) if self._device else ""
            text, button = _("Backend: ready{device}").format(device=device), _("Restart")
        else:
            text, button = self._error or problem, _("Start backend")
        ui.backendLabel.setText(text)
        ui.backendLabel.setToolTip(self._note)
        ui.backendButton.setText(button)
        reason = "" if self._python() else _("Choose the backend's Python under Advanced first.")
        if any(operation.kind in _DISTURBED for operation in self._logic.operations):
            reason = _("Something is being computed or saved. Wait for it, or cancel it.")
        offer(ui.backendButton, reason, _("The backend segments and learns in a process of its own."))
        idle = self._starting is None
        for control in (ui.pythonPathLineEdit, ui.workspacePathLineEdit):
            control.setEnabled(idle)

    def _on_started(self, operation) -> None:
        self._starting = None
        self._error = operation.error or ""
        self.update()
        if operation.state == "succeeded":
            self._ask_device()
            self._on_ready()

    def _ask_device(self) -> None:
        if self._logic.backend_problem():
            return
        self._logic.fetch("health").finished.connect(self._on_health)

    def _on_health(self, operation) -> None:
        if operation.state != "succeeded":
            return
        device = operation.result.get("device")
        if device is None:  # the backend still tries it out
            qt.QTimer.singleShot(_ASK_AGAIN_MILLISECONDS, self._ask_device)
            return
        self._device, self._note = device.get("name", ""), device.get("note") or ""
        self.update()

    def _python(self) -> str:
        path = self._ui.pythonPathLineEdit.currentPath
        return path if path and Path(path).exists() else ""

    def _save_settings(self) -> None:
        settings = qt.QSettings()
        settings.setValue(PYTHON_SETTING, self._ui.pythonPathLineEdit.currentPath)
        settings.setValue(WORKSPACE_SETTING, self._ui.workspacePathLineEdit.currentPath)
        self._error = ""
        self.update()
