"""Keeping the environment that this program runs from."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path

# Written last by the Slicer module into an environment that it makes.
_DESCRIPTION = Path("ufseg-environment.json")


@contextmanager
def environment_held() -> Iterator[None]:
    """Hold this environment's description open and locked: an update or removal by the Slicer module then leaves it.

    Nothing is held in an environment that the module did not make.
    """
    path = sys.prefix / _DESCRIPTION
    with path.open("rb") if os.access(path, os.R_OK) else nullcontext() as stream:
        if stream is not None and os.name == "posix":
            import fcntl

            with suppress(OSError):  # some network disks have no locks
                fcntl.flock(stream, fcntl.LOCK_SH | fcntl.LOCK_NB)
        yield
