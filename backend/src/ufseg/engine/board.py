"""The jobs under way: what they are doing now, and who wants to know."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import Any

from ufseg.errors import StorageError
from ufseg.workspace.database import now
from ufseg.workspace.jobs import Jobs
from ufseg.workspace.records import Job, JobError, JobProgress, JobState

_log = logging.getLogger(__name__)

Listener = Callable[[Job], None]


class JobBoard:
    """Keeps live jobs in memory and writes each change of state to the database.

    Progress stays in memory: it comes ten times a second and is worth nothing after a crash.

    Args:
        jobs: the workspace's.
    """

    def __init__(self, jobs: Jobs) -> None:
        self._jobs = jobs
        self._live: dict[str, Job] = {}
        self._changing = threading.Lock()  # held while a change is made and saved
        self._changed = threading.Condition()  # guards `_live`, never held for long
        self._listeners: list[Listener] = []

    def listen(self, listener: Listener) -> None:
        """Call `listener` with every changed job, in whatever thread changed it; it must return at once."""
        self._listeners.append(listener)

    def add(self, job: Job) -> None:
        """Take a queued job on."""
        with self._changed:
            self._live[job.id] = job

    def get(self, job_id: str) -> Job:
        """The job as it is now; raises NotFoundError."""
        with self._changed:
            job = self._live.get(job_id)
        return self._jobs.get(job_id) if job is None else job

    def newest(self, task_id: str | None, count: int) -> list[Job]:
        """So many newest jobs as they are now, and all unfinished ones, perhaps of one task only; oldest first."""
        found = {job.id: job for job in self._jobs.all(task_id, count)}
        with self._changed:
            found |= {job.id: job for job in self._live.values() if task_id in (None, job.task)}
        return sorted(found.values(), key=lambda job: (job.created, job.id))

    def running(self) -> int:
        """Number of jobs being computed now."""
        with self._changed:
            return sum(job.state == "running" for job in self._live.values())

    def unfinished(self) -> list[Job]:
        """Jobs queued or running."""
        with self._changed:
            return [job for job in self._live.values() if not job.is_final]

    def wait(self, job_id: str, timeout: float | None) -> Job:
        """The job once it is final, or as it is after `timeout` seconds; raises NotFoundError."""
        with self._changed:
            self._changed.wait_for(lambda: job_id not in self._live or self._live[job_id].is_final, timeout)
        return self.get(job_id)

    def start(self, job_id: str) -> bool:
        """The job is being computed; False if it was cancelled first and must not be."""
        return self._change(job_id, only_from="queued", state="running", started=now())

    def progress(self, job_id: str, progress: JobProgress) -> None:
        """The job came further."""
        self._change(job_id, progress=progress)

    def succeed(self, job_id: str, result: dict[str, Any]) -> None:
        """The job is done."""
        self._change(
            job_id, state="succeeded", result=result, finished=now(), progress=JobProgress(fraction=1.0, stage="done")
        )

    def note(self, job_id: str, note: str, resumed_from: int | None) -> None:
        """The running job met something and goes on from this step of its training, None from the beginning."""
        self._change(job_id, save=True, notes=(*self.get(job_id).notes, note), resumed_from=resumed_from)

    def end(self, job_id: str, state: JobState, kind: str, message: str, *, resumes: bool = False) -> None:
        """The job ended without a result, for a reason; a job that ended before stays as it is.

        Args:
            job_id: the job.
            state: its last one.
            kind: the error's class.
            message: the error's sentence.
            resumes: an interrupted job goes on by itself when the service starts again.
        """
        self._change(job_id, state=state, error=JobError(type=kind, message=message), finished=now(), resumes=resumes)

    def take_up(self, job: Job, note: str, interruptions: int, resumed_from: int | None) -> None:
        """Queue a job again that an earlier service left unfinished.

        Args:
            job: as the database has it.
            note: what happened to it, empty if nothing did.
            interruptions: see `Job`.
            resumed_from: step of its checkpoint, None if it begins anew.
        """
        # Not final and not saved: `_change` makes it both.
        self.add(job.model_copy(update={"state": "queued"}))
        self._change(
            job.id,
            state="queued",
            error=None,
            started=None,
            finished=None,
            resumes=False,
            progress=JobProgress(
                stage="waiting" if resumed_from is None else f"waiting to go on from step {resumed_from}"
            ),
            notes=(*job.notes, note) if note else job.notes,
            interruptions=interruptions,
            resumed_from=resumed_from,
        )

    def end_queued(self, job_id: str) -> None:
        """The job was cancelled before it began; one that has begun by now stays as it is."""
        error = JobError(type="CancelledError", message="The job was cancelled before it began.")
        self._change(job_id, only_from="queued", state="cancelled", error=error, finished=now())

    def _change(self, job_id: str, only_from: JobState | None = None, save: bool = False, **changes: Any) -> bool:
        with self._changing:
            job = self._live.get(job_id)
            if job is None or job.is_final or only_from not in (None, job.state):
                return False
            job = job.model_copy(update={**changes, "version": job.version + 1})
            # Saved before anyone sees it, and without holding up those who only look.
            saved = (save or "state" in changes) and self._save(job)
            with self._changed:
                if saved and job.is_final:
                    del self._live[job_id]
                else:
                    self._live[job_id] = job
                self._changed.notify_all()
        for listener in self._listeners:
            listener(job)
        return True

    def _save(self, job: Job) -> bool:
        try:
            self._jobs.save(job)
        except StorageError as error:
            # The job's end must reach whoever waits for it even now; the next start will find it unfinished.
            _log.error("the state %s of job %s could not be saved: %s", job.state, job.id, error)
            return False
        return True
