"""A worker process, seen from the service."""

from __future__ import annotations

import logging
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path

from pydantic import ValidationError

from ufseg.engine.specs import ServiceMessage, WorkerMessage
from ufseg.networks.process_environment import computing_environment
from ufseg.workspace.disk import storage_errors
from ufseg.workspace.records import JobKind

_log = logging.getLogger(__name__)
_LOG_TAIL_BYTES = 4000
# Beyond this a new worker begins a new log, and the one before is kept.
_LARGEST_LOG_BYTES = 5 << 20


class WorkerProcess:
    """Starts ``python -m ufseg.engine.worker``; its messages are read as they come.

    Args:
        kind: of the jobs it will be given.
        device: asked for.
        niceness: how far it steps back behind other processes, 0 to 19 (POSIX).
        log: file that its stderr is appended to.

    Raises:
        StorageError: the log cannot be written.
    """

    def __init__(self, kind: JobKind, device: str, niceness: int, log: Path) -> None:
        self._log_path = log
        command = [sys.executable, "-m", "ufseg.engine.worker"]
        command += ["--kind", kind, "--device", device, "--nice", str(niceness)]
        # With the current folder on its path, a stray torch.py there would be imported.
        environment = computing_environment() | os.environ | {"PYTHONSAFEPATH": "1"}
        started = time.monotonic()
        with storage_errors(log.parent):
            log.parent.mkdir(parents=True, exist_ok=True)
            if log.exists() and log.stat().st_size > _LARGEST_LOG_BYTES:
                with suppress(PermissionError):  # on Windows, where a worker that cannot end holds it
                    os.replace(log, log.with_name(f"{log.name}.1"))
            with log.open("ab") as errors:
                self._log_start = errors.tell()
                self._process = subprocess.Popen(
                    command,
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=errors,
                    env=environment,
                    # Its own group, so that it ends with all that it started and Ctrl-C reaches the service only.
                    start_new_session=os.name == "posix",
                    creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),
                )
        self._started = started
        self._dismissed = False
        self._messages: queue.Queue[WorkerMessage | None] = queue.Queue()
        self._unsent: queue.Queue[ServiceMessage | None] = queue.Queue()
        threading.Thread(target=self._read, daemon=True, name="worker-messages").start()
        threading.Thread(target=self._write, daemon=True, name="worker-orders").start()

    @property
    def pid(self) -> int:
        """Process id."""
        return self._process.pid

    @property
    def age(self) -> float:
        """Seconds since it was started."""
        return time.monotonic() - self._started

    def send(self, message: ServiceMessage) -> None:
        """Give the worker a message, without waiting for it to listen; if it is dead, `receive` will tell."""
        self._unsent.put(message)

    def receive(self, timeout: float) -> WorkerMessage | None:
        """The next message; None once the worker has ended.

        Raises:
            TimeoutError: no message came in `timeout` seconds.
        """
        try:
            return self._messages.get(timeout=timeout)
        except queue.Empty:
            raise TimeoutError from None

    def alive(self) -> bool:
        """Whether the process runs and may be given jobs."""
        return not self._dismissed and self._process.poll() is None

    def dismiss(self) -> None:
        """End it by killing it, and give it no more jobs even if it cannot end: a lost GPU's driver may hold it."""
        self._dismissed = True
        self._kill()

    def kill(self) -> None:
        """End it and all that it started, at once."""
        self._kill()
        self._process.wait()

    def _kill(self) -> None:
        if os.name == "posix":
            with suppress(ProcessLookupError):  # it has just ended by itself
                os.killpg(self._process.pid, signal.SIGKILL)
        else:
            self._process.kill()

    def stop(self, grace: float) -> None:
        """Close its stdin, which ends it; kill it after `grace` seconds."""
        if self._dismissed:
            return
        self._unsent.put(None)
        try:
            self._process.wait(grace)
        except subprocess.TimeoutExpired:
            self.kill()

    def how_it_ended(self) -> str:
        """A sentence about the end of the process, for the user."""
        code = self._process.wait()
        if code == -9 or code == 137:
            return (
                "The worker process was killed by the system (signal 9), most likely because the computer ran out of "
                "memory. Close other programs, or use smaller images or patches, and start the job again."
            )
        how = f"by signal {-code}" if code < 0 else f"with exit code {code}"
        last = self._last_words()
        return (
            f"The worker process ended unexpectedly {how}"
            f"{f'; its last words: {last}' if last else ''}. Start the job again; if it ends so again, report it with "
            f"the log {self._log_path.name} of the workspace."
        )

    def _last_words(self) -> str:
        with self._log_path.open("rb") as log:
            log.seek(0, os.SEEK_END)
            log.seek(max(self._log_start, log.tell() - _LOG_TAIL_BYTES))
            lines = log.read().decode("utf-8", "replace").splitlines()
        return next((line.strip() for line in reversed(lines) if line.strip()), "")

    def _read(self) -> None:
        if self._process.stdout is not None:
            for line in self._process.stdout:
                try:
                    self._messages.put(WorkerMessage.model_validate_json(line))
                except ValidationError:
                    _log.error("the worker %s sent a line that is no message: %r", self.pid, line[:200])
        self._messages.put(None)
        self._unsent.put(None)
        self._process.wait()  # nobody else waits for one that was dismissed

    def _write(self) -> None:
        # The specification of a large training does not fit into a pipe: one that hangs would hold whoever writes it.
        if self._process.stdin is not None:
            with suppress(BrokenPipeError), self._process.stdin as orders:  # it has ended already
                while (message := self._unsent.get()) is not None:
                    orders.write(message.model_dump_json(exclude_none=True).encode() + b"\n")
                    orders.flush()
