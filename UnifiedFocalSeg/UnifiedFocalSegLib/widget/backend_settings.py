"""Which backend is used, and where it is: the section "Advanced", kept in Slicer's settings."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import qt
from slicer.i18n import tr as _

from UnifiedFocalSegLib.backend_process import default_workspace
from UnifiedFocalSegLib.trust import Trust

from .words import offer

_PREFIX = "UnifiedFocalSeg/"
_REMOTE = 1


class BackendSettings:
    """The settings, shown and remembered.

    Args:
        ui: controls of the .ui files.
        found: the backend's Python where a set-up has put it, None without one.
        on_changed: called after each change by the user.
    """

    def __init__(self, ui, found: Path | None, on_changed: Callable[[], None]) -> None:
        self._ui, self._on_changed = ui, on_changed
        self._lines = {
            "Address": ui.addressLineEdit,
            "Token": ui.tokenLineEdit,
            "Fingerprint": ui.fingerprintLineEdit,
        }
        self._paths = {
            "BackendPython": ui.pythonPathLineEdit,
            "Workspace": ui.workspacePathLineEdit,
            "Certificate": ui.authorityPathLineEdit,
        }
        settings = qt.QSettings()
        stored = {name: settings.value(_PREFIX + name, "") or "" for name in ("Remote", *self._lines, *self._paths)}
        if not stored["BackendPython"] or not Path(stored["BackendPython"]).exists():  # an update has replaced it
            stored["BackendPython"] = str(found or "")
        stored["Workspace"] = stored["Workspace"] or str(default_workspace())
        ui.placeSelector.setCurrentIndex(_REMOTE if stored["Remote"] == "yes" else 0)
        for name, line in self._lines.items():
            line.setText(stored[name])
            line.connect("textChanged(QString)", self._save)
        for name, line in self._paths.items():
            line.setCurrentPath(stored[name])
            line.connect("currentPathChanged(QString)", self._save)
        ui.placeSelector.connect("currentIndexChanged(int)", self._save)
        ui.logsButton.connect("clicked(bool)", self.on_logs)
        self._show()

    @property
    def remote(self) -> bool:
        """Whether a backend on another computer was chosen."""
        return self._ui.placeSelector.currentIndex == _REMOTE

    @property
    def python(self) -> str:
        """The backend's Python on this computer; empty if there is none."""
        path = self._ui.pythonPathLineEdit.currentPath
        return path if path and Path(path).exists() else ""

    @property
    def workspace(self) -> str:
        """The folder of tasks, cases and models."""
        return self._ui.workspacePathLineEdit.currentPath

    @property
    def address(self) -> str:
        """Address of the backend on another computer."""
        return self._ui.addressLineEdit.text.strip()

    @property
    def token(self) -> str:
        """Its secret."""
        return self._ui.tokenLineEdit.text.strip()

    @property
    def trust(self) -> Trust:
        """What its certificate is compared with."""
        return Trust(self._ui.authorityPathLineEdit.currentPath.strip(), self._ui.fingerprintLineEdit.text.strip())

    @property
    def missing(self) -> str:
        """What must be entered before a backend on another computer can be used, in a sentence."""
        if not self.address:
            return _("Enter the backend's address under Advanced first.")
        return "" if self.token else _("Enter the backend's token under Advanced first.")

    def use_python(self, path) -> None:
        """Take the Python of a new set-up."""
        self._ui.pythonPathLineEdit.setCurrentPath(str(path))

    def on_logs(self, *_clicked) -> None:
        """Show the backend's logs in the system's file manager."""
        qt.QDesktopServices.openUrl(qt.QUrl.fromLocalFile(str(self._logs)))

    @property
    def _logs(self) -> Path:
        return Path(self.workspace) / "logs"

    def update(self, reason: str) -> None:
        """Let the settings be changed, or say why they cannot be now."""
        for control, tooltip in (
            (self._ui.placeSelector, _("Where images are segmented and models are trained.")),
            (self._ui.pythonPathLineEdit, _("The python program of the backend's own virtual environment.")),
            (self._ui.workspacePathLineEdit, _("The folder that holds tasks, cases, corrections and models.")),
            (self._ui.addressLineEdit, _("The address in the first line that the backend prints.")),
            (
                self._ui.tokenLineEdit,
                _("The token in that line, or one of “ufseg tokens add”. It is kept in Slicer's settings."),
            ),
            (self._ui.fingerprintLineEdit, _("SHA-256 of the backend's own certificate, from its first line.")),
            (self._ui.authorityPathLineEdit, _("PEM file of the authority that signed the backend's certificate.")),
        ):
            offer(control, reason, tooltip)
        offer(
            self._ui.logsButton,
            "" if self._logs.is_dir() else _("No backend has been started with this workspace yet."),
            _("Show what the backend wrote down, such as why it ended."),
        )

    def _save(self, *_changed) -> None:
        settings = qt.QSettings()
        settings.setValue(f"{_PREFIX}Remote", "yes" if self.remote else "no")
        for name, line in self._lines.items():
            settings.setValue(_PREFIX + name, line.text)
        for name, line in self._paths.items():
            settings.setValue(_PREFIX + name, line.currentPath)
        self._show()
        self._on_changed()

    def _show(self) -> None:
        self._ui.localWidget.setVisible(not self.remote)
        self._ui.remoteWidget.setVisible(self.remote)
