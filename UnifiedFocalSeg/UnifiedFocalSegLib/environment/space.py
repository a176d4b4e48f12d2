"""How much disk an installation takes, and whether it is there."""

from __future__ import annotations

import shutil
from pathlib import Path

from UnifiedFocalSegLib.errors import SetupError
from UnifiedFocalSegLib.translation import tr as _

from .places import Places
from .torch_builds import TorchBuild


def needed_bytes(places: Places, build: TorchBuild) -> int:
    """Bytes that an installation adds; packages of an earlier one are shared with it through uv's cache."""
    return max(int(0.1 * build.installed), int(1.1 * build.installed) - folder_bytes(places.cache))


def require_space(places: Places, needed: int) -> None:
    """Check before anything is downloaded.

    Raises:
        SetupError: with the numbers and the folder, if the disk has less than `needed` bytes.
    """
    free = free_bytes(places.root)
    if free < needed:
        raise SetupError(
            _(
                "The backend's environment needs about {needed} in {root}, and {free} are free. "
                "Free some space, or choose another folder."
            ).format(needed=words(needed), root=places.root, free=words(free))
        )


def free_bytes(folder: Path) -> int:
    """Free bytes of the disk on which a folder is or would be.

    Raises:
        SetupError: there is no such disk (any more), or it cannot be looked at.
    """
    try:
        there = next((path for path in (folder, *folder.parents) if path.exists()), None)
        if there is not None:
            return shutil.disk_usage(there).free
        reason = _("no such disk")
    except OSError as error:
        reason = error.strerror or str(error)
    raise SetupError(
        _("The folder {folder} cannot be used ({reason}). Connect its disk, or choose another folder.").format(
            folder=folder, reason=reason
        )
    )


def folder_bytes(folder: Path) -> int:
    """Bytes that the files of a folder take, each hard link once; 0 if there is no such folder."""
    seen: dict[tuple[int, int], int] = {}
    for path in folder.rglob("*"):
        try:
            entry = path.lstat()
        except FileNotFoundError:  # uv's temporary files come and go
            continue
        if path.is_file() and not path.is_symlink():
            seen[(entry.st_dev, entry.st_ino)] = entry.st_size
    return sum(seen.values())


def words(size: int) -> str:
    """A size for people."""
    if size >= 1e8:
        return _("{size:.1f} GB").format(size=size / 1e9)
    return _("{size:.1f} MB").format(size=size / 1e6)
