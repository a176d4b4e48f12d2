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
        SetupError: another process holds it, or the folder cannot be written.
    """
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
        while not _lock(stream.fileno()):
            if time.monotonic() > deadline:
                raise SetupError(
                    _("Another process is installing the backend in {root}. Wait for it, or stop it.").format(
                        root=places.root
                    )
                )
            time.sleep(0.05)
        yield


def _lock(descriptor: int) -> bool:
    try:
        if os.name == "nt":
            import msvcrt

            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined]
        else:
            import fcntl

            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:  # somebody else has it
        return False
    return True
