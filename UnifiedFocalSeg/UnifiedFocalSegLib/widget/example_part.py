"""The button that installs a finished model, offered where there is no task yet."""

from __future__ import annotations

from slicer.i18n import tr as _

from .words import offer


class ExamplePart:
    """Makes a task of a finished model with one click.

    Args:
        panel: the panel, for its ui, logic, tasks and backend state.
    """

    def __init__(self, panel) -> None:
        self._panel, self._ui, self._logic = panel, panel.ui, panel.logic
        self._models: list[dict] = []
        self._operation = None
        self._ui.installModelButton.connect("clicked(bool)", self.on_button)

    def refresh(self) -> None:
        """Ask the backend for the finished models it can install."""
        self._logic.fetch("available_models").finished.connect(self._on_models)

    def on_button(self) -> None:
        """Install the model that the button names."""
        self._operation = self._logic.install_model(self._models[0]["name"])
        self._operation.finished.connect(self._on_installed)
        self._ui.statusLabel.setText("")
        self._panel.update()

    def update(self) -> None:
        """Show the button only while there is no task to choose."""
        button, segment = self._ui.installModelButton, self._panel.segment
        wanted = bool(self._models) and segment.tasks_known and not segment.tasks
        button.setVisible(wanted)
        if not wanted:
            return
        model = self._models[0]
        button.setText(_("Install example model “{task}”").format(task=model["task"]))
        reason = self._panel.backend.problem or (_("Installing…") if self._operation is not None else "")
        offer(button, reason, self._tooltip(model))

    def _on_models(self, operation) -> None:
        if operation.state == "succeeded":
            self._models = operation.result["models"]
        else:
            self._ui.statusLabel.setText(operation.error or "")
        self._panel.update()

    def _on_installed(self, operation) -> None:
        self._operation = None
        if operation.state == "succeeded":
            self._ui.statusLabel.setText(operation.result["message"])
            self._panel.segment.refresh_tasks()
        else:
            self._ui.statusLabel.setText(operation.error or _("Stopped. Nothing was changed."))
        self._panel.update()

    @staticmethod
    def _tooltip(model: dict) -> str:
        lines = [_("Make a task of a finished model, ready to segment and to learn from your corrections.")]
        if model["summary"]:
            lines.append(model["summary"])
        mean = model["scores"]["mean"]
        if mean is not None:
            lines.append(_("Published mean Dice: {mean:.3f}.").format(mean=mean))
        if model["licence"]:
            lines.append(_("Licence: {licence}").format(licence=model["licence"]))
        return "\n".join(lines)
