"""Making an environment beside the one in use, and switching to it once it has been seen to work."""

from __future__ import annotations

import os
import shutil
import threading
import time
import uuid
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from UnifiedFocalSegLib.errors import FocalSegError, SetupError
from UnifiedFocalSegLib.translation import tr as _

from . import uv_steps
from .checking import Report, check
from .children import clean_environment
from .gpu import find_gpus
from .installed import DESCRIPTION, damaged, describe, records_digest
from .locking import installing
from .options import Options, from_anywhere, kept, remembered
from .places import Places, long_path
from .probing import probe
from .progress import Downloads, Listener, Progress, StepProgress
from .records import write_json
from .removal import environments, leftovers
from .running import take_away
from .space import needed_bytes, require_space, words
from .torch_builds import BUILDS, CPU, choose
from .uv_program import find_uv
from .wanted import Wanted


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
    return _install(places, wanted, options or Options(), listener, cancelled, damage=())


def _install(
    places: Places,
    wanted: Wanted,
    options: Options,
    listener: Listener,
    cancelled: threading.Event | None,
    damage: tuple[str, ...] | None,
) -> Path:
    """`install`; the copies of the packages in `damage`, all if None, are taken out of the cache before it."""
    with installing(places):
        attempt = places.environments / f"{wanted.version}-{uuid.uuid4().hex[:8]}"
        run = _Run(places, wanted, from_anywhere(options), attempt, listener, cancelled)
        try:
            return run.all_steps(damage)
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
                shutil.rmtree(long_path(attempt), ignore_errors=True)


def repair(
    places: Places,
    wanted: Wanted,
    options: Options | None = None,
    *,
    variables: Mapping[str, str] | None = None,
    listener: Listener = lambda _progress: None,
    cancelled: threading.Event | None = None,
) -> Report:
    """Compare every byte and try it out; if it is not as wanted, build it anew without the damaged copies.

    One that is missing or out of date is installed.

    Args:
        options: those of the last installation if None, even if that was broken off.
        variables: of the programs that are run, where `options` is None.

    Returns:
        The check after it.

    Raises:
        SetupError, OperationCancelled: as in `install`.
    """
    if places.current() is not None:
        listener(Progress(0.0, _("looking for damage")))
    report = check(places, wanted, deep=True, cancelled=cancelled)
    if options is None:
        options = replace(remembered(places), variables=variables)
    if report.usable and _works(places, options, cancelled):
        return report
    # Installed files are hard links to the cache's: what is damaged here is damaged there.
    damage = report.packages if report.state == "damaged" else ()
    _install(places, wanted, options, listener, cancelled, damage)
    return check(places, wanted, deep=True, cancelled=cancelled)


def _works(places: Places, options: Options, cancelled: threading.Event | None) -> bool:
    """Whether the environment in use can be computed with; its files may be whole and its Python or driver not."""
    folder = places.current()
    if folder is None:
        return False
    build = BUILDS.get(str((describe(folder) or {}).get("build")), CPU)
    try:
        probe(folder, build, clean_environment(options.variables), cancelled)
    except SetupError:  # installing it anew says why, if that does not help either
        return False
    return True


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

    def all_steps(self, damage: tuple[str, ...] | None) -> Path:
        """Every step, in order; packages in `damage`, all if None, are not taken from the cache."""
        began = time.monotonic()
        places, options = self._places, self._options
        self._begin(0.0, 0.01, _("looking at this computer"))
        self._tidy()
        if options.wheels is not None and not options.wheels.is_dir():
            raise SetupError(
                _("The folder of wheel files {folder} is not there. Connect its disk, or choose another one.").format(
                    folder=options.wheels
                )
            )
        choice = choose(find_gpus(), options.torch)
        needed = needed_bytes(places, choice.build) if options.needed is None else options.needed
        stage = _("{why} About {size} in {root}").format(why=choice.why, size=words(needed), root=places.root)
        self._listener(Progress(0.005, stage))
        require_space(places, needed)
        self._begin(0.01, 0.03, _("getting uv"))
        uv = find_uv(places, self._variables, options.wheels, options.offline, self._cancelled)
        tool = uv_steps.Uv(uv, places, self._variables, options.wheels, options.offline, self._cancelled)
        tool.forget(damage)
        self._begin(0.03, 0.05, _("making the environment"))
        places.environments.mkdir(exist_ok=True)
        tool.make(self._attempt, options.python)
        packages = self._begin(0.05, 0.85, _("installing packages"))
        downloads = Downloads(packages, choice.build.download)
        tool.install_packages(self._attempt, self._wanted, choice.build, downloads.line)
        if spoilt := damaged(self._attempt, deep=False, cancelled=self._cancelled):
            # The cache was damaged, by way of a hard link or a power cut.
            tool.forget(spoilt)
            shutil.rmtree(long_path(self._attempt))
            tool.make(self._attempt, options.python)
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
            "options": kept(options),
        }
        return self._switch(description)

    def failed(self, sentence: str) -> None:
        """Leave a note of the failure; a full disk may not even have room for it."""
        with suppress(OSError):
            write_json(self._places.state, {"step": self._step, "error": sentence, "options": kept(self._options)})

    def _begin(self, start: float, end: float, stage: str) -> StepProgress:
        self._step = stage
        state = {"step": stage, "attempt": self._attempt.name, "process": os.getpid(), "options": kept(self._options)}
        write_json(self._places.state, state)
        return StepProgress(self._listener, start, end, stage)

    def _tidy(self) -> None:
        """Delete what killed and earlier installations left, but nothing that a backend runs or may be started from."""
        for folder in environments(self._places):
            if folder != self._before:
                take_away(folder)
        leftovers(self._places)

    def _switch(self, description: dict[str, Any]) -> Path:
        write_json(self._attempt / DESCRIPTION, description)
        if os.name == "posix":
            os.sync()  # else a power cut could leave a pointer to files without content
        write_json(self._places.pointer, {"environment": self._attempt.name, "options": kept(self._options)})
        self._places.state.unlink(missing_ok=True)
        python = self._places.python()
        if python is None:
            raise SetupError(
                _("{path} cannot be read back. Check the disk, then install again.").format(path=self._places.pointer)
            )
        self._listener(Progress(1.0, _("ready")))
        return python
