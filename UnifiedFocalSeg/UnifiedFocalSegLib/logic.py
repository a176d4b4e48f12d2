"""What the module does, without Qt: the scene on one side, the backend on the other.

Example, in Slicer's Python console (here `wait=True` blocks; the panel connects to `finished` instead)::

    logic = slicer.modules.unifiedfocalseg.logic()
    logic.start_backend("/data/workspace", wait=True)  # only for a workspace other than the panel's
    task = logic.create_task("Hippocampus MRI", "MRI", [{"name": "anterior"}, {"name": "posterior"}], wait=True).result
    segmentation = logic.segment(volume, task, wait=True).result
    logic.submit_correction(segmentation, volume, author="A. Reader", wait=True)
    outcome = logic.retrain(task, budget_seconds=120, wait=True).result
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from .case_nodes import (
    BASE,
    CASE,
    MODEL_VERSION,
    PREDICTION,
    REVISION,
    TASK,
    as_list,
    case_images,
    check_channels,
    check_present,
    is_present,
    referenced_volumes,
)
from .cases import Cases
from .classes import read_classes
from .client import BackendClient, Json
from .connection import Connection
from .errors import SceneError
from .identity import default_author
from .importing import Importing
from .labels import KnownLabels
from .measuring import Measuring
from .operation import Operation, Script
from .segmentation_export import take_snapshot
from .segmenting import Segmenting
from .setup import Setup
from .steps import MadeFrom, save_revision
from .surfaces import Surfaces
from .trainings import Trainings
from .translation import tr as _

# Operations whose result goes into the scene: pointless once it closes. A revision on its way is saved all the same.
_SCENE_BOUND = ("segment", "show", "open", "measure", "compare", "slices")


class FocalSegLogic(Connection, Setup, Segmenting, Surfaces, Cases, Importing, Measuring, Trainings):
    """Backend, operations and scene; see `Connection` for what all actions have in common."""

    def __init__(self) -> None:
        super().__init__()
        self.known = KnownLabels()
        self.opened = {}
        self.rows = {}
        self.wanted_in_3d = {}

    # Tasks and models

    def tasks(self) -> list[Json]:
        """All tasks, waiting for the answer; for scripts."""
        return self.wait(self.fetch("tasks"))

    def fetch(self, what: str, *arguments: str, wait: bool = False) -> Operation:
        """Ask the backend for ``tasks``, ``task``, ``cases``, ``models``, ``promotions``, … (methods of the client)."""
        title = _("Fetch {what}").format(what=what)
        return self._simple("fetch", title, lambda client: getattr(client, what)(*arguments), wait)

    def create_task(
        self,
        name: str,
        modality: str,
        classes: Sequence[Mapping[str, Any]],
        *,
        channels: Sequence[str] = ("image",),
        wait: bool = False,
        **options: Any,
    ) -> Operation:
        """Create a task; result: the task.

        Args:
            name: such as "Hippocampus MRI".
            modality: ``"CT"``, ``"MRI"`` or ``"other"``.
            classes: ``{"name": …, "value"?: …, "color"?: (r, g, b), "terminology"?: …}``; values default to 1, 2, ….
            channels: names of the images of a case.
            wait: block until done.
            options: ``validation_fraction``.
        """
        entries = [{"value": value, **entry} for value, entry in enumerate(classes, start=1)]

        def create(client: BackendClient) -> Json:
            return client.create_task(name, modality, list(channels), entries, **options)

        return self._simple("create", _("Create {task}").format(task=name), create, wait)

    def install_model(self, name: str, *, task: str | None = None, author: str = "", wait: bool = False) -> Operation:
        """Make a task of a finished model; result: task, model_version, whether it is new, and a message.

        Args:
            name: one of ``fetch("available_models")``.
            task: name of the task; the model's own if None.
            author: who installs it; the name of this computer's user if empty.
            wait: block until done.
        """
        by = author.strip() or default_author()
        title = _("Install {model}").format(model=name)
        return self._simple("install", title, lambda client: client.install_model(name, task, by), wait)

    def promote(
        self, task: str | Json, model_version: str, *, reason: str, author: str = "", wait: bool = False
    ) -> Operation:
        """Put a model version into use; result: the promotion."""
        chosen, by = _id(task), author.strip() or default_author()
        return self._simple(
            "promote", _("Promote"), lambda client: client.promote(chosen, model_version, reason, by), wait
        )

    def rollback(self, task: str | Json, *, reason: str, author: str = "", wait: bool = False) -> Operation:
        """Put the previous model version back into use; result: the promotion."""
        chosen, by = _id(task), author.strip() or default_author()
        return self._simple("rollback", _("Roll back"), lambda client: client.rollback(chosen, reason, by), wait)

    # The loop, after `segment`

    def submit_correction(
        self,
        segmentation: Any,
        volume: Any = None,
        *,
        author: str = "",
        note: str = "",
        task: str | Json | None = None,
        subject: str | None = None,
        origin: str | None = None,
        region: Json | None = None,
        wait: bool = False,
    ) -> Operation:
        """Save a segmentation as the next label revision of its case; result: the revision.

        Args:
            segmentation: segmentation node, made by `segment` or drawn by hand.
            volume: what it was drawn on (a list for several channels); what `segment` was given if None.
            author: who corrected it; the name of this computer's user if empty.
            note: free text.
            task: task or its id; the one it was segmented for if None.
            subject: who was imaged; see `identity` if None.
            origin: ``"manual"``, ``"corrected"`` or ``"imported"``; found from the case if None.
            region: ``{"start": [i, j, k], "stop": [i, j, k]}``, the box that was annotated; None means everywhere.
            wait: block until done.
        """
        title = _("Save {segmentation}").format(segmentation=segmentation.GetName())

        def script() -> Script:
            client = self._connected()
            volumes = as_list(volume) if volume is not None else referenced_volumes(segmentation)
            chosen = _id(task) if task is not None else segmentation.GetAttribute(TASK)
            if not chosen:
                raise SceneError(
                    _("{segmentation} belongs to no task yet. Choose the task.").format(
                        segmentation=segmentation.GetName()
                    )
                )
            images = case_images(volumes, subject)
            details = yield self._step(lambda _control: client.task(chosen))
            check_channels(images, details)
            classes = read_classes(details["classes"])
            check_present([segmentation, *volumes], title)
            snapshot = take_snapshot(segmentation, volumes[0], classes)
            revision = {
                "classes": {c.name: c.value for c in classes},
                "author": author.strip() or default_author(),
                **{key: value for key, value in (("note", note), ("origin", origin), ("region", region)) if value},
            }
            made_from = MadeFrom(
                *(segmentation.GetAttribute(name) for name in (CASE, MODEL_VERSION, REVISION, BASE, PREDICTION))
            )
            saved = yield self._step(
                lambda control: save_revision(
                    client, chosen, images, snapshot, revision, made_from, control, self.known
                )
            )
            if is_present(segmentation):
                segmentation.SetAttribute(TASK, chosen)
                segmentation.SetAttribute(CASE, saved["case"])
                segmentation.SetAttribute(REVISION, saved["id"])
                segmentation.SetAttribute(BASE, saved["label"])
            return saved

        return self._run("submit", title, script(), wait)

    def scene_closing(self) -> None:
        """Stop what would put its result into the scene that closes now. Trainings and saving go on."""
        for operation in self.operations:
            if operation.kind in _SCENE_BOUND:
                operation.cancel()


def _id(task: str | Json) -> str:
    return task if isinstance(task, str) else str(task["id"])
