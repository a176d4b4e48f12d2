"""Only one installation at a time."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager

from UnifiedFocalSegLib.errors import SetupError
from UnifiedFocalSegLib.translation import tr as _

from .places import Places

# A child that a killed process was just starting holds the lock until it has become another program.
_PATIENCE_SECONDS = 1.5


@contextmanager
def installing(places: Places) -> Iterator[None]:
    """Hold the lock of an installation; the operating system frees it when the process ends, however it does.

    Raises:
        SetupError: another process holds it, the folder cannot be written, or it holds folders of somebody else.
    """
    _require_own(places)
    try:
        places.root.mkdir(parents=True, exist_ok=True)
        stream = places.lock.open("a+b")
    except OSError as error:
        raise SetupError(
            _("The folder {root} cannot be written ({reason}). Choose another one.").format(
                root=places.root, reason=error.strerror or error
            )
        ) from error
    with stream:
        deadline = time.monotonic() + _PATIENCE_SECONDS
        while not _lock(places, stream.fileno()):
            if time.monotonic() > deadline:
                raise SetupError(
                    _("Another process is installing the backend in {root}. Wait for it, or stop it.").format(
                        root=places.root
                    )
                )
            time.sleep(0.05)
        yield


def _require_own(places: Places) -> None:
    """What lies in these folders is deleted some day: they must not have been there before."""
    if any(path.exists() for path in (places.lock, places.pointer, places.state)):
        return
    for folder in places.folders:
        if folder.exists():
            raise SetupError(
                _(
                    "{folder} is there already and is not the backend's. Choose an empty folder instead of {root}."
                ).format(folder=folder, root=places.root)
            )


def _lock(places: Places, descriptor: int) -> bool:
    try:
        if os.name == "nt":
            import msvcrt

            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined]
        else:
            import fcntl

            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError):  # somebody else has it
        return False
    except OSError as error:  # some network disks
        raise SetupError(
            _("Files in {root} cannot be locked ({reason}). Choose a folder on a disk of this computer.").format(
                root=places.root, reason=error.strerror or error
            )
        ) from error
    return True
