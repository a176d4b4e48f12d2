"""Child processes that can be stopped at any time, with their own children."""

from __future__ import annotations

import os
import queue
import signal
import subprocess
import threading
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from UnifiedFocalSegLib.errors import OperationCancelled, SetupError
from UnifiedFocalSegLib.translation import tr as _

_POLL_SECONDS = 0.1
_KEPT_LINES = 60
# How uv reaches package indices and interpreters here. Its other variables change what is installed, or where.
_NETWORK_OF_UV = (
    "UV_DEFAULT_INDEX",
    "UV_INDEX",
    "UV_EXTRA_INDEX_URL",
    "UV_FIND_LINKS",
    "UV_HTTP_",
    "UV_REQUEST_TIMEOUT",
    "UV_NATIVE_TLS",
    "UV_SYSTEM_CERTS",
    "UV_INSECURE_HOST",
    "UV_KEYRING_PROVIDER",
    "UV_CREDENTIALS_DIR",
    "UV_CONFIG_FILE",
    "UV_OFFLINE",
    "UV_CONCURRENT_",
    "UV_PYTHON_INSTALL_MIRROR",
    "UV_PYTHON_DOWNLOADS",
)


@dataclass(frozen=True)
class Ended:
    """What a child left.

    Args:
        code: exit status.
        output: its standard output.
        lines: the last lines of its standard error.
    """

    code: int
    output: str
    lines: list[str]

    @property
    def words(self) -> str:
        """Its last lines as one text."""
        return "\n".join(self.lines).strip()


def run(
    command: Sequence[str | os.PathLike[str]],
    environment: Mapping[str, str],
    *,
    cancelled: threading.Event | None = None,
    on_line: Callable[[str], None] | None = None,
    folder: Path | None = None,
) -> Ended:
    """Run a program to its end.

    Args:
        command: program and arguments.
        environment: all its variables.
        cancelled: kills the program and its children when set.
        on_line: told of each line on its standard error, in the caller's thread.
        folder: working folder.

    Raises:
        OperationCancelled: `cancelled` was set.
        SetupError: the program cannot be started.
    """
    words = [os.fspath(part) for part in command]
    try:
        process = subprocess.Popen(
            words,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            encoding="utf-8",
            errors="replace",
            env=dict(environment),
            cwd=folder,
            start_new_session=os.name == "posix",
            creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),
        )
    except OSError as error:
        raise SetupError(
            _("{program} could not be started ({reason}). Repair the installation, or choose another program.").format(
                program=words[0], reason=error.strerror or error
            )
        ) from error
    lines: queue.SimpleQueue[str | None] = queue.SimpleQueue()
    output: list[str] = []
    readers = [
        threading.Thread(target=_pass_on, args=(process.stderr, lines.put), daemon=True),
        threading.Thread(target=_pass_on, args=(process.stdout, lambda line: output.append(line or "")), daemon=True),
    ]
    for reader in readers:
        reader.start()
    kept: deque[str] = deque(maxlen=_KEPT_LINES)
    try:
        _follow(lines, kept, cancelled, on_line)
        process.wait()
    finally:
        if process.poll() is None:
            _kill(process)
    for reader in readers:
        reader.join()
    return Ended(process.returncode, "".join(output), list(kept))


def _follow(
    lines: queue.SimpleQueue[str | None],
    kept: deque[str],
    cancelled: threading.Event | None,
    on_line: Callable[[str], None] | None,
) -> None:
    while True:
        if cancelled is not None and cancelled.is_set():
            raise OperationCancelled(_("The installation was stopped. What was downloaded is kept for the next time."))
        try:
            line = lines.get(timeout=_POLL_SECONDS)
        except queue.Empty:
            continue
        if line is None:
            return
        kept.append(line.rstrip())
        if on_line is not None:
            on_line(line.rstrip())


def _pass_on(stream: object, put: Callable[[str | None], object]) -> None:
    for line in stream:  # type: ignore[attr-defined]
        put(line)
    put(None)


def _kill(process: subprocess.Popen[str]) -> None:
    if os.name == "posix":
        with suppress(ProcessLookupError):  # ended just now
            os.killpg(process.pid, signal.SIGKILL)
    else:
        subprocess.run(["taskkill", "/F", "/T", "/PID", str(process.pid)], capture_output=True, check=False)
    process.wait()


def clean_environment(variables: Mapping[str, str] | None = None) -> dict[str, str]:
    """Variables without those that would lead another Python to Slicer's packages, or uv elsewhere than asked.

    Args:
        variables: this process's own if None.
    """
    foreign = {"PYTHONHOME", "PYTHONPATH", "PYTHONNOUSERSITE", "VIRTUAL_ENV", "CONDA_PREFIX", "LD_LIBRARY_PATH"}
    kept = {
        name: value
        for name, value in (os.environ if variables is None else variables).items()
        if name not in foreign and (not name.startswith("UV_") or name.startswith(_NETWORK_OF_UV))
    }
    # Else a stray torch.py or typer.py of the working folder would be preferred.
    return kept | {"PYTHONSAFEPATH": "1", "NO_COLOR": "1"}
