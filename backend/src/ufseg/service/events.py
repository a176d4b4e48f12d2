"""Jobs as server-sent events (``text/event-stream``, WHATWG HTML § 9.2)."""

from __future__ import annotations

import asyncio
import secrets
from collections import OrderedDict
from collections.abc import AsyncIterator

from starlette.concurrency import run_in_threadpool
from starlette.responses import Response, StreamingResponse

from ufseg.engine.engine import Engine
from ufseg.workspace.records import Job

HEARTBEAT_SECONDS = 15.0
# A client that was away for longer gets the unfinished jobs, and asks for the others by itself.
_REMEMBERED = 1000
# A stream that nothing happens in looks so often whether the service is ending.
_LOOK_SECONDS = 0.5


class EventStream(StreamingResponse):
    """An answer that goes on."""

    media_type = "text/event-stream"


class JobEvents:
    """Streams of jobs' changes.

    What is sent is a job's state and not each step to it, so a client that is slow, or was away, gets the newest state
    of everything that has changed meanwhile, and nothing has to be kept for it.

    Args:
        engine: whose jobs they are.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        # Ids of another run of the service mean nothing in this one.
        self._run = secrets.token_hex(4)
        self._number = 0
        self._changed: OrderedDict[str, int] = OrderedDict()  # job → number of its newest change, oldest first
        self._forgotten = 0  # number of the newest change that is no longer among them
        self._waiting: set[asyncio.Event] = set()
        self._loop: asyncio.AbstractEventLoop | None = None
        engine.listen(self._hear)

    async def of_job(self, job_id: str, last_event_id: str | None) -> Response:
        """The events of one job, whose ids are its versions; raises NotFoundError."""
        self._loop = asyncio.get_running_loop()
        job = await run_in_threadpool(self._engine.job, job_id)
        seen = int(last_event_id) if last_event_id is not None and last_event_id.isdecimal() else -1
        if job.is_final and seen >= job.version:
            return Response(status_code=204)
        return EventStream(self._follow(job_id, seen), headers=_HEADERS)

    def of_all(self, last_event_id: str | None, seconds: float | None) -> Response:
        """The events of all jobs.

        Args:
            last_event_id: what changed after this event is sent first; None: every unfinished job is.
            seconds: the stream ends after so long; None: with the connection.
        """
        self._loop = asyncio.get_running_loop()
        return EventStream(self._follow_all(last_event_id, seconds), headers=_HEADERS)

    async def _follow(self, job_id: str, seen: int) -> AsyncIterator[str]:
        event = asyncio.Event()
        self._waiting.add(event)
        try:
            while True:
                event.clear()
                job = await run_in_threadpool(self._engine.job, job_id)
                if job.version > seen:
                    seen = job.version
                    yield _message(str(seen), job)
                if job.is_final or not await self._wait(event):
                    return
                if not event.is_set():
                    yield _HEARTBEAT
        finally:
            self._waiting.discard(event)

    async def _follow_all(self, last_event_id: str | None, seconds: float | None) -> AsyncIterator[str]:
        assert self._loop is not None
        event = asyncio.Event()
        self._waiting.add(event)
        end = None if seconds is None else self._loop.time() + seconds
        try:
            run, _, number = (last_event_id or "").partition("-")
            known = run == self._run and number.isdecimal() and int(number) >= self._forgotten
            seen = int(number) if known else self._number
            if not known:
                for job in await run_in_threadpool(self._engine.unfinished):
                    yield _message(f"{self._run}-{seen}", job)
            # A client is told at once that it is connected.
            yield _HEARTBEAT
            while True:
                event.clear()
                for job_id, change in [(j, n) for j, n in self._changed.items() if n > seen]:
                    seen = change
                    yield _message(f"{self._run}-{change}", await run_in_threadpool(self._engine.job, job_id))
                if not event.is_set() and not await self._wait(event, end):
                    return
                if not event.is_set():
                    yield _HEARTBEAT
        finally:
            self._waiting.discard(event)

    async def _wait(self, event: asyncio.Event, end: float | None = None) -> bool:
        """Wait for a change, but not longer than to the next heartbeat; False if the stream must end."""
        assert self._loop is not None
        heartbeat = self._loop.time() + HEARTBEAT_SECONDS
        while not event.is_set() and self._loop.time() < heartbeat:
            if self._engine.closed or (end is not None and self._loop.time() >= end):
                return False
            try:
                await asyncio.wait_for(event.wait(), _LOOK_SECONDS)
            except asyncio.TimeoutError:
                continue
        return True

    def _hear(self, job: Job) -> None:
        loop = self._loop
        if loop is not None and not loop.is_closed():
            loop.call_soon_threadsafe(self._note, job.id)

    def _note(self, job_id: str) -> None:
        self._number += 1
        self._changed[job_id] = self._number
        self._changed.move_to_end(job_id)
        if len(self._changed) > _REMEMBERED:
            _, self._forgotten = self._changed.popitem(last=False)
        for event in self._waiting:
            event.set()


_HEARTBEAT = ": still there\n\n"
_HEADERS = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}


def _message(event_id: str, job: Job) -> str:
    return f"id: {event_id}\nevent: job\ndata: {job.model_dump_json()}\n\n"
