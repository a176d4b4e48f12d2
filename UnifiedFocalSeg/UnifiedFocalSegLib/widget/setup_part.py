"""Setting up the backend: what it takes, one confirmation, progress, stop and resume."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import qt
from slicer.i18n import tr as _

from UnifiedFocalSegLib.backend_process import installed_python
from UnifiedFocalSegLib.environment import default_root
from UnifiedFocalSegLib.environment.places import ROOT_VARIABLE
from UnifiedFocalSegLib.environment.space import words as size_words

from .words import offer

_FOLDER_SETTING = "UnifiedFocalSeg/Environment"


class SetupPart:
    """Shown until the backend's environment on this computer can be used.

    Args:
        ui: controls of the .ui files.
        logic: FocalSegLogic.
        settings: BackendSettings.
        on_ready: called with the new environment's Python.
        on_changed: called when what `needed` and `state` say may have changed.
    """

    def __init__(self, ui, logic, settings, on_ready: Callable[[Path], None], on_changed: Callable[[], None]) -> None:
        self._ui, self._logic, self._settings = ui, logic, settings
        self._on_ready, self._on_changed = on_ready, on_changed
        self._plan = None
        self._examining = self._installing = None
        self._again = False
        self._said = ""
        self._given = bool(os.environ.get(ROOT_VARIABLE))
        chosen = qt.QSettings().value(_FOLDER_SETTING, "")
        if chosen and not self._given:
            os.environ[ROOT_VARIABLE] = chosen  # the terminal's command and the backend's start look there too
        ui.environmentPathLineEdit.setCurrentPath(str(default_root()))
        ui.environmentPathLineEdit.connect("currentPathChanged(QString)", self._on_folder)
        ui.setupButton.connect("clicked(bool)", self.on_button)

    @property
    def needed(self) -> bool:
        """Whether the environment must be set up, updated or repaired before a backend can be started."""
        if self._settings.remote:
            return False
        if not self._settings.python:
            return True
        found_wanting = self._plan is not None and not self._plan.report.usable
        return found_wanting and self._settings.python == str(installed_python() or "")

    @property
    def installing(self) -> bool:
        """Whether that is under way."""
        return self._installing is not None

    @property
    def state(self) -> str:
        """How the environment is, in words."""
        found = "missing" if self._plan is None else self._plan.report.state
        words = {"outdated": _("Backend: out of date"), "damaged": _("Backend: damaged")}
        return words.get(found, _("Backend: not set up"))

    def examine(self) -> None:
        """Look at this computer, in the background."""
        if self._examining is not None:
            self._again = True
            return
        self._examining = self._logic.examine_setup()
        self._examining.finished.connect(self._on_plan)

    def forget(self) -> None:
        """Another Python was chosen: what was found about the own environment does not matter."""
        self._plan = None

    def on_button(self, *_clicked) -> None:
        """Install, or stop."""
        if self._installing is not None:
            self._installing.cancel()
            self.update()
            return
        self._said = ""
        self._installing = self._logic.install_backend()
        self._installing.changed.connect(self._on_progress)
        self._installing.finished.connect(self._on_installed)
        self._on_changed()

    def update(self) -> None:
        """Show what can be done."""
        ui, operation, plan = self._ui, self._installing, self._plan
        ui.setupGroupBox.setVisible(self.needed or operation is not None)
        ui.setupProgressBar.setVisible(operation is not None)
        ui.setupStageLabel.setVisible(bool(operation is not None or self._said))
        if operation is not None:
            ui.setupButton.setText(_("Cancel"))
            offer(ui.setupButton, _("Stopping…") if operation.cancelling else "", _("Stop. Nothing is lost by that."))
            offer(ui.environmentPathLineEdit, _("The backend is being installed there."), "")
            return
        ui.setupStageLabel.setText(self._said)
        offer(
            ui.environmentPathLineEdit,
            _("Set by the variable {name}.").format(name=ROOT_VARIABLE) if self._given else "",
            _("The folder in which the backend's environment is made."),
        )
        if plan is None:
            ui.setupLabel.setText(_("Looking at this computer…"))
            ui.setupButton.setText(_("Download and install"))
            offer(ui.setupButton, _("Looking at this computer…"), "")
            return
        ui.setupLabel.setText(self._explained(plan))
        ui.setupButton.setText(
            {
                "missing": _("Download and install"),
                "interrupted": _("Resume"),
                "outdated": _("Update"),
                "damaged": _("Repair"),
                "ready": _("Use it"),
            }[plan.report.state]
        )
        reason = (
            ""
            if plan.fits
            else _("{needed} are needed and {free} are free. Free some space, or choose another folder.").format(
                needed=size_words(plan.needed), free=size_words(plan.free)
            )
        )
        offer(ui.setupButton, reason, _("Pressing this is your consent to the download."))

    def _explained(self, plan) -> str:
        first = {
            "missing": _(
                "The backend segments and learns. It gets a Python environment of its own, apart from Slicer's."
            ),
            "interrupted": _("The installation is not complete. It goes on from what is there already."),
        }.get(plan.report.state, plan.report.sentence)
        lines = [
            first,
            _("Download: about {size}, from pypi.org and download.pytorch.org.").format(size=size_words(plan.download)),
            _("On disk: about {size}; {free} are free.").format(
                size=size_words(plan.needed), free=size_words(plan.free)
            ),
            plan.hardware,
            _("Images and corrections stay on this computer."),
        ]
        return "\n".join(lines)

    def _on_folder(self, path: str) -> None:
        if not path.strip() or self._given:
            return
        os.environ[ROOT_VARIABLE] = path.strip()
        qt.QSettings().setValue(_FOLDER_SETTING, path.strip())
        self.examine()

    def _on_plan(self, operation) -> None:
        self._examining = None
        if self._again:
            self._again = False
            self.examine()
            return
        if operation.state == "succeeded":
            self._plan = operation.result
        else:
            self._said = operation.error or ""
        self._on_changed()

    def _on_progress(self, operation) -> None:
        self._ui.setupProgressBar.setValue(round(1000 * operation.fraction))
        self._ui.setupStageLabel.setText(operation.stage[:1].upper() + operation.stage[1:])

    def _on_installed(self, operation) -> None:
        self._installing = None
        if operation.state == "succeeded":
            self._plan = None
            self._said = ""
            self._on_ready(operation.result)
            return
        stopped = _("Stopped. What was downloaded is kept.")
        self._said = operation.error or stopped
        self.examine()
        self._on_changed()
