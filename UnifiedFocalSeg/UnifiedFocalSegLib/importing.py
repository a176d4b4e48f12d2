"""Bringing a folder of labelled cases into a task, by the backend's own command beside the service.

The folder's path never goes over HTTP, so that no client can make the service read files that are not the user's: the
command runs as the user, on this computer only, and reads what the user may read.
"""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

from .backend_process import startup_environment
from .client import Json
from .errors import BackendError, OperationCancelled
from .identity import default_author
from .operation import Control, Operation, Script
from .translation import tr as _

_ENDING_SECONDS = 5.0


class Importing:
    """Part of the logic: import of dataset folders. Needs `Connection` beside it."""

    def import_folder(
        self, task: str | Json, folder: str | os.PathLike, *, author: str = "", wait: bool = False
    ) -> Operation:
        """Add the cases of a dataset folder with their label maps to a task.

        A case that cannot be used stops nothing. Importing a folder twice adds nothing twice, and what was imported
        before a cancel stays.

        Args:
            task: task or its id.
            folder: nnU-Net, Medical Segmentation Decathlon, or ``images/`` and ``labels/``.
            author: who made the label maps; the name of this computer's user if empty.
            wait: block until done.

        Returns:
            Operation whose result is ``{"imported", "of", "refused": [{"cases", "reason"}], "warnings"}``.
        """
        chosen = task if isinstance(task, str) else str(task["id"])

        def script() -> Script:
            self._connected()
            place = self.place
            if place is None:
                raise BackendError(
                    _(
                        "The backend was not started by this Slicer, so it cannot be told to read {folder}. On its "
                        "computer, run: ufseg cases import {task} FOLDER --workspace WORKSPACE"
                    ).format(folder=folder, task=chosen)
                )
            python, workspace = place
            command = [str(python), "-m", "ufseg.cli.main", "cases", "import", chosen, os.fspath(folder), "--json"]
            command += ["--workspace", str(workspace), "--author", author.strip() or default_author()]
            return (yield lambda control: _run(command, control))

        return self._run("import", _("Import {folder}").format(folder=Path(folder).name), script(), wait)


def _run(command: list[str], control: Control) -> Json:
    control.report(stage=_("Reading the folder"))
    process = subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        errors="replace",
        env=startup_environment(),
        creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),
    )
    last, result = "", None
    try:
        for line in process.stdout or ():
            told = _told(line)
            if told is None:
                last = line.strip() or last
            elif "imported" in told:
                result = told
            else:
                number = min(told["done"] + 1, told["of"])
                stage = _("Importing case {number} of {count}").format(number=number, count=told["of"])
                control.report(told["done"] / max(1, told["of"]), stage)
            control.check()
        process.wait()
    except OperationCancelled:
        process.terminate()
        raise
    finally:
        _end(process)
    if result is None:
        silent = _("The import ended with exit code {code}.").format(code=process.returncode)
        raise BackendError(last.removeprefix("Error: ") or silent)
    return result


def _told(line: str) -> dict[str, Any] | None:
    """What a line of the command tells; None for sentences."""
    try:
        told = json.loads(line)
    except ValueError:
        return None
    return told if isinstance(told, dict) and "of" in told else None


def _end(process: subprocess.Popen[str]) -> None:
    try:
        process.wait(_ENDING_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    if process.stdout is not None:
        process.stdout.close()
