"""The process that computes: takes jobs as JSON lines on stdin, answers as JSON lines on stdout.

It knows no database and no network. It ends when its stdin closes, whatever it is doing: that is how the end of the
service, even by ``kill -9``, reaches it. An error that is not meant for the user ends it with a traceback on stderr.
"""

from __future__ import annotations

import argparse
import math
import os
import queue
import signal
import sys
import threading
import time
import traceback
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, BinaryIO, get_args

from ufseg.engine.device_failures import failure_in_words
from ufseg.engine.specs import PredictionSpec, RunMessage, ServiceMessage, TrainingSpec, WorkerMessage
from ufseg.errors import DeviceError, OutOfMemoryError, UfsegError
from ufseg.progress import Progress
from ufseg.workspace.records import JobKind

if TYPE_CHECKING:
    from ufseg.engine.predict_job import PredictorCache
    from ufseg.networks.device import Device

_REPORTS_PER_SECOND = 10


class Worker:
    """Runs one job after the other.

    Args:
        answers: where messages are written.
        kind: of the jobs it will mostly be given.
        requested_device: see `ufseg.networks.device.choose_device`.
    """

    def __init__(self, answers: BinaryIO, kind: JobKind, requested_device: str) -> None:
        self._answers = answers
        self._kind = kind
        self._requested_device = requested_device
        self._jobs: queue.Queue[RunMessage] = queue.Queue()
        self._cancelled: set[str] = set()
        self._cache: PredictorCache | None = None

    def listen(self, messages: BinaryIO) -> None:
        """Take messages until they end, then end the process with its children at once."""
        try:
            for line in messages:
                message = ServiceMessage.model_validate_json(line)
                if message.cancel is not None:
                    self._cancelled.add(message.cancel)
                if message.run is not None:
                    self._jobs.put(message.run)
        finally:
            end_now()

    def run(self) -> int:
        """Probe the device, say so, and work; returns an exit code only if there is no device."""
        try:
            from ufseg.networks.device import choose_device

            device = choose_device(self._requested_device)
        except UfsegError as error:
            self._say(WorkerMessage(error=_described(error), last=True))
            return 1
        self._say(WorkerMessage(ready={"name": device.name, "kind": device.kind, "note": device.note}))
        # Slow to load, so before there is a job to wait for it.
        if self._kind == "training":
            from ufseg.engine.train_job import warm_up

            warm_up()
        else:
            import ufseg.engine.predict_job
            import ufseg.networks.build  # noqa: F401
        while True:
            self._run(self._jobs.get(), device)

    def _run(self, job: RunMessage, device: Device) -> None:
        try:
            outcome = self._compute(job, device)
        except UfsegError as error:
            self._say(WorkerMessage(job=job.job, error=_described(error)))
        except (MemoryError, RuntimeError, OSError) as error:
            failure = failure_in_words(error, device)
            if failure is None:
                raise
            if type(failure) is DeviceError:
                # A CUDA context does not recover; the next job gets a new process, which looks at the GPU anew.
                traceback.print_exc()
                self._say(WorkerMessage(job=job.job, error=_described(failure), last=True))
                end_now()  # an orderly end would call the driver again, which may not answer
            if isinstance(failure, OutOfMemoryError):
                self._cache = None
                _release(device)
            self._say(WorkerMessage(job=job.job, error=_described(failure)))
        else:
            self._say(WorkerMessage(job=job.job, outcome=outcome))
        finally:
            self._cancelled.discard(job.job)
            if job.kind == "training":
                # The worker stays; what torch keeps of the GPU would be missing to the predictions' worker.
                _release(device)

    def _compute(self, job: RunMessage, device: Device) -> dict[str, Any]:
        report = _Reporter(self, job.job)

        def cancelled() -> bool:
            return job.job in self._cancelled

        if job.kind == "training":
            from ufseg.engine.train_job import run_training

            spec = TrainingSpec.model_validate(job.spec)
            return run_training(spec, device, report, cancelled).model_dump(mode="json")
        from ufseg.engine.predict_job import PredictorCache, run_prediction

        if self._cache is None:
            self._cache = PredictorCache(device)
        wanted = PredictionSpec.model_validate(job.spec)
        return run_prediction(wanted, self._cache, report, cancelled).model_dump(mode="json")

    def _say(self, message: WorkerMessage) -> None:
        self._answers.write(message.model_dump_json(exclude_none=True).encode() + b"\n")
        self._answers.flush()


class _Reporter:
    """Sends progress, but not more often than anyone can look."""

    def __init__(self, worker: Worker, job: str) -> None:
        self._worker = worker
        self._job = job
        self._stage = ""
        self._last = 0.0

    def __call__(self, progress: Progress) -> None:
        now = time.monotonic()
        if progress.stage == self._stage and now - self._last < 1 / _REPORTS_PER_SECOND:
            return
        self._stage, self._last = progress.stage, now
        content = {
            "fraction": float(progress.fraction),
            "stage": progress.stage,
            "eta_seconds": None if progress.eta_seconds is None else float(progress.eta_seconds),
            "scalars": {name: float(value) for name, value in progress.scalars.items() if math.isfinite(value)},
        }
        self._worker._say(WorkerMessage(job=self._job, progress=content))


def end_now() -> None:
    """End this process and all that it started, without waiting for anything."""
    if os.name == "posix" and os.getpid() == os.getpgid(0):
        os.killpg(0, signal.SIGKILL)
    os._exit(0)


def _described(error: UfsegError) -> dict[str, str]:
    return {"type": type(error).__name__, "message": str(error)}


def _release(device: Device) -> None:
    import torch

    if device.kind == "cuda":
        torch.cuda.empty_cache()


def main(arguments: Sequence[str] | None = None) -> int:
    """Entry of ``python -m ufseg.engine.worker``."""
    parser = argparse.ArgumentParser(description="Computes jobs for the ufseg service; not for use by hand.")
    parser.add_argument("--kind", choices=get_args(JobKind), required=True)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--nice", type=int, default=0)
    options = parser.parse_args(arguments)
    if options.nice and os.name == "posix":
        os.nice(options.nice)
    if os.name == "posix":
        signal.signal(signal.SIGINT, signal.SIG_IGN)
    # Libraries print; only messages may reach the service, so file descriptor 1 becomes stderr for all of them.
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    sys.stdout = sys.stderr
    worker = Worker(answers, options.kind, options.device)
    # Not `sys.stdin`, which the interpreter closes at its end: while the thread reads it, that aborts the process.
    messages = open(0, "rb", closefd=False)  # noqa: SIM115 - read until the process ends
    threading.Thread(target=worker.listen, args=(messages,), daemon=True, name="messages").start()
    return worker.run()


if __name__ == "__main__":
    sys.exit(main())
