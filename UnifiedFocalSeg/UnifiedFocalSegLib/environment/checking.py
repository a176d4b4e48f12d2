"""Whether the environment can be used."""

from __future__ import annotations

import os
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from UnifiedFocalSegLib.translation import tr as _

from .installed import damaged, describe, records_digest
from .places import Places, python_of
from .records import read_json
from .wanted import Wanted

State = Literal["ready", "missing", "interrupted", "outdated", "damaged"]
_SHOWN = 3


@dataclass(frozen=True)
class Report:
    """What a check found.

    Args:
        state: "ready"; "missing" (never installed), "interrupted" (an installation was broken off), "outdated" (the
            extension was updated since) or "damaged".
        sentence: the same for people, with the next step.
        packages: names of damaged packages; None if it cannot be told which are.
    """

    state: State
    sentence: str
    packages: tuple[str, ...] | None = field(default=())

    @property
    def usable(self) -> bool:
        """Whether a backend can be started from it."""
        return self.state == "ready"


def check(places: Places, wanted: Wanted, deep: bool = False, cancelled: threading.Event | None = None) -> Report:
    """Look at the environment in use; nothing is changed.

    Args:
        places: where it is.
        wanted: what should be in it.
        deep: compare every byte, which takes seconds; otherwise sizes only, for every start.
        cancelled: ends it when set.

    Raises:
        OperationCancelled: `cancelled` was set.
    """
    folder = places.current()
    if folder is None:
        return _not_there(places)
    description = describe(folder)
    incomplete = _(
        "The backend's environment {folder} is incomplete or its Python is gone. Repair the backend."
    ).format(folder=folder)
    if description is None:
        return Report("damaged", incomplete, None if folder.is_dir() else ())
    if records_digest(folder) != description.get("records"):
        return Report(
            "damaged",
            _("Lists of files in the backend's environment {folder} were changed. Repair the backend.").format(
                folder=folder
            ),
            None,
        )
    wrong = damaged(folder, deep, cancelled)
    if not _has_python(folder):
        return Report("damaged", incomplete, tuple(wrong))
    if wrong:
        files = [problem for problems in wrong.values() for problem in problems]
        shown = files[:_SHOWN]
        if len(files) > _SHOWN:
            shown.append(_("and {count} more").format(count=len(files) - _SHOWN))
        sentence = _("The backend's environment is damaged: {files}. Repair the backend.").format(
            files="; ".join(shown)
        )
        return Report("damaged", sentence, tuple(wrong))
    if description.get("wanted") != wanted.digest:
        return Report(
            "outdated",
            _(
                "The backend's environment holds version {there} of another build than this extension's {wanted}. "
                "Install it again; what has not changed is not downloaded anew."
            ).format(there=description.get("version"), wanted=wanted.version),
        )
    sentence = _("The backend is installed in {folder}. {why}").format(folder=folder, why=description.get("why", ""))
    return Report("ready", sentence.strip())


def _has_python(folder: Path) -> bool:
    """Whether the interpreter is there, and the one on this computer that it stands for."""
    try:
        lines = (folder / "pyvenv.cfg").read_text(encoding="utf-8").splitlines()
    except (OSError, ValueError):  # missing or damaged
        return False
    home = next((line.partition("=")[2].strip() for line in lines if line.partition("=")[0].strip() == "home"), "")
    base = Path(home, "python.exe") if os.name == "nt" else Path(home)
    return bool(home) and _is_there(base) and _is_there(python_of(folder))


def _is_there(path: Path) -> bool:
    try:
        path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError:  # there, but not to be looked at, as Pythons from the Microsoft Store may be
        return True
    return True


def _not_there(places: Places) -> Report:
    state = read_json(places.state)
    if state is None:
        return Report("missing", _("The backend is not installed yet. Install it."))
    step, error = state.get("step"), state.get("error")
    if error:
        sentence = _("The installation's step “{step}” failed: {error}").format(step=step, error=error)
    else:
        sentence = _(
            "The installation's step “{step}” was broken off. Install again; what was downloaded is kept."
        ).format(step=step)
    return Report("interrupted", sentence)
