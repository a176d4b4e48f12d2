"""Training model versions, and following a training that is under way already."""

from __future__ import annotations

from .client import BackendClient, Json
from .identity import default_author
from .operation import Operation, Script
from .steps import follow
from .translation import tr as _

_UNFINISHED = ("queued", "running")


class Trainings:
    """Part of the logic: trainings. Needs `Connection` beside it."""

    def retrain(
        self,
        task: str | Json,
        *,
        budget_seconds: float | None = None,
        epochs: int | None = None,
        start: str = "promoted",
        loss: Json | None = None,
        seed: int | None = None,
        author: str = "",
        note: str = "",
        wait: bool = False,
    ) -> Operation:
        """Train a new model version on all labelled cases; result: the job's result with version and gate.

        Args:
            task: task or its id.
            budget_seconds: how long to optimise; or `epochs` instead.
            epochs: number of passes over the training cases.
            start: ``"promoted"`` to go on from the present model, ``"scratch"`` to begin anew, or the id of a version
                of the task to go on from that.
            loss: ``{"name": …, "options": {"delta": …, "gamma": …}}``; the backend's default if None.
            seed: of all random numbers.
            author: who asked for it.
            note: free text.
            wait: block until done.
        """
        chosen = task if isinstance(task, str) else str(task["id"])
        optional = {
            "budget_seconds": budget_seconds,
            "epochs": epochs,
            "loss": loss,
            "seed": seed,
            "note": note or None,
        }
        request = {key: value for key, value in optional.items() if value is not None}
        request |= {"start": start, "author": author.strip() or default_author()}

        def script() -> Script:
            client = self._connected()
            return (yield self._step(lambda control: follow(client, client.train(chosen, request), control)))

        return self._run("retrain", _("Train"), script(), wait)

    def unfinished_training(self, task: str | Json, *, wait: bool = False) -> Operation:
        """The task's training that was asked for earlier and has not ended; result: the job, None if there is none.

        One that Slicer's end or a crash has interrupted goes on by itself when the backend starts again.
        """
        chosen = task if isinstance(task, str) else str(task["id"])

        def look_up(client: BackendClient) -> Json | None:
            jobs = client.jobs(chosen)
            return next((j for j in jobs if j["kind"] == "training" and j["state"] in _UNFINISHED), None)

        return self._simple("fetch", _("Fetch jobs"), look_up, wait)

    def follow_training(self, job: Json, *, wait: bool = False) -> Operation:
        """Follow a training under way as if `retrain` had begun it now; result: the job's result."""

        def script() -> Script:
            client = self._connected()
            return (yield self._step(lambda control: follow(client, job, control)))

        return self._run("retrain", _("Train"), script(), wait)
