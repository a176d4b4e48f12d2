"""Runs operations: their steps in worker threads, everything that touches the scene on the main thread.

An operation is a generator ("script"). What it yields is a step, a function that talks to the backend and runs in a
thread of its own; its value comes back from the ``yield``. What stands between the yields runs on the main thread, in
`process_events`, which a timer or a waiting loop calls.
"""

from __future__ import annotations

import queue
import threading
import time
from typing import Any

from .errors import FocalSegError, OperationCancelled
from .operation import CANCELLED, FAILED, SUCCEEDED, Control, Operation, Script, Step
from .translation import tr as _

_WAIT_SECONDS = 0.02


class Runner:
    """All operations under way; several run side by side."""

    def __init__(self) -> None:
        self._events: queue.SimpleQueue[tuple[Any, ...]] = queue.SimpleQueue()
        self._scripts: dict[Operation, Script] = {}
        self._draining = False

    @property
    def operations(self) -> list[Operation]:
        """Those that have not ended."""
        return list(self._scripts)

    def run(self, kind: str, title: str, script: Script) -> Operation:
        """Start `script` and return its operation at once; nothing of the script runs before `process_events`."""
        operation: Operation
        control = Control(lambda *report: self._events.put(("report", operation, report)))
        operation = Operation(kind, title, control)
        self._scripts[operation] = script
        self._events.put(("value", operation, None))
        return operation

    def process_events(self, wait_seconds: float = 0.0) -> None:
        """Take over what the threads have reported. Main thread only; a call from within itself does nothing."""
        if self._draining:
            return
        self._draining = True
        try:
            while True:
                try:
                    kind, operation, payload = self._events.get(timeout=wait_seconds) if wait_seconds else self._next()
                except queue.Empty:
                    return
                wait_seconds = 0.0
                if kind == "report":
                    operation.update(*payload)
                else:
                    self._advance(operation, payload if kind == "value" else None, payload if kind == "error" else None)
        finally:
            self._draining = False

    def wait(self, operation: Operation, seconds: float | None = None) -> Any:
        """Block until `operation` ends and return its result; for scripts and tests, never for the GUI.

        Raises:
            FocalSegError: with the operation's sentence, if it failed.
            OperationCancelled: it was stopped.
            TimeoutError: it still runs after `seconds`.
            RuntimeError: called by a script or a slot, where it could never return.
        """
        if self._draining:
            raise RuntimeError("wait() was called while events are processed; connect to `finished` instead.")
        deadline = None if seconds is None else time.monotonic() + seconds
        while operation.running:
            if deadline is not None and time.monotonic() > deadline:
                raise TimeoutError(
                    _("“{title}” still runs after {seconds:.0f} s, at: {stage}.").format(
                        title=operation.title, seconds=seconds, stage=operation.stage
                    )
                )
            self.process_events(_WAIT_SECONDS)
        if operation.state == CANCELLED:
            raise OperationCancelled(_("“{title}” was stopped.").format(title=operation.title))
        if operation.state == FAILED:
            raise FocalSegError(operation.error)
        return operation.result

    def _next(self) -> tuple[Any, ...]:
        return self._events.get_nowait()

    def _advance(self, operation: Operation, value: Any, error: BaseException | None) -> None:
        """Run the script on the main thread up to its next step or its end."""
        script = self._scripts[operation]
        try:
            step = script.send(value) if error is None else script.throw(error)
        except StopIteration as end:
            self._end(operation, SUCCEEDED, result=end.value)
        except OperationCancelled:
            self._end(operation, CANCELLED)
        except FocalSegError as known:
            self._end(operation, FAILED, error=str(known))
        except BaseException as unknown:
            # A defect: the operation must not look alive, and the traceback must be seen.
            sentence = _("Unexpected error: {error}. Please report it with the Python log.").format(error=unknown)
            self._end(operation, FAILED, error=sentence)
            raise
        else:
            threading.Thread(target=self._work, args=(operation, step), daemon=True).start()

    def _end(self, operation: Operation, state: str, result: Any = None, error: str | None = None) -> None:
        del self._scripts[operation]
        operation.end(state, result, error)

    def _work(self, operation: Operation, step: Step) -> None:
        """Body of a worker thread: every outcome, whichever it is, is handed to the main thread."""
        try:
            operation.control.check()
            self._events.put(("value", operation, step(operation.control)))
        except BaseException as error:  # noqa: BLE001 - not swallowed: raised again on the main thread by _advance
            self._events.put(("error", operation, error))
