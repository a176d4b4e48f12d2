"""The task's model versions: old against new, promote and roll back."""

from __future__ import annotations

from slicer.i18n import tr as _

from UnifiedFocalSegLib.gate_rows import p_value, score_rows

from .loss_words import loss_title
from .tables import Rows, day, number
from .words import offer


class ModelsPart:
    """Lists versions, shows how each was judged, and changes which one is in use.

    Args:
        panel: the panel, for its ui, logic and chosen task.
    """

    def __init__(self, panel) -> None:
        self._panel, self._ui, self._logic = panel, panel.ui, panel.logic
        self._rows, self._scores = Rows(self._ui.versionsTable, stretched=5), Rows(self._ui.scoresTable)
        self._versions: list[dict] = []
        self._promotions = 0
        self._listed: tuple = ()
        self._wanted = ""
        self._operation = None
        ui = self._ui
        ui.versionsTable.connect("itemSelectionChanged()", lambda: self._panel.update())
        ui.promoteButton.connect("clicked(bool)", self.on_promote)
        ui.rollbackButton.connect("clicked(bool)", self.on_rollback)

    def enter(self) -> None:
        """Nothing to do."""

    def exit(self) -> None:
        """Nothing to do."""

    def scene_closing(self) -> None:
        """Versions are the backend's; nothing of them is lost."""

    def close(self) -> None:
        """Nothing to do."""

    def choose(self, version: str) -> None:
        """Show this version when the table is filled next, and ask for it."""
        self._wanted = version
        self._ui.modelsCollapsibleButton.collapsed = False
        self.refresh()

    def refresh(self) -> None:
        """Ask the backend for the versions of the chosen task."""
        task = self._panel.segment.task
        if task is None or self._logic.backend_problem():
            return
        self._logic.fetch("models", task["id"]).finished.connect(self._on_versions)
        self._logic.fetch("promotions", task["id"]).finished.connect(self._on_promotions)

    def update(self) -> None:
        """Enable what can be done now and explain what cannot."""
        ui, task = self._ui, self._panel.segment.task
        if task is not None and not self._panel.backend.problem and (task["id"], task["promoted"]) != self._listed:
            self._listed = (task["id"], task["promoted"])
            self.refresh()
        version = next((v for v in self._versions if v["id"] == self._rows.chosen), None)
        reason = self._panel.backend.problem or ("" if task is not None else _("Choose a task."))
        reason = reason or (_("The backend is changing the version in use.") if self._operation is not None else "")
        promoting = reason or ("" if version is not None else _("Choose a version in the table."))
        if not promoting and version["status"] == "promoted":
            promoting = _("This version is in use already.")
        offer(ui.promoteButton, promoting, _("Use the chosen version from now on."))
        back = reason or ("" if self._promotions > 1 else _("No other version was in use before."))
        offer(ui.rollbackButton, back, _("Use the version again that was in use before. Nothing is deleted."))
        self._show_gate(version)

    def on_promote(self, *_clicked) -> None:
        """Put the chosen version into use."""
        self._start(
            self._logic.promote(
                self._panel.segment.task,
                self._rows.chosen,
                reason=_("Chosen in Slicer"),
                author=self._ui.authorLineEdit.text,
            )
        )

    def on_rollback(self, *_clicked) -> None:
        """Put the version before into use again."""
        self._start(
            self._logic.rollback(
                self._panel.segment.task, reason=_("Rolled back in Slicer"), author=self._ui.authorLineEdit.text
            )
        )

    def _start(self, operation) -> None:
        self._operation = operation
        operation.finished.connect(self._on_changed)
        self._panel.update()

    def _on_changed(self, operation) -> None:
        self._operation = None
        text = operation.error or ""
        if operation.state == "succeeded":
            used = next((v["number"] for v in self._versions if v["id"] == operation.result["model_version"]), "?")
            text = _("Version {number} is in use now.").format(number=used)
        self._ui.modelsStatusLabel.setText(text)
        self._panel.segment.refresh_tasks()
        self.refresh()
        self._panel.update()

    def _on_versions(self, operation) -> None:
        if operation.state != "succeeded":
            self._ui.modelsStatusLabel.setText(operation.error or "")
            return
        self._versions = operation.result
        states = {"promoted": _("in use"), "candidate": _("candidate"), "retired": _("was in use")}
        self._rows.fill(
            [
                (
                    v["id"],
                    [
                        str(v["number"]),
                        states[v["status"]],
                        number(_mean(v)),
                        str(len(v["trained_on"])) if v["origin"] == "trained" else _("installed"),
                        day(v["created"]),
                        loss_title(v["loss"]["name"]),
                    ],
                )
                for v in reversed(self._versions)
            ],
            self._wanted,
        )
        self._wanted = ""
        self._panel.training.list_starts(self._versions)
        self._panel.update()

    def _on_promotions(self, operation) -> None:
        if operation.state == "succeeded":
            self._promotions = len({p["model_version"] for p in operation.result})
            self._panel.update()

    def _show_gate(self, version) -> None:
        gate = (version or {}).get("gate")
        self._ui.scoresTable.setVisible(bool(gate))
        if not gate:
            self._ui.gateLabel.setText("")
            return
        rows = score_rows(gate)
        self._scores.fill(
            [
                (row.name, [row.name or _("mean"), number(row.old), number(row.new), number(row.change, "{:+.3f}")])
                for row in rows
            ]
        )
        p = p_value(gate)
        text = gate["reason"]
        if p is not None and "p = " not in text:
            text = _("{reason} (paired test on {cases} cases: p = {p:.3f})").format(
                reason=text, cases=gate["cases"], p=p
            )
        self._ui.gateLabel.setText(text)


def _mean(version) -> float | None:
    """Mean Dice on the task's validation cases, or what an installed model came with."""
    scores = version["scores"]
    found = scores.get("validation") or scores.get("published") or {}
    return found.get("mean")
