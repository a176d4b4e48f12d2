"""Jobs as they are kept: their request, state and outcome."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from typing import Any

from sqlalchemy import func, select

from ufseg.errors import NotFoundError
from ufseg.workspace import audit, tasks
from ufseg.workspace.database import Database, now
from ufseg.workspace.records import FINAL_STATES, AuditAction, Job, JobKind, JobProgress
from ufseg.workspace.tables import JobRow


class Jobs:
    """The jobs of a workspace."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def create(self, task_id: str, kind: JobKind, request: dict[str, Any]) -> Job:
        """A queued job; raises NotFoundError for an unknown task."""
        with self._database.writing() as session:
            tasks.require(session, task_id)
            row = JobRow(
                id=secrets.token_hex(8),
                task=task_id,
                kind=kind,
                state="queued",
                progress=JobProgress().model_dump(mode="json"),
                request=request,
                result=None,
                error=None,
                created=now(),
                started=None,
                finished=None,
                version=1,
                resumes=False,
                interruptions=0,
                resumed_from=None,
                notes=[],
            )
            session.add(row)
            action: AuditAction = "training requested" if kind == "training" else "prediction requested"
            audit.append(session, action, row.id, task=task_id, author=str(request.get("author", "")))
            return _record(row)

    def save(self, job: Job) -> None:
        """Keep what changes in a job; raises NotFoundError."""
        with self._database.writing() as session:
            row = session.get(JobRow, job.id)
            if row is None:
                raise _unknown(job.id)
            row.state = job.state
            row.progress = job.progress.model_dump(mode="json")
            row.result = job.result
            row.error = None if job.error is None else job.error.model_dump(mode="json")
            row.started = job.started
            row.finished = job.finished
            row.version = job.version
            row.resumes = job.resumes
            row.interruptions = job.interruptions
            row.resumed_from = job.resumed_from
            row.notes = list(job.notes)

    def get(self, job_id: str) -> Job:
        """The job with this id; raises NotFoundError."""
        with self._database.reading() as session:
            row = session.get(JobRow, job_id)
            if row is None:
                raise _unknown(job_id)
            return _record(row)

    def all(self, task_id: str | None = None, newest: int | None = None) -> list[Job]:
        """All jobs, or those of a task, or only so many newest ones of these; oldest first."""
        query = select(JobRow).order_by(JobRow.created.desc(), JobRow.id.desc()).limit(newest)
        if task_id is not None:
            query = query.where(JobRow.task == task_id)
        with self._database.reading() as session:
            return [_record(row) for row in session.scalars(query)][::-1]

    def counts(self) -> dict[tuple[str, str], int]:
        """How many jobs there are of each kind in each state."""
        query = select(JobRow.kind, JobRow.state, func.count()).group_by(JobRow.kind, JobRow.state)
        with self._database.reading() as session:
            return {(row[0], row[1]): row[2] for row in session.execute(query)}

    def unfinished(self) -> Sequence[Job]:
        """Jobs that are queued, running, or interrupted but to go on, according to the database; oldest first."""
        left = JobRow.state.not_in(FINAL_STATES) | JobRow.resumes
        query = select(JobRow).where(left).order_by(JobRow.created, JobRow.id)
        with self._database.reading() as session:
            return [_record(row) for row in session.scalars(query)]


def _unknown(job_id: str) -> NotFoundError:
    return NotFoundError(f"There is no job with the id {job_id[:80]!r}.")


def _record(row: JobRow) -> Job:
    return Job.model_validate(
        {
            "id": row.id,
            "task": row.task,
            "kind": row.kind,
            "state": row.state,
            "progress": row.progress,
            "request": row.request,
            "result": row.result,
            "error": row.error,
            "created": row.created,
            "started": row.started,
            "finished": row.finished,
            "version": row.version,
            "resumes": row.resumes,
            "interruptions": row.interruptions,
            "resumed_from": row.resumed_from,
            "notes": row.notes,
        }
    )
