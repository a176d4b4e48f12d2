"""The backend in use and the operations under way."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from typing import Any

from .backend_process import (
    BackendProcess,
    default_models,
    default_python,
    default_workspace,
    require_whole,
)
from .client import BackendClient
from .errors import BackendError
from .left_backend import LeftBackend
from .operation import Control, Operation, Script, Step
from .runner import Runner
from .signal import Signal
from .translation import tr as _
from .trust import Trust

# A connection breaks a moment before the process can be seen to be gone.
_DEATH_SECONDS = 0.3
_POLL_SECONDS = 0.05


class Connection:
    """Starts, uses and stops a backend. Use it on the main thread only.

    Every action returns an `Operation` at once; call `process_events` regularly (a timer does in the panel), or pass
    ``wait=True`` to block until it has ended, which raises FocalSegError with its sentence if it failed.

    Attributes:
        client: the backend in use, or None.
        place: Python and workspace of our own backend, None where it is another's.
        backend_changed: emitted when `client` changes.
        backend_died: emitted once, with a sentence, when our own backend has ended by itself.
        operation_started: emitted with each new operation.
    """

    def __init__(self) -> None:
        self.client: BackendClient | None = None
        self.backend_changed = Signal()
        self.backend_died = Signal()
        self.operation_started = Signal()
        self.place: tuple[os.PathLike | str, os.PathLike | str] | None = None
        self._process: BackendProcess | LeftBackend | None = None
        self._death_told = False
        self._runner = Runner()
        # The panel puts its own here, so that scripts get the backend that is chosen in its settings.
        self.how_to_start: Callable[[], Operation] = self._start_as_before

    def start_backend(
        self,
        workspace: str | os.PathLike | None = None,
        python: str | os.PathLike | None = None,
        *,
        device: str = "auto",
        models: str | os.PathLike | None = None,
        wait: bool = False,
    ) -> Operation:
        """Start a backend of our own and use it; result: its address.

        Args:
            workspace: folder for tasks, cases and models; `default_workspace` if None.
            python: interpreter of the backend's virtual environment; `default_python` if None.
            device: ``"auto"``, ``"cuda"`` or ``"cpu"``.
            models: folder of finished models that can be installed; `default_models` if None.
            wait: block until it is ready.
        """

        def script() -> Script:
            chosen = python or default_python()
            if chosen is None:
                raise BackendError(
                    _(
                        "The backend is not set up. Install it (install_backend, or python -m "
                        "UnifiedFocalSegLib.environment install), or choose the python of its virtual environment "
                        "under Advanced."
                    )
                )
            old = self._release()
            folder = workspace or default_workspace()
            finished = models or default_models()

            def start(control: Control) -> BackendProcess | LeftBackend:
                control.report(stage=_("Starting the backend"))
                require_whole(chosen)
                if old is not None:  # it may hold the same workspace
                    old.stop()
                elif (left := LeftBackend.find(folder)) is not None:
                    return left
                return BackendProcess.start(chosen, folder, device=device, models=finished, cancelled=control.cancelled)

            self._process, self._death_told = (yield start), False
            self.place = (chosen, folder)
            self._use(BackendClient(self._process.url, self._process.token))
            return self._process.url

        return self._run("start", _("Start the backend"), script(), wait)

    def connect(self, url: str, token: str, trust: Trust | None = None, *, wait: bool = False) -> Operation:
        """Use a backend that runs already; result: its health.

        Args:
            url: its address; of another computer with ``https://`` only.
            token: its secret, or one that ``ufseg tokens add`` gave.
            trust: what its certificate is compared with.
            wait: block until it has answered.
        """

        def script() -> Script:
            (trust or Trust()).require_protection(url)
            client = BackendClient(url, token, trust)
            health = yield lambda _control: client.health()
            self.stop_backend()
            self._use(client)
            return health

        return self._run("start", _("Connect to {url}").format(url=url), script(), wait)

    def stop_backend(self, wait: bool = False) -> None:
        """End our own backend, if there is one; a connected one is only forgotten."""
        process = self._release()
        if process is not None:
            if wait:
                process.stop()
            else:
                process.stop_later()

    def backend_problem(self) -> str:
        """Why no backend can be used now, in a sentence; empty if one can."""
        if self._process is not None and not self._process.is_running():
            return self._process.last_words()
        return "" if self.client is not None else _("No backend is running. Start it first.")

    @property
    def operations(self) -> list[Operation]:
        """Operations under way."""
        return self._runner.operations

    def process_events(self) -> None:
        """Take over what has happened in the background. Call it often, on the main thread."""
        self._runner.process_events()
        if self._process is not None and not self._death_told and not self._process.is_running():
            self._death_told = True
            self.backend_died.emit(self._process.ending())

    def wait(self, operation: Operation, seconds: float | None = None) -> Any:
        """Block until `operation` ends and return its result; see `Runner.wait`."""
        return self._runner.wait(operation, seconds)

    def close(self, wait: bool = False, *, finish_trainings: bool = False) -> None:
        """Stop all operations and our own backend.

        A training is not given up: it goes on when the backend is started again.

        Args:
            wait: block until the backend has ended.
            finish_trainings: let the backend go on until its trainings, if there are any, are done; the next start
                finds it.
        """
        self._runner.process_events()
        for operation in self.operations:
            if operation.kind != "retrain":
                operation.cancel()
        if not finish_trainings:
            self.stop_backend(wait)
        elif (process := self._release()) is not None:
            process.hand_over()

    def _run(self, kind: str, title: str, script: Script, wait: bool) -> Operation:
        operation = self._runner.run(kind, title, script)
        self.operation_started.emit(operation)
        if wait:
            self.wait(operation)
        return operation

    def _simple(self, kind: str, title: str, call: Any, wait: bool) -> Operation:
        """An operation of one request."""

        def script() -> Script:
            client = self._connected()
            return (yield self._step(lambda _control: call(client)))

        return self._run(kind, title, script(), wait)

    def _step(self, step: Step) -> Step:
        """`step`, with the reason of our own backend's death in place of "cannot be reached"."""
        process = self._process

        def explained(control: Control) -> Any:
            try:
                return step(control)
            except BackendError as error:
                if error.status is None and process is not None:
                    time.sleep(_DEATH_SECONDS)
                    if not process.is_running():
                        raise BackendError(process.last_words()) from error
                raise

        return explained

    def _start_as_before(self) -> Operation:
        python, workspace = (None, None) if self.place is None else self.place
        return self.start_backend(workspace, python)

    def _started(self) -> Script:
        """Part of a script: have a backend, started if none runs or the one before has ended; gives its client."""
        if self.backend_problem():
            starting = next((o for o in self.operations if o.kind == "start"), None) or self.how_to_start()
            over = threading.Event()
            starting.finished.connect(lambda _operation: over.set())

            def until_over(control: Control) -> None:
                control.report(stage=_("Starting the backend"))
                while not over.wait(_POLL_SECONDS):
                    control.check()

            yield until_over
            if starting.error:
                raise BackendError(starting.error)
        return self._connected()

    def _connected(self) -> BackendClient:
        problem = self.backend_problem()
        if self.client is None or problem:
            raise BackendError(problem)
        return self.client

    def _release(self) -> BackendProcess | LeftBackend | None:
        """Forget the backend in use; returns its process if it is ours."""
        process, self._process, self.place = self._process, None, None
        if self.client is not None:
            self._use(None)
        return process

    def _use(self, client: BackendClient | None) -> None:
        self.client = client
        self.backend_changed.emit()
