"""A line in the log whenever a job's state changes."""

from __future__ import annotations

import logging

from ufseg.engine.engine import Engine
from ufseg.workspace.records import Job, JobState

_log = logging.getLogger("ufseg.jobs")


class JobLog:
    """Logs the jobs of an engine, by their ids and those of what they concern.

    Args:
        engine: whose jobs they are.
    """

    def __init__(self, engine: Engine) -> None:
        self._states: dict[str, JobState] = {}
        engine.listen(self._changed)

    def _changed(self, job: Job) -> None:
        if self._states.get(job.id) == job.state:
            return
        self._states[job.id] = job.state
        if job.is_final:
            del self._states[job.id]
        fields = {"job": job.id, "task": job.task, "case": job.request.get("case"), "kind": job.kind}
        error = None if job.error is None else job.error.type
        level = logging.ERROR if job.state == "failed" else logging.INFO
        _log.log(
            level, "%s %s is %s", job.kind, job.id, job.state,
            extra={"fields": {**fields, "state": job.state, "error": error}},
        )  # fmt: skip
