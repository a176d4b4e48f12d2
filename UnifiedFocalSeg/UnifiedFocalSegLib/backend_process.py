"""The backend as a child process: started, found by its first line, and ended by closing its input."""

from __future__ import annotations

import json
import os
import subprocess
import threading
import time
from collections import deque
from collections.abc import Mapping
from pathlib import Path

import slicer

from .environment import Places, check, default_root, shipped
from .errors import BackendError, OperationCancelled, SetupError
from .translation import tr as _

_LOG_LINES = 200
_POLL_SECONDS = 0.05


class BackendProcess:
    """A running backend.

    Args:
        process: the child, with pipes for input and output; standard error joined to standard output.
        url: its address.
        token: its secret.
        version: its version.
    """

    def __init__(self, process: subprocess.Popen[str], log: deque[str]) -> None:
        self._process = process
        self._log = log
        self.url = ""
        self.token = ""
        self.version = ""

    @classmethod
    def start(
        cls,
        python: str | os.PathLike,
        workspace: str | os.PathLike,
        *,
        device: str = "auto",
        models: str | os.PathLike | None = None,
        environment: Mapping[str, str] | None = None,
        seconds: float = 120.0,
        cancelled: threading.Event | None = None,
    ) -> BackendProcess:
        """Start a backend and wait until it says where it listens. Blocks: call it from a worker thread.

        Args:
            python: interpreter of the backend's own virtual environment.
            workspace: folder that holds tasks, cases and models; made if it is missing.
            device: ``"auto"``, ``"cuda"`` or ``"cpu"``.
            models: folder of finished models that can be installed.
            environment: variables for the process; `startup_environment` if None.
            seconds: how long to wait; the first start after an installation compiles much Python.
            cancelled: stops the wait when set.

        Raises:
            BackendError: no such interpreter, an early end, or no answer in time, with the backend's last words.
            OperationCancelled: `cancelled` was set.
        """
        command = [os.fspath(python), "-m", "ufseg.cli.main", "serve"]
        command += ["--workspace", os.fspath(workspace), "--device", device]
        if models is not None:
            command += ["--models", os.fspath(models)]
        try:
            process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                encoding="utf-8",
                errors="replace",
                env=dict(startup_environment() if environment is None else environment),
                creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),
            )
        except OSError as error:
            raise BackendError(
                _(
                    "The backend's Python {python} could not be started ({reason}). "
                    "Choose the python of its virtual environment under Advanced."
                ).format(python=python, reason=error.strerror)
            ) from error
        started = cls(process, deque(maxlen=_LOG_LINES))
        first = _FirstLine()
        threading.Thread(target=started._read_output, args=(first,), daemon=True).start()
        threading.Thread(target=started._read_errors, daemon=True).start()
        started._wait_for(first, seconds, cancelled)
        return started

    @property
    def pid(self) -> int:
        """Process id."""
        return self._process.pid

    def is_running(self) -> bool:
        """Whether the process lives."""
        return self._process.poll() is None

    def log_tail(self, lines: int = 20) -> str:
        """The last lines that the backend wrote."""
        return "\n".join(list(self._log)[-lines:])

    def ending(self) -> str:
        """How the backend has ended, in a sentence; empty while it lives."""
        code = self._process.poll()
        if code is None:
            return ""
        if code < 0:
            ended = _("The backend was killed by signal {signal}.").format(signal=-code)
        else:
            ended = _("The backend ended with exit code {code}.").format(code=code)
        last = next((line for line in reversed(self._log) if line.strip() and " INFO " not in line), "")
        return _("{ended} Its last words: {words}").format(ended=ended, words=last.strip()) if last else ended

    def last_words(self) -> str:
        """Why the backend is gone and what to do, in sentences; empty while it lives."""
        ending = self.ending()
        if not ending:
            return ""
        return _("{ending} Start it again; everything it has acknowledged is saved.").format(ending=ending)

    def stop(self, seconds: float = 10.0) -> None:
        """End the backend and its workers: close its input, wait, and kill it only if that does not help."""
        self.close_input()
        try:
            self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def stop_later(self) -> None:
        """`stop` without waiting for it, for the GUI thread. The backend also ends by itself when Slicer does."""
        self.close_input()
        threading.Thread(target=self.stop, daemon=True).start()

    def hand_over(self) -> None:
        """Leave it behind: it finishes its trainings, and `LeftBackend.find` finds it again."""
        if self._process.stdin is not None and not self._process.stdin.closed:
            try:
                self._process.stdin.write("finish trainings\n")
                self._process.stdin.flush()
            except BrokenPipeError:  # it is gone already
                return
        self.close_input()

    def close_input(self) -> None:
        """Tell the backend to end."""
        if self._process.stdin is not None and not self._process.stdin.closed:
            try:
                self._process.stdin.close()
            except BrokenPipeError:  # it is gone already
                return

    def _wait_for(self, first: _FirstLine, seconds: float, cancelled: threading.Event | None) -> None:
        deadline = time.monotonic() + seconds
        while not first.arrived.wait(_POLL_SECONDS):
            if cancelled is not None and cancelled.is_set():
                self.stop(0.0)  # it has promised nothing to anybody yet
                raise OperationCancelled(_("The start of the backend was stopped."))
            if time.monotonic() > deadline:
                self.stop(1.0)
                raise BackendError(
                    _("The backend did not report an address within {seconds:.0f} s. Its last lines: {lines}").format(
                        seconds=seconds, lines=self.log_tail(5)
                    )
                )
        try:
            hello = json.loads(first.line)
            self.url, self.token, self.version = hello["url"], hello["token"], str(hello.get("version", ""))
        except (ValueError, KeyError, TypeError) as error:
            self.stop(1.0)
            tail = self.log_tail(5) or first.line.strip() or _("(none)")
            raise BackendError(
                _(
                    "The backend could not start. Its last lines: {lines}. Check the Python chosen under "
                    "Advanced and that the workspace can be written."
                ).format(lines=tail)
            ) from error

    def _read_output(self, first: _FirstLine) -> None:
        stream = self._process.stdout
        if stream is None:
            return
        first.line = stream.readline()
        if not first.line:
            self._process.wait()
            time.sleep(_POLL_SECONDS)  # lets the other thread collect the last words
        first.arrived.set()
        for line in stream:
            self._log.append(line.rstrip())

    def _read_errors(self) -> None:
        stream = self._process.stderr
        if stream is None:
            return
        for line in stream:
            self._log.append(line.rstrip())


class _FirstLine:
    """Where the reading thread puts the line with address and token."""

    def __init__(self) -> None:
        self.line = ""
        self.arrived = threading.Event()


def startup_environment() -> dict[str, str]:
    """The variables that Slicer was started with, so that its own libraries do not leak into another Python."""
    environment = dict(slicer.util.startupEnvironment() if hasattr(slicer, "app") else os.environ)
    for name in ("PYTHONHOME", "PYTHONPATH"):
        environment.pop(name, None)
    environment["PYTHONUNBUFFERED"] = "1"
    # Else ``python -m`` would prefer a stray torch.py or typer.py in whatever folder Slicer was started from.
    environment["PYTHONSAFEPATH"] = "1"
    return environment


def default_workspace() -> Path:
    """Where tasks, cases and models are kept unless chosen otherwise; the command line's default too."""
    return Path(os.environ.get("UFSEG_WORKSPACE", Path.home() / "ufseg-workspace"))


def default_models() -> Path | None:
    """The folder of finished models that comes with the extension, installed or as sources; None without one."""
    here = Path(__file__).resolve()
    candidates = (here.parents[1] / "UnifiedFocalSegBackend" / "Models", here.parents[2] / "Resources" / "Models")
    return next((path for path in candidates if path.is_dir()), None)


def default_python() -> Path | None:
    """The backend's Python if it is where a set-up puts it, else None.

    Looked for in the environment variable ``UFSEG_PYTHON``, then in ``.venv`` beside the extension's sources, then in
    the environment that `environment.install` makes.
    """
    chosen = os.environ.get("UFSEG_PYTHON")
    if chosen:
        return Path(chosen)
    root = Path(__file__).resolve().parents[2]
    candidates = (root / ".venv" / "bin" / "python", root / ".venv" / "Scripts" / "python.exe")
    return next((path for path in candidates if path.exists()), installed_python())


def installed_python() -> Path | None:
    """Python of the environment made by `environment.install`; None if none was finished."""
    return Places(default_root()).python()


def require_whole(python: str | os.PathLike) -> None:
    """Look at the installed environment before a backend is started from it; another Python is its owner's business.

    Raises:
        SetupError: it is damaged, or older than this extension.
    """
    if os.fspath(python) == os.fspath(installed_python() or ""):
        report = check(Places(default_root()), shipped())
        if not report.usable:
            raise SetupError(report.sentence)
