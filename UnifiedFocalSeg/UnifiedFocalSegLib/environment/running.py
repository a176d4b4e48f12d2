"""Environments from which a program still runs: they stay until it has ended."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .installed import DESCRIPTION
from .places import long_path


def in_use(environment: Path) -> bool:
    """Whether a program of the environment runs; each holds the description, as ``ufseg.cli.holding`` says."""
    with _claimed(environment) as free:
        return not free


def take_away(environment: Path) -> bool:
    """Delete an environment unless it is in use; returns whether it is gone."""
    with _claimed(environment) as free:
        if free:
            shutil.rmtree(long_path(environment), ignore_errors=True)
    return not environment.exists()


@contextmanager
def _claimed(environment: Path) -> Iterator[bool]:
    path = environment / DESCRIPTION
    if not path.is_file():  # half made
        yield True
    elif os.name == "nt":
        # A file that is open cannot be renamed.
        aside = path.with_name(f"{DESCRIPTION}.aside")
        try:
            path.rename(aside)
        except PermissionError:
            yield False
            return
        try:
            yield True
        finally:
            if aside.exists():
                aside.rename(path)
    else:
        import fcntl

        with path.open("r+b") as stream:  # on network disks, this lock needs a file that is open for writing
            try:
                fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                yield False
                return
            yield True
