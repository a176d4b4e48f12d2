"""Runs the jobs of a workspace."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Callable
from types import TracebackType
from typing import Any

from typing_extensions import Self

from ufseg.engine.board import JobBoard, Listener
from ufseg.engine.kept import checkpoint_step
from ufseg.engine.lane import Lane, LaneJob
from ufseg.engine.predictions import Prediction, resolve
from ufseg.engine.requests import PredictionRequest, TrainingRequest
from ufseg.engine.trainings import Training, require_start, require_training_cases
from ufseg.errors import BusyError, ConflictError, StorageError
from ufseg.workspace.disk import storage_errors
from ufseg.workspace.records import Job, JobKind
from ufseg.workspace.retention import remove_derived
from ufseg.workspace.workspace import Workspace

_log = logging.getLogger(__name__)

# Training takes what the machine has left: the service and the viewer's window must stay quick.
TRAINING_NICENESS = 10

MAX_INTERRUPTIONS = 3
"""So often in a row, without a new checkpoint, the service may die while a job runs until it is not taken up again."""
# So many jobs may wait; who asks for more is told to come back.
QUEUE_LIMITS: dict[JobKind, int] = {"prediction": 64, "training": 16}
_RETRY_SECONDS: dict[JobKind, int] = {"prediction": 5, "training": 60}

_LANES: tuple[JobKind, ...] = ("prediction", "training")


class Engine:
    """Two lanes of jobs, so that a prediction never waits for a training; each worker process stays warm.

    It holds the workspace's lock. Jobs that an earlier engine left unfinished are taken up again, trainings from their
    last checkpoint, or wait as ``interrupted`` for an engine that does.

    Args:
        workspace: open workspace; it is not closed with the engine.
        device: ``auto``, ``cpu``, ``cuda`` or ``cuda:N``.
        warm: start the worker of predictions at once instead of with the first one, for someone waits for that; the
            worker of trainings always starts with the first training.
        resume: take up what an earlier engine left unfinished.

    Raises:
        ConflictError: another process runs the workspace's jobs.
    """

    def __init__(self, workspace: Workspace, device: str = "auto", warm: bool = False, resume: bool = False) -> None:
        self._workspace = workspace
        self._lock = workspace.lock()
        self._closed = False
        self._device: dict[str, Any] | None = None
        self._board = JobBoard(workspace.jobs)
        remove_derived(workspace)
        logs = workspace.folder / "logs"
        self._lanes = {
            kind: Lane(
                kind,
                self._board,
                device,
                TRAINING_NICENESS if kind == "training" else 0,
                logs / f"worker-{kind}.log",
                self._set_device,
            )
            for kind in _LANES
        }
        if warm:
            self._lanes["prediction"].warm_up()
        for job in workspace.jobs.unfinished():
            if resume:
                self._take_up(job)
            elif not job.is_final:
                self._leave(job)

    @property
    def closed(self) -> bool:
        """Whether it takes no more jobs."""
        return self._closed

    @property
    def device(self) -> dict[str, Any] | None:
        """The computing device: name, kind (``cuda``, ``cpu``, ``unavailable``), note; None until a worker told."""
        return self._device

    def running_jobs(self) -> int:
        """Number of jobs being computed now; answers at once."""
        return self._board.running()

    def waiting(self) -> dict[JobKind, int]:
        """How many jobs of each kind are queued; answers at once."""
        queued = [job.kind for job in self._board.unfinished() if job.state == "queued"]
        return {kind: queued.count(kind) for kind in _LANES}

    def submit_training(self, task_id: str, request: TrainingRequest) -> Job:
        """Queue a training.

        Raises:
            NotFoundError: no such task, or no such version to start from.
            InputError: the version to start from belongs to another task.
            ConflictError: it has no labelled training case.
            BusyError: too many trainings are waiting.
            StorageError: the job cannot be saved.
        """
        self._require_room("training")
        require_training_cases(self._workspace, task_id)
        require_start(self._workspace, task_id, request.start)
        return self._submit(task_id, "training", request.model_dump(mode="json"))

    def submit_prediction(self, task_id: str, request: PredictionRequest) -> Job:
        """Queue a prediction.

        Raises:
            NotFoundError: no such task, case or model version.
            ConflictError: the task has no model yet.
            InputError: case or version belong to another task.
            BusyError: too many predictions are waiting.
            StorageError: the job cannot be saved.
        """
        self._require_room("prediction")
        resolved = resolve(self._workspace, task_id, request)
        return self._submit(task_id, "prediction", resolved.model_dump(mode="json"))

    def job(self, job_id: str) -> Job:
        """The job as it is now; raises NotFoundError."""
        return self._board.get(job_id)

    def jobs(self, task_id: str | None = None, newest: int = 1000) -> list[Job]:
        """The newest jobs and all unfinished ones, oldest first.

        Args:
            task_id: only those of this task.
            newest: so many, beside those that are unfinished.

        Raises:
            NotFoundError: no such task.
        """
        if task_id is not None:
            self._workspace.tasks.get(task_id)
        return self._board.newest(task_id, newest)

    def unfinished(self) -> list[Job]:
        """The jobs queued or running, oldest first."""
        return sorted(self._board.unfinished(), key=lambda job: (job.created, job.id))

    def cancel(self, job_id: str) -> Job:
        """Stop a job; one that has ended stays as it is. Returns the job; raises NotFoundError."""
        job = self._board.get(job_id)
        if job.is_final:
            return job
        if job.state == "queued":
            self._board.end_queued(job_id)
        if not self._board.get(job_id).is_final:
            self._lanes[job.kind].cancel(job_id)
        try:
            self._workspace.audit.note("cancellation requested", job.id, task=job.task)
        except StorageError as error:  # a full disk must not keep anybody from stopping what fills it
            _log.error("the cancellation of job %s is not in the audit log: %s", job_id, error)
        return self._board.get(job_id)

    def wait(self, job_id: str, timeout: float | None = None) -> Job:
        """The job once it has ended, or as it is after `timeout` seconds; raises NotFoundError."""
        return self._board.wait(job_id, timeout)

    def listen(self, listener: Listener) -> None:
        """Call `listener` with every changed job, from other threads; it must return at once."""
        self._board.listen(listener)

    def close(self) -> None:
        """End workers and lanes; unfinished jobs become ``interrupted``, to be taken up by the next engine.

        A second call does nothing more.
        """
        self._closed = True
        for lane in self._lanes.values():
            lane.begin_closing()
        for lane in self._lanes.values():
            lane.close()
        for job in self._board.unfinished():
            self._leave(job)
        self._lock.release()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _submit(self, task_id: str, kind: JobKind, request: dict[str, Any]) -> Job:
        if self._closed:
            raise ConflictError("The service is ending and takes no more jobs. Start it again.")
        job = self._workspace.jobs.create(task_id, kind, request)
        self._board.add(job)
        self._run(job)
        return job

    def _run(self, job: Job) -> None:
        work = Training(self._workspace, job) if job.kind == "training" else Prediction(self._workspace, job)
        folder = self._workspace.job_folder(job.id)
        self._lanes[job.kind].submit(
            LaneJob(
                job.id,
                job.kind,
                self._guarded(work.prepare),
                work.finish,
                self._cleaner(job.id),
                lambda: checkpoint_step(folder),
            )
        )

    def _require_room(self, kind: JobKind) -> None:
        waiting = self.waiting()[kind]
        if waiting >= QUEUE_LIMITS[kind]:
            seconds = _RETRY_SECONDS[kind]
            raise BusyError(
                f"{waiting} {kind}s are waiting, and no more than {QUEUE_LIMITS[kind]} are taken. Try again in "
                f"{seconds} seconds.",
                seconds,
            )

    def _guarded(self, prepare: Callable[[], dict[str, Any]]) -> Callable[[], dict[str, Any]]:
        def guarded() -> dict[str, Any]:
            with storage_errors(self._workspace.folder):
                return prepare()

        return guarded

    def _cleaner(self, job_id: str) -> Callable[[], None]:
        return lambda: shutil.rmtree(self._workspace.job_folder(job_id), ignore_errors=True)

    def _set_device(self, device: dict[str, Any]) -> None:
        self._device = device

    def _leave(self, job: Job) -> None:
        """Let an unfinished job wait for an engine that takes it up."""
        self._board.add(job)
        how = "before the job began; it begins" if job.state == "queued" else "while the job was under way; it goes on"
        message = f"The service was ended {how} when the service is started again."
        self._board.end(job.id, "interrupted", "InterruptedError", message, resumes=True)

    def _take_up(self, job: Job) -> None:
        """Queue a job again that was not finished, unless it was interrupted at one place too often."""
        step = checkpoint_step(self._workspace.job_folder(job.id))
        what = job.kind
        interruptions, note = job.interruptions, ""
        if job.started is not None:
            where = "begins anew" if step is None else f"resumed from step {step}"
            note = f"The service ended while this {what} was under way; it {where}."
        if job.state == "running":  # so it was not ended in order, and this job may have been the cause
            interruptions = interruptions + 1 if step == job.resumed_from else 1
        if interruptions >= MAX_INTERRUPTIONS:
            self._board.add(job)
            place = "before its first checkpoint" if step is None else f"after step {step}"
            if what == "prediction":
                place = "under way"
            self._board.end(
                job.id,
                "interrupted",
                "InterruptedError",
                f"The service ended {interruptions} times while this {what} was {place}, so it is not taken up again. "
                "If the computer ran out of memory, use smaller images or patches; then start it anew.",
            )
            self._cleaner(job.id)()
            return
        self._board.take_up(job, note, interruptions, step)
        self._run(self._board.get(job.id))
