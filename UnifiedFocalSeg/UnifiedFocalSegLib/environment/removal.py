"""Taking the environment away."""

from __future__ import annotations

import shutil
from pathlib import Path

from UnifiedFocalSegLib.errors import SetupError
from UnifiedFocalSegLib.translation import tr as _

from .locking import installing
from .places import Places, long_path
from .running import in_use, take_away
from .space import folder_bytes, words


def remove(places: Places) -> int:
    """Delete everything below the root that an installation made, downloads too; returns the bytes freed.

    Workspaces are elsewhere and stay.

    Raises:
        SetupError: an installation is under way, a backend runs from it, or a file cannot be deleted.
    """
    if not places.root.is_dir():
        return 0
    with installing(places):
        for folder in environments(places):
            if in_use(folder):
                raise SetupError(
                    _(
                        "A backend still runs from {folder}, so nothing was removed. Stop it in every Slicer, wait for "
                        "trainings that go on without one, and remove it again."
                    ).format(folder=folder)
                )
        size = folder_bytes(places.root)
        places.pointer.unlink(missing_ok=True)  # first: from here on nothing is in use
        for folder in (*environments(places), *places.folders):
            take_away(folder)
        leftovers(places)
        places.state.unlink(missing_ok=True)
        places.settings.unlink(missing_ok=True)
        freed = size - folder_bytes(places.root)
        left = [folder for folder in places.folders if folder.exists()]
    if left:
        raise SetupError(
            _(
                "{freed} were removed, but not all of {folder}: a program uses it, or it may not be changed. Close "
                "other programs and remove it again."
            ).format(freed=words(freed), folder=left[0])
        )
    return freed


def environments(places: Places) -> list[Path]:
    """All environments, finished or not."""
    return sorted(places.environments.iterdir()) if places.environments.is_dir() else []


def leftovers(places: Places) -> None:
    """Delete what processes that were killed while they fetched uv or wrote a small file left in the root."""
    for path in places.root.glob("uv.*"):
        if path.is_dir():
            shutil.rmtree(long_path(path), ignore_errors=True)
    for path in places.root.glob("*.json.*.part"):
        path.unlink(missing_ok=True)
