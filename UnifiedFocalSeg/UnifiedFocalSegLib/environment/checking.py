"""Whether the environment can be used."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

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
        packages: names of damaged packages.
    """

    state: State
    sentence: str
    packages: tuple[str, ...] = field(default=())

    @property
    def usable(self) -> bool:
        """Whether a backend can be started from it."""
        return self.state == "ready"


def check(places: Places, wanted: Wanted, deep: bool = False) -> Report:
    """Look at the environment in use; nothing is changed.

    Args:
        places: where it is.
        wanted: what should be in it.
        deep: compare every byte, which takes seconds; otherwise sizes only, for every start.
    """
    folder = places.current()
    if folder is None:
        return _not_there(places)
    description = describe(folder)
    if description is None or not python_of(folder).exists():
        return Report(
            "damaged", f"The backend's environment {folder} is incomplete or its Python is gone. Repair the backend."
        )
    if records_digest(folder) != description.get("records"):
        return Report(
            "damaged", f"Lists of files in the backend's environment {folder} were changed. Repair the backend."
        )
    wrong = damaged(folder, deep)
    if wrong:
        files = [problem for problems in wrong.values() for problem in problems]
        shown = "; ".join(files[:_SHOWN]) + (f"; and {len(files) - _SHOWN} more" if len(files) > _SHOWN else "")
        return Report("damaged", f"The backend's environment is damaged: {shown}. Repair the backend.", tuple(wrong))
    if description.get("wanted") != wanted.digest:
        return Report(
            "outdated",
            f"The backend's environment holds version {description.get('version')} of another build than this "
            f"extension's {wanted.version}. Install it again; what has not changed is not downloaded anew.",
        )
    return Report("ready", f"The backend is installed in {folder}. {description.get('why', '')}".strip())


def _not_there(places: Places) -> Report:
    state = read_json(places.state)
    if state is None:
        return Report("missing", "The backend is not installed yet. Install it.")
    error = state.get("error")
    why = f"failed: {error}" if error else "was broken off. Install again; what was downloaded is kept."
    return Report("interrupted", f"The installation's step “{state.get('step')}” {why}")
