"""Waiting for a job to change without keeping a thread."""

from __future__ import annotations

import asyncio
from collections import defaultdict

from starlette.concurrency import run_in_threadpool

from ufseg.engine.engine import Engine
from ufseg.workspace.records import Job


class JobWatch:
    """Wakes requests that wait for jobs.

    Args:
        engine: whose jobs they are.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._loop: asyncio.AbstractEventLoop | None = None
        self._waiting: defaultdict[str, set[asyncio.Event]] = defaultdict(set)
        engine.listen(self._changed)

    async def job(self, job_id: str, wait: float, after: int | None) -> Job:
        """The job, once its version is above `after` or it is final, at the latest after `wait` seconds.

        Args:
            job_id: the job.
            wait: seconds, 0 answers at once.
            after: the version known already; None means the present one.
        """
        self._loop = asyncio.get_running_loop()
        deadline = self._loop.time() + wait
        event = asyncio.Event()
        self._waiting[job_id].add(event)
        try:
            while True:
                event.clear()
                job = await run_in_threadpool(self._engine.job, job_id)
                after = job.version if after is None else after
                left = deadline - self._loop.time()
                if job.version > after or job.is_final or left <= 0:
                    return job
                try:
                    await asyncio.wait_for(event.wait(), left)
                except asyncio.TimeoutError:
                    continue
        finally:
            self._waiting[job_id].discard(event)
            if not self._waiting[job_id]:
                del self._waiting[job_id]

    def _changed(self, job: Job) -> None:
        loop = self._loop
        if loop is not None and not loop.is_closed():
            loop.call_soon_threadsafe(self._wake, job.id)

    def _wake(self, job_id: str) -> None:
        for event in self._waiting.get(job_id, ()):
            event.set()
