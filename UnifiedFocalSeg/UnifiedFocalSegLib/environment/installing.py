"""Making an environment beside the one in use, and switching to it once it has been seen to work."""

from __future__ import annotations

import os
import shutil
import threading
import time
import uuid
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from UnifiedFocalSegLib.errors import FocalSegError, SetupError
from UnifiedFocalSegLib.translation import tr as _

from . import uv_steps
from .checking import Report, check
from .children import clean_environment
from .gpu import find_gpus
from .installed import DESCRIPTION, describe, records_digest
from .locking import installing
from .places import Places
from .probing import probe
from .progress import Downloads, Listener, Progress, StepProgress
from .records import write_json
from .space import needed_bytes, require_space, words
from .torch_builds import choose
from .uv_program import find_uv
from .wanted import Wanted


@dataclass(frozen=True)
class Options:
    """How to install.

    Args:
        torch: ``"auto"``, or a build: ``"cpu"``, ``"cu130"``, ``"cu126"``.
        wheels: folder with wheel files, looked into before any index.
        offline: use nothing but `wheels` and what was downloaded before.
        python: interpreter of the environment; found, or downloaded by uv, if None.
        needed: bytes that must be free before the start; estimated if None.
        variables: for the programs that are run; this process's own if None.
    """

    torch: str = "auto"
    wheels: Path | None = None
    offline: bool = False
    python: Path | None = None
    needed: int | None = None
    variables: Mapping[str, str] | None = None


def install(
    places: Places,
    wanted: Wanted,
    options: Options | None = None,
    *,
    listener: Listener = lambda _progress: None,
    cancelled: threading.Event | None = None,
) -> Path:
    """Install the backend, or bring it up to date. Blocks: call it from a worker thread.

    It is built in a new folder, tried out and then switched to in one step; a process killed at any instant leaves the
    environment that was in use before, and the next call goes on from what was downloaded.

    Args:
        places: where to.
        wanted: what.
        options: how.
        listener: told of progress, in the caller's thread.
        cancelled: stops it within a second when set.

    Returns:
        The new environment's interpreter.

    Raises:
        SetupError: it cannot be installed, with the cause and the next step.
        OperationCancelled: `cancelled` was set.
    """
    options = options or Options()
    with installing(places):
        attempt = places.environments / f"{wanted.version}-{uuid.uuid4().hex[:8]}"
        run = _Run(places, wanted, options, attempt, listener, cancelled)
        try:
            return run.all_steps()
        except FocalSegError as error:
            run.failed(str(error))
            raise
        except OSError as error:
            sentence = _("{path}: {reason}. Check the disk and its permissions.").format(
                path=error.filename or places.root, reason=error.strerror or error
            )
            run.failed(sentence)
            raise SetupError(
                _("The backend could not be installed in {root}. {why}").format(root=places.root, why=sentence)
            ) from error
        finally:
            if places.current() != attempt:
                shutil.rmtree(attempt, ignore_errors=True)


def repair(
    places: Places,
    wanted: Wanted,
    options: Options | None = None,
    *,
    variables: Mapping[str, str] | None = None,
    listener: Listener = lambda _progress: None,
    cancelled: threading.Event | None = None,
) -> Report:
    """Compare every byte, and build the environment anew without the damaged copies if it is not as wanted.

    One that is missing or out of date is installed.

    Args:
        options: those of the last installation if None.
        variables: of the programs that are run, where `options` is None.

    Returns:
        The check after it.

    Raises:
        SetupError, OperationCancelled: as in `install`.
    """
    report = check(places, wanted, deep=True)
    if report.usable:
        return report
    folder = places.current()
    if options is None:
        options = replace(remembered(None if folder is None else describe(folder)), variables=variables)
    cleaned = clean_environment(options.variables)
    if report.state == "damaged" and places.cache.is_dir():
        # Installed files are hard links to the cache's: what is damaged here is damaged there.
        uv = find_uv(places, cleaned, options.wheels, options.offline, cancelled)
        uv_steps.forget(uv, places, report.packages, cleaned)
    install(places, wanted, options, listener=listener, cancelled=cancelled)
    return check(places, wanted, deep=True)


def remembered(description: dict[str, Any] | None) -> Options:
    """The options an environment was installed with."""
    kept = (description or {}).get("options")
    if not isinstance(kept, dict):
        return Options()
    wheels, python = kept.get("wheels"), kept.get("python")
    return Options(
        torch=str(kept.get("torch", "auto")),
        wheels=Path(wheels) if wheels else None,
        offline=bool(kept.get("offline")),
        python=Path(python) if python else None,
    )


class _Run:
    """One installation."""

    def __init__(
        self,
        places: Places,
        wanted: Wanted,
        options: Options,
        attempt: Path,
        listener: Listener,
        cancelled: threading.Event | None,
    ) -> None:
        self._places, self._wanted, self._options, self._attempt = places, wanted, options, attempt
        self._listener, self._cancelled = listener, cancelled
        self._variables = clean_environment(options.variables)
        self._step = ""
        self._before = places.current()

    def all_steps(self) -> Path:
        """Every step, in order."""
        began = time.monotonic()
        places, options = self._places, self._options
        self._begin(0.0, 0.01, _("looking at this computer"))
        self._tidy()
        choice = choose(find_gpus(), options.torch)
        needed = needed_bytes(places, choice.build) if options.needed is None else options.needed
        stage = _("{why} About {size} in {root}").format(why=choice.why, size=words(needed), root=places.root)
        self._listener(Progress(0.005, stage))
        require_space(places, needed)
        self._begin(0.01, 0.03, _("getting uv"))
        uv = find_uv(places, self._variables, options.wheels, options.offline, self._cancelled)
        tool = uv_steps.Uv(uv, places, self._variables, options.wheels, options.offline, self._cancelled)
        self._begin(0.03, 0.05, _("making the environment"))
        places.environments.mkdir(exist_ok=True)
        tool.make(self._attempt, options.python)
        packages = self._begin(0.05, 0.85, _("installing packages"))
        downloads = Downloads(packages, choice.build.download)
        tool.install_packages(self._attempt, self._wanted, choice.build, downloads.line)
        self._begin(0.85, 0.9, _("installing ufseg"))
        tool.install_backend(self._attempt, self._wanted)
        self._begin(0.9, 0.99, _("trying it out"))
        found = probe(self._attempt, choice.build, self._variables, self._cancelled)
        self._begin(0.99, 1.0, _("switching to it"))
        description = {
            "wanted": self._wanted.digest,
            "version": self._wanted.version,
            "records": records_digest(self._attempt),
            "build": choice.build.name,
            "why": choice.why,
            "found": found,
            "seconds": round(time.monotonic() - began, 1),
            "options": {
                "torch": options.torch,
                "wheels": None if options.wheels is None else str(options.wheels.resolve()),
                "offline": options.offline,
                "python": None if options.python is None else str(options.python),
            },
        }
        return self._switch(description)

    def failed(self, sentence: str) -> None:
        """Leave a note of the failure; a full disk may not even have room for it."""
        with suppress(OSError):
            write_json(self._places.state, {"step": self._step, "error": sentence})

    def _begin(self, start: float, end: float, stage: str) -> StepProgress:
        self._step = stage
        write_json(self._places.state, {"step": stage, "attempt": self._attempt.name, "process": os.getpid()})
        return StepProgress(self._listener, start, end, stage)

    def _tidy(self) -> None:
        """Delete what killed installations left; a backend may still run from the environment in use."""
        if self._places.environments.is_dir():
            for folder in self._places.environments.iterdir():
                if folder != self._before:
                    shutil.rmtree(folder, ignore_errors=True)

    def _switch(self, description: dict[str, Any]) -> Path:
        write_json(self._attempt / DESCRIPTION, description)
        write_json(self._places.pointer, {"environment": self._attempt.name})
        self._places.state.unlink(missing_ok=True)
        python = self._places.python()
        if python is None:
            raise SetupError(
                _("{path} cannot be read back. Check the disk, then install again.").format(path=self._places.pointer)
            )
        self._listener(Progress(1.0, _("ready")))
        return python
