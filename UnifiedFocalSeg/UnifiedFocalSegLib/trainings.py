"""Training model versions, and following a training that is under way already."""

from __future__ import annotations

from typing import Any

from .client import BackendClient, Json
from .identity import default_author
from .operation import Control, Operation, Script
from .steps import follow

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

        return self._run("retrain", "Train", script(), wait)

    def resume_following(self, task: str | Json, *, wait: bool = False) -> Operation:
        """Follow the task's training that was asked for earlier; result: the job's result, None if there is none.

        A training that Slicer's end or a crash interrupted goes on by itself when the backend starts again.
        """
        chosen = task if isinstance(task, str) else str(task["id"])

        def under_way(client: BackendClient) -> Json | None:
            jobs = client.jobs(chosen)
            return next((j for j in jobs if j["kind"] == "training" and j["state"] in _UNFINISHED), None)

        def script() -> Script:
            client = self._connected()
            job = yield self._step(lambda _control: under_way(client))
            if job is None:
                return None

            def go_on(control: Control) -> Any:
                return follow(client, job, control)

            return (yield self._step(go_on))

        return self._run("retrain", "Train", script(), wait)
