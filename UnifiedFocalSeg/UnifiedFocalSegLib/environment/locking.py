"""Only one installation at a time."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager

from UnifiedFocalSegLib.errors import SetupError

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
            f"The folder {places.root} cannot be written ({error.strerror or error}). Choose another one."
        ) from error
    with stream:
        deadline = time.monotonic() + _PATIENCE_SECONDS
        while not _lock(stream.fileno()):
            if time.monotonic() > deadline:
                raise SetupError(
                    f"Another process is installing the backend in {places.root}. Wait for it, or stop it."
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
