"""Taking the environment away."""

from __future__ import annotations

import shutil

from .locking import installing
from .places import Places
from .space import folder_bytes


def remove(places: Places) -> int:
    """Delete everything below the root that an installation made, downloads too; returns the bytes freed.

    Workspaces are elsewhere and stay.

    Raises:
        SetupError: an installation is under way, or a file is in use.
    """
    if not places.root.is_dir():
        return 0
    with installing(places):
        size = folder_bytes(places.root)
        places.pointer.unlink(missing_ok=True)  # first: from here on nothing is in use
        for folder in (places.environments, places.uv, places.cache, places.pythons):
            shutil.rmtree(folder, ignore_errors=True)
        places.state.unlink(missing_ok=True)
    return size - folder_bytes(places.root)
