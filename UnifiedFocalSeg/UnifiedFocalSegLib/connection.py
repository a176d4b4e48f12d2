"""The backend in use and the operations under way."""

from __future__ import annotations

import os
import time
from dataclasses import replace
from typing import Any

from .backend_process import (
    BackendProcess,
    default_models,
    default_python,
    default_workspace,
    require_whole,
    startup_environment,
)
from .client import BackendClient
from .environment import Options, Places, Progress, default_root, install, repair, shipped
from .errors import BackendError
from .left_backend import LeftBackend
from .operation import Control, Operation, Script, Step
from .runner import Runner
from .signal import Signal

# A connection breaks a moment before the process can be seen to be gone.
_DEATH_SECONDS = 0.3


class Connection:
    """Starts, uses and stops a backend. Use it on the main thread only.

    Every action returns an `Operation` at once; call `process_events` regularly (a timer does in the panel), or pass
    ``wait=True`` to block until it has ended, which raises FocalSegError with its sentence if it failed.

    Attributes:
        client: the backend in use, or None.
        place: Python and workspace of our own backend, None where it is another's.
        backend_changed: emitted when `client` changes.
        operation_started: emitted with each new operation.
    """

    def __init__(self) -> None:
        self.client: BackendClient | None = None
        self.backend_changed = Signal()
        self.operation_started = Signal()
        self.place: tuple[os.PathLike | str, os.PathLike | str] | None = None
        self._process: BackendProcess | LeftBackend | None = None
        self._runner = Runner()

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
                    "The backend is not set up. Install it (install_backend, or python -m "
                    "UnifiedFocalSegLib.environment install), or choose the python of its virtual environment under "
                    "Advanced."
                )
            old = self._release()
            folder = workspace or default_workspace()
            finished = models or default_models()

            def start(control: Control) -> BackendProcess | LeftBackend:
                control.report(stage="Starting the backend")
                require_whole(chosen)
                if old is not None:  # it may hold the same workspace
                    old.stop()
                elif (left := LeftBackend.find(folder)) is not None:
                    return left
                return BackendProcess.start(chosen, folder, device=device, models=finished, cancelled=control.cancelled)

            self._process = yield start
            self.place = (chosen, folder)
            self._use(BackendClient(self._process.url, self._process.token))
            return self._process.url

        return self._run("start", "Start the backend", script(), wait)

    def install_backend(self, options: Options | None = None, *, wait: bool = False) -> Operation:
        """Install the backend's own environment, or update or repair it; result: its Python.

        A cancel takes effect within a second, and what was in use before stays in use until the new one works.

        Args:
            options: build of PyTorch, wheel folder and so on, to install anew; if None, nothing is done where all is
                whole and belongs to this extension, and else the options of the last installation hold.
            wait: block until it has ended.
        """

        def script() -> Script:
            places = Places(default_root())
            variables = startup_environment()  # without Slicer's own libraries

            def work(control: Control) -> os.PathLike | None:
                def told(progress: Progress) -> None:
                    control.report(progress.fraction, progress.stage)

                if options is None:
                    repair(places, shipped(), None, variables=variables, listener=told, cancelled=control.cancelled)
                else:
                    chosen = replace(options, variables=variables)
                    install(places, shipped(), chosen, listener=told, cancelled=control.cancelled)
                return places.python()

            return (yield work)

        return self._run("install-backend", "Install the backend", script(), wait)

    def connect(self, url: str, token: str, *, wait: bool = False) -> Operation:
        """Use a backend that runs already; result: its health."""

        def script() -> Script:
            client = BackendClient(url, token)
            health = yield lambda _control: client.health()
            self.stop_backend()
            self._use(client)
            return health

        return self._run("start", f"Connect to {url}", script(), wait)

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
        return "" if self.client is not None else "No backend is running. Start it first."

    @property
    def operations(self) -> list[Operation]:
        """Operations under way."""
        return self._runner.operations

    def process_events(self) -> None:
        """Take over what has happened in the background. Call it often, on the main thread."""
        self._runner.process_events()

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
