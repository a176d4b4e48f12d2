"""The backend's state in words, the button that changes it, and what happens when it goes away."""

from __future__ import annotations

import time

import qt
from slicer.i18n import tr as _

from UnifiedFocalSegLib.backend_process import default_python, installed_python

from .backend_settings import BackendSettings
from .setup_part import SetupPart
from .words import offer

_ASK_AGAIN_MILLISECONDS = 500
# A backend elsewhere cannot be seen to end; it is asked.
_LOOK_AFTER_MILLISECONDS = 5000
# A backend that dies sooner after it was started again by itself would only die again.
_CALM_SECONDS = 60.0
# Operations that a restart of the backend would break off, and what "busy" means.
_DISTURBED = ("segment", "submit", "retrain", "install", "import", "create", "promote", "rollback")


class BackendPart:
    """Starts the backend and says how it is.

    Args:
        ui: controls of the .ui files.
        logic: FocalSegLogic.
        on_ready: called when a backend has become ready.
        on_changed: called when `problem` may have changed.
    """

    def __init__(self, ui, logic, on_ready, on_changed) -> None:
        self._ui, self._logic, self._on_ready, self._on_changed = ui, logic, on_ready, on_changed
        self._starting = self._asking = None
        self._error = self._told = ""
        self._device = self._note = ""
        self._restarted: float | None = None
        self.settings = BackendSettings(ui, default_python(), self._on_settings)
        self.setup = SetupPart(ui, logic, self.settings, self._on_set_up, on_changed)
        ui.backendButton.connect("clicked(bool)", self.on_button)
        logic.backend_changed.connect(self._on_backend)
        logic.backend_died.connect(self._on_died)
        logic.operation_started.connect(self._on_operation)
        logic.how_to_start = self.start_again
        self._watch = qt.QTimer()
        self._watch.setInterval(_LOOK_AFTER_MILLISECONDS)
        self._watch.connect("timeout()", self._look_after)
        self._watch.start()

    @property
    def problem(self) -> str:
        """Why nothing can be asked of the backend now; empty if it is ready."""
        if self._starting is not None:
            return _("The backend is starting.")
        problem = self._logic.backend_problem()
        if problem and self.setup.installing:
            return _("The backend is being set up.")
        if problem and self.setup.needed:
            return _("The backend cannot be used yet. Press “{button}” above.").format(button=self._ui.setupButton.text)
        return problem

    def start_if_set_up(self) -> None:
        """Start in the background, unless it runs, starts or has failed; show the set-up if there is none."""
        if not self._logic.backend_problem() or self._starting is not None or self.setup.installing:
            return
        if self.setup.needed:
            self.setup.examine()
        elif not self._error and not (self.settings.remote and self.settings.missing):
            self.start()

    def start(self):
        """Start the backend that was chosen, or connect to it; returns the operation."""
        settings = self.settings
        if settings.remote:
            return self._follow(self._logic.connect(settings.address, settings.token, settings.trust))
        return self._follow(self._logic.start_backend(settings.workspace, settings.python or None))

    def start_again(self):
        """Start what has ended by itself, where a script may have chosen another workspace; else `start`."""
        if self._logic.place is None:
            return self.start()
        python, workspace = self._logic.place
        return self._follow(self._logic.start_backend(workspace, python))

    def _follow(self, starting):
        self._error = self._told = ""
        self._starting = starting
        starting.finished.connect(self._on_started)
        self._on_changed()
        return starting

    def on_button(self, *_clicked) -> None:
        """Start, stop the start, or disconnect."""
        if self._starting is not None:
            self._starting.cancel()
        elif self.settings.remote and not self._logic.backend_problem():
            self._logic.stop_backend()
        else:
            self.start()
        self._on_changed()

    def close(self) -> None:
        """The panel goes away."""
        self._watch.stop()
        self._logic.backend_changed.disconnect(self._on_backend)
        self._logic.backend_died.disconnect(self._on_died)
        self._logic.operation_started.disconnect(self._on_operation)

    def update(self) -> None:
        """Show the state."""
        ui, remote = self._ui, self.settings.remote
        self.setup.update()
        busy = [o.title for o in self._logic.operations if o.kind in _DISTURBED]
        problem = self._logic.backend_problem()
        not_set_up = bool(problem) and self.setup.needed and self._starting is None
        reason = self.settings.missing if remote else ""
        if self._starting is not None:
            text, button, reason = _("Backend: starting…"), _("Stop"), ""
            if remote:
                text = _("Backend: connecting…")
        elif not problem:
            text, button = self._ready_text(busy), _("Disconnect") if remote else _("Restart")
        elif self.setup.installing:
            text, button = _("Backend: being set up…"), ""
        elif not_set_up:
            text, button = self.setup.state, ""
        elif remote:
            text, button = self._error or _("Backend: not connected"), _("Connect")
        else:
            text, button = self._error or problem, _("Start backend")
        ui.backendLabel.setText(text)
        ui.backendLabel.setToolTip(self._note)
        ui.backendNoteLabel.setText(self._told)
        ui.backendNoteLabel.setVisible(bool(self._told))
        ui.backendButton.setText(button)
        ui.backendButton.setVisible(bool(button))
        disturbed = _("Something is being computed or saved. Wait for it, or cancel it.") if busy else ""
        offer(ui.backendButton, disturbed or reason, _("The backend segments and learns in a process of its own."))
        fixed = _("The backend is starting.") if self._starting is not None else ""
        self.settings.update(disturbed or fixed)

    def _ready_text(self, busy: list[str]) -> str:
        where = self._device
        if self.settings.remote:
            where = f"{self.settings.address} ({where})" if where else self.settings.address
        what = ", ".join(dict.fromkeys(busy))
        if busy and where:
            return _("Backend: busy on {device}: {what}").format(device=where, what=what)
        if busy:
            return _("Backend: busy: {what}").format(what=what)
        return _("Backend: ready on {device}").format(device=where) if where else _("Backend: ready")

    def _on_operation(self, operation) -> None:
        if operation.kind in _DISTURBED:
            operation.finished.connect(lambda _operation: self.update())
            self.update()

    def _on_backend(self) -> None:
        """Another backend is used, or none: a script may have started it too."""
        self._device = self._note = ""
        self.update()
        if not self._logic.backend_problem():
            self._ask_device()
            self._on_ready()

    def _on_started(self, operation) -> None:
        self._starting = None
        self._error = operation.error or ""
        if operation.state == "succeeded":
            self._on_changed()
            return
        self._told = ""
        if not self.settings.remote and self.settings.python == str(installed_python() or ""):
            self.setup.examine()  # it may be damaged, or older than the extension
        elif self._error:
            self._ui.advancedCollapsibleButton.setProperty("collapsed", False)
        self._on_changed()

    def _on_died(self, how: str) -> None:
        """Our own backend has ended by itself: start it again, once, and say so."""
        now = time.monotonic()
        if self._restarted is None or now - self._restarted > _CALM_SECONDS:
            self._restarted = now
            self.start_again()
            self._told = _("{how} It was started again by itself; what it had acknowledged is saved.").format(how=how)
        else:
            self._told = ""
            self._error = self._logic.backend_problem()
        self._on_changed()

    def _look_after(self) -> None:
        """Ask a backend elsewhere whether it is still there."""
        if self.settings.remote and self._asking is None and not self._logic.backend_problem():
            self._asking = self._logic.fetch("health")
            self._asking.finished.connect(self._on_looked_after)

    def _on_looked_after(self, operation) -> None:
        self._asking = None
        if operation.state == "failed" and not self._logic.backend_problem():
            self._logic.stop_backend()
            self._error = operation.error
            self._on_changed()

    def _ask_device(self) -> None:
        if self._logic.backend_problem():
            return
        self._logic.fetch("health").finished.connect(self._on_health)

    def _on_health(self, operation) -> None:
        if operation.state != "succeeded":
            return
        device = operation.result.get("device")
        if device is None:  # the backend still tries it out
            # One elsewhere may leave that to its first job (--no-warm).
            wait = _LOOK_AFTER_MILLISECONDS if self.settings.remote else _ASK_AGAIN_MILLISECONDS
            qt.QTimer.singleShot(wait, self._ask_device)
            return
        self._device, self._note = device.get("name", ""), device.get("note") or ""
        self.update()

    def _on_set_up(self, python) -> None:
        self.settings.use_python(python)
        self.start()

    def _on_settings(self) -> None:
        self._error = ""
        self.setup.forget()
        self._on_changed()
