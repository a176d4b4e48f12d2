"""Writing that survives a power cut, and full disks in words."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from ufseg.errors import StorageError

PRIVATE = 0o700
"""Permissions of a folder that only its owner may look into."""
_FULL = {errno.ENOSPC, errno.EDQUOT} if hasattr(errno, "EDQUOT") else {errno.ENOSPC}
_DENIED = {errno.EACCES, errno.EPERM, errno.EROFS}


def free_bytes(folder: Path) -> int:
    """Bytes that can still be written on the disk of `folder`."""
    return shutil.disk_usage(folder).free


def full_disk(folder: Path, needed: int | None) -> StorageError:
    """The error of a disk without room for `needed` bytes (None where unknown)."""
    what = f"{needed} bytes" if needed is not None else "a few more bytes"
    return StorageError(
        f"The workspace's disk is full: {what} are needed and {free_bytes(folder)} bytes are free. "
        "Nothing that was saved before is affected. Free some space and try again."
    )


def require_free(folder: Path, needed: int) -> None:
    """Raise StorageError if the disk of `folder` has no room for `needed` bytes."""
    if free_bytes(folder) < needed:
        raise full_disk(folder, needed)


@contextmanager
def storage_errors(folder: Path, needed: int | None = None) -> Iterator[None]:
    """Turn a failing write under `folder` into a StorageError that says why; other errors pass."""
    try:
        yield
    except OSError as error:
        if error.errno in _FULL:
            raise full_disk(folder, needed) from error
        if error.errno in _DENIED:
            raise StorageError(
                f"The workspace {folder} cannot be written ({error.strerror}). Check the folder's permissions and "
                "whether its disk is mounted read-only."
            ) from error
        if error.errno == errno.EIO:
            raise StorageError(
                f"The disk of the workspace {folder} reported an input/output error. Check the disk, and copy the "
                "workspace to another one."
            ) from error
        raise


def discard(path: Path) -> None:
    """Remove a file that is of no use any more, if its disk still allows it.

    For the way out of a failure, which must be what is heard of; what stays goes when a service starts.
    """
    with suppress(OSError):
        path.unlink(missing_ok=True)


def sync_file(path: Path) -> None:
    """Wait until the bytes of `path` are on the disk."""
    descriptor = os.open(path, os.O_RDWR | getattr(os, "O_BINARY", 0))
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sync_folder(folder: Path) -> None:
    """Wait until the names in `folder` are on the disk (Windows has no such call and journals them itself)."""
    if os.name == "nt":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def others_may_enter(folder: Path) -> bool:
    """Whether every user of this computer may look into a folder that is there (False on Windows, which inherits)."""
    return os.name == "posix" and bool(folder.stat().st_mode & 0o007)


def make_folder(folder: Path, mode: int = 0o777) -> None:
    """Make a folder with those above it, so that the names of all of them are on the disk.

    Args:
        folder: made if absent; one that is there keeps its permissions.
        mode: its permissions, of which the process's umask takes some.
    """
    missing = [path for path in (folder, *folder.parents) if not path.exists()]
    folder.mkdir(mode, parents=True, exist_ok=True)
    for path in missing:
        sync_folder(path.parent)
