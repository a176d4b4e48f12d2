"""Which model version segments: the one in use, or any other."""

from __future__ import annotations

from slicer.i18n import tr as _

from .words import offer


class VersionPart:
    """The list of the task's model versions.

    Args:
        panel: the panel, for its ui, logic and backend state.
    """

    def __init__(self, panel) -> None:
        self._panel, self._ui, self._logic = panel, panel.ui, panel.logic
        self._task = ""
        self._ids: list[str | None] = [None]
        self._ui.versionSelector.connect("currentIndexChanged(int)", lambda _index: panel.update())

    @property
    def chosen(self) -> str | None:
        """Id of a version other than the one in use; None for that."""
        index = self._ui.versionSelector.currentIndex
        return self._ids[index] if 0 <= index < len(self._ids) else None

    def refresh(self, task: dict | None) -> None:
        """Ask the backend for the versions of a task."""
        if task is None or self._logic.backend_problem():
            self._fill(task, [])
            return
        operation = self._logic.fetch("models", task["id"])
        operation.finished.connect(lambda done: self._on_versions(task, done))

    def update(self, task: dict | None) -> None:
        """Let a version be chosen, or say why not."""
        reason = self._panel.backend.problem
        if not reason and (task is None or self._ui.versionSelector.count == 0):
            reason = _("There is no model version yet.")
        offer(
            self._ui.versionSelector,
            reason,
            _("The version in use is the best so far on the validation cases. Another one may be tried out."),
        )

    def _on_versions(self, task: dict, operation) -> None:
        chosen = self._panel.segment.task or {}
        if operation.state == "succeeded" and chosen.get("id") == task["id"]:  # else another was chosen meanwhile
            self._fill(chosen, operation.result)
        self._panel.update()

    def _fill(self, task: dict | None, versions: list[dict]) -> None:
        before = self.chosen if task is not None and task["id"] == self._task else None
        self._task = task["id"] if task is not None else ""
        promoted = next((v for v in versions if v["status"] == "promoted"), None)
        others = [v for v in reversed(versions) if v is not promoted]
        selector = self._ui.versionSelector
        selector.blockSignals(True)
        selector.clear()
        self._ids = [None] if versions else []
        if promoted is not None:
            selector.addItem(_("In use: {version}").format(version=_named(promoted)))
        elif versions:
            selector.addItem(_("None is in use"))
        for version in others:
            selector.addItem(_named(version))
            self._ids.append(version["id"])
        selector.setCurrentIndex(self._ids.index(before) if before in self._ids else min(0, len(self._ids) - 1))
        selector.blockSignals(False)


def _named(version: dict) -> str:
    scores = version["scores"]
    mean = (scores.get("validation") or scores.get("published") or {}).get("mean")
    if mean is None:
        return _("version {number}").format(number=version["number"])
    return _("version {number} (Dice {mean:.2f})").format(number=version["number"], mean=mean)
