"""One queue of jobs with one worker, which stays warm between them."""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ufseg.engine.board import JobBoard
from ufseg.engine.specs import RunMessage, ServiceMessage, WorkerMessage
from ufseg.engine.worker_process import WorkerProcess
from ufseg.errors import UfsegError
from ufseg.workspace.records import JobKind, JobProgress, JobState

_log = logging.getLogger(__name__)

# So long a worker may take to heed a cancel; none of its files is left half written when it is killed then.
CANCEL_GRACE_SECONDS = 0.8
# A training that is told to stop writes its checkpoint first.
_CLOSE_GRACE_SECONDS = 2.0
_STOP_GRACE_SECONDS = 2.0
_LOOK_SECONDS = 0.05


@dataclass(frozen=True)
class LaneJob:
    """How a job is run.

    Args:
        id: of the job.
        kind: what the worker is to do.
        prepare: makes the specification, just before the job starts; may raise UfsegError.
        finish: keeps the outcome in the workspace and returns the job's result; may raise UfsegError.
        clean: removes the job's files; called at its end unless the job is to go on later.
        place: step of the checkpoint from which `prepare` would let the job go on, None without one.
    """

    id: str
    kind: JobKind
    prepare: Callable[[], dict[str, Any]]
    finish: Callable[[dict[str, Any]], dict[str, Any]]
    clean: Callable[[], None]
    place: Callable[[], int | None] = lambda: None


@dataclass(frozen=True)
class _Ending:
    """How a job ended: with a result, or with an error's class and sentence; `died` is whether its worker did."""

    state: JobState
    message: str = ""
    kind: str = ""
    result: dict[str, Any] | None = None
    died: bool = False


_BROKEN = "An error within ufseg ended the job. Report it with the workspace's logs."
_ENDED = "The service was ended while the job was under way. It goes on when the service is started again."
_CANCELLED = _Ending(
    "cancelled", "The job was cancelled. Nothing was changed; start it again when you like.", "CancelledError"
)


class Lane:
    """Runs jobs one after the other in a thread of its own.

    Args:
        name: the kind of its jobs.
        board: where jobs' states go.
        device: asked for.
        niceness: of the worker, see `WorkerProcess`.
        log: of the worker's stderr.
        on_device: told what the worker says about its device.
    """

    def __init__(
        self,
        name: JobKind,
        board: JobBoard,
        device: str,
        niceness: int,
        log: Path,
        on_device: Callable[[dict[str, Any]], None],
    ) -> None:
        self._name = name
        self._board = board
        self._device = device
        self._niceness = niceness
        self._log = log
        self._on_device = on_device
        self._jobs: queue.Queue[LaneJob | None] = queue.Queue()
        self._cancelled: dict[str, float] = {}
        self._worker: WorkerProcess | None = None
        self._ready = False
        self._closing = threading.Event()
        self._start_thread()

    def submit(self, job: LaneJob) -> None:
        """Queue a job."""
        self._jobs.put(job)

    def warm_up(self) -> None:
        """Start the worker before there is a job; done in the lane's thread."""
        self._jobs.put(None)

    def cancel(self, job_id: str) -> None:
        """Stop a job: at its next step, or by killing the worker after `CANCEL_GRACE_SECONDS`."""
        self._cancelled.setdefault(job_id, time.monotonic())

    def begin_closing(self) -> None:
        """Take no more jobs and abandon the one under way."""
        self._closing.set()
        self._jobs.put(None)

    def close(self) -> None:
        """End the thread and the worker; returns when both have ended."""
        self.begin_closing()
        self._thread.join()

    def _start_thread(self) -> None:
        self._thread = threading.Thread(target=self._work, name=f"lane-{self._name}", daemon=True)
        self._thread.start()

    def _work(self) -> None:
        try:
            while not self._closing.is_set():
                job = self._jobs.get()
                if self._closing.is_set():
                    break
                if job is None:
                    self._warm_up()
                elif self._board.start(job.id):
                    self._run(job)
            if self._worker is not None:
                self._worker.stop(_STOP_GRACE_SECONDS)
        finally:
            # A mistake in our own code ends this thread with its traceback; later jobs must still be run.
            if not self._closing.is_set():
                self._start_thread()

    def _warm_up(self) -> None:
        try:
            worker = self._living_worker()
        except UfsegError as error:
            _log.error("the worker for %s could not be started: %s", self._name, error)
            return
        try:
            while not self._ready and not self._closing.is_set() and self._jobs.empty():
                message = self._receive(worker)
                if message is not None and message.last:
                    break
        except EOFError:
            _log.error("the worker for %s did not start. %s", self._name, worker.how_it_ended())

    def _run(self, job: LaneJob) -> None:
        ending = _Ending("failed", _BROKEN, "InternalError")
        try:
            ending = self._compute(job)
            if ending.died and job.kind == "training":
                ending = self._again(job, ending)
        except UfsegError as error:
            ending = _Ending("failed", str(error), type(error).__name__)
        finally:
            resumes = ending.state == "interrupted"
            if not resumes:
                # Cleaned before anyone learns of the end, so that an ended job leaves nothing to wait for.
                job.clean()
            self._cancelled.pop(job.id, None)
            if ending.result is not None:
                self._board.succeed(job.id, ending.result)
            else:
                self._board.end(job.id, ending.state, ending.kind, ending.message, resumes=resumes)
            if self._worker is not None and not self._worker.alive():
                self._jobs.put(None)  # a new worker, before there is a job to wait for it

    def _again(self, job: LaneJob, death: _Ending) -> _Ending:
        """Go on with a training whose worker has died: once, for what killed it will most likely do so again."""
        step = job.place()
        where = "began anew" if step is None else f"resumed from step {step}"
        self._board.note(job.id, f"The training {where} in a new worker process. {death.message}", step)
        ending = self._compute(job)
        if not ending.died:
            return ending
        return replace(ending, message=f"For the second time in this training: {ending.message}")

    def _compute(self, job: LaneJob) -> _Ending:
        spec = job.prepare()
        worker = self._living_worker()
        if not self._ready:
            self._board.progress(job.id, JobProgress(stage="starting the worker"))
        worker.send(ServiceMessage(run=RunMessage(job=job.id, kind=job.kind, spec=spec)))
        told = False
        while not self._closing.is_set():
            asked = self._cancelled.get(job.id)
            if asked is not None and not told:
                worker.send(ServiceMessage(cancel=job.id))
                told = True
            if asked is not None and time.monotonic() - asked > CANCEL_GRACE_SECONDS:
                worker.kill()
                return _CANCELLED
            try:
                message = self._receive(worker)
            except EOFError:
                return self._death(job, worker)
            if message is None:
                continue
            if message.progress is not None and message.job == job.id:
                self._board.progress(job.id, JobProgress.model_validate(message.progress))
            elif message.outcome is not None and message.job == job.id:
                return _Ending("succeeded", result=job.finish(message.outcome))
            elif message.error is not None and message.job in (job.id, None):
                cancelled = message.error["type"] == "CancelledError"
                return _CANCELLED if cancelled else _Ending("failed", message.error["message"], message.error["type"])
        self._let_save(job, worker)
        return _Ending("interrupted", _ENDED, "InterruptedError")

    def _let_save(self, job: LaneJob, worker: WorkerProcess) -> None:
        """Give a training the time to write the checkpoint from which it will go on."""
        if job.kind != "training" or not self._ready:
            return
        worker.send(ServiceMessage(cancel=job.id))
        deadline = time.monotonic() + _CLOSE_GRACE_SECONDS
        while time.monotonic() < deadline:
            try:
                message = self._receive(worker)
            except EOFError:
                return
            if message is not None and (message.error is not None or message.outcome is not None):
                return

    def _death(self, job: LaneJob, worker: WorkerProcess) -> _Ending:
        reason = worker.how_it_ended()
        _log.error("worker %s for %s: %s", worker.pid, self._name, reason)
        return _CANCELLED if job.id in self._cancelled else _Ending("failed", reason, "WorkerError", died=True)

    def _receive(self, worker: WorkerProcess) -> WorkerMessage | None:
        """The next message, None if there is none for the moment; EOFError if the worker has ended."""
        try:
            message = worker.receive(_LOOK_SECONDS)
        except TimeoutError:
            return None
        if message is None:
            raise EOFError
        if message.last:
            worker.dismiss()  # or the next job would be sent to a process that is ending
        if message.ready is not None:
            self._ready = True
            _log.info("the worker for %s was ready after %.2f s", self._name, worker.age)
            self._on_device(message.ready)
        elif message.error is not None and message.job is None:
            self._on_device({"name": self._device, "kind": "unavailable", "note": message.error["message"]})
        return message

    def _living_worker(self) -> WorkerProcess:
        if self._worker is None or not self._worker.alive():
            self._ready = False
            self._worker = WorkerProcess(self._name, self._device, self._niceness, self._log)
        return self._worker
