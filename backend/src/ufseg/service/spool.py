"""A folder in memory through which programs of this machine hand over files without sending them."""

from __future__ import annotations

import os
import re
import secrets
import shutil
import stat
import tempfile
from pathlib import Path

from ufseg.errors import InputError, NotFoundError

_NAME = re.compile(r"[0-9A-Za-z][0-9A-Za-z_-]{0,63}(\.nrrd)?\Z")
_PREFIX = "ufseg-spool-"
_MEMORY = Path("/dev/shm")


class Spool:
    """A private folder, in memory where the system has such a disk; removed by `close`.

    Whoever may write into it is this user, so that a file in it is as trusted as one that is sent with the token; what
    is taken is still only a plain file of this user directly in the folder, named without any path.
    """

    def __init__(self) -> None:
        in_memory = os.name == "posix" and _MEMORY.is_dir() and os.access(_MEMORY, os.W_OK)
        root = _MEMORY if in_memory else Path(tempfile.gettempdir())
        _remove_abandoned(root)
        self.folder = Path(tempfile.mkdtemp(prefix=f"{_PREFIX}{os.getpid()}-", dir=root))  # mode 0700

    def close(self) -> None:
        """Remove the folder with all that is in it."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def take(self, name: str) -> Path:
        """Take a file out of the reach of its name; returns its new path, which the caller removes.

        Raises:
            InputError: the name is a path, or the file is a link, no plain file, or somebody else's.
            NotFoundError: there is no such file.
        """
        if not _NAME.match(name):
            raise InputError(
                f"{name[:80]!r} cannot be the name of a file in the spool folder. Use letters, digits, - and _, "
                "and the ending .nrrd."
            )
        source = self.folder / name
        taken = self.folder / f".taken-{secrets.token_hex(12)}.nrrd"
        try:
            os.rename(source, taken)
        except FileNotFoundError as error:
            raise NotFoundError(f"The spool folder has no file {name!r}. Write it there first.") from error
        # Of the file under its new name, which nobody was told.
        found = taken.lstat()
        owned = not hasattr(os, "geteuid") or found.st_uid == os.geteuid()
        if not stat.S_ISREG(found.st_mode) or found.st_nlink != 1 or not owned:
            shutil.rmtree(taken) if stat.S_ISDIR(found.st_mode) else taken.unlink()
            raise InputError(
                f"{name!r} in the spool folder is not a plain file of the user who runs the service (a link, a folder "
                "or another user's). Write the image itself there."
            )
        return taken

    def lend(self, source: Path) -> str:
        """Put a copy of a file there for another program, which removes it; returns its name."""
        name = f"{secrets.token_hex(16)}.nrrd"
        shutil.copyfile(source, self.folder / name)
        return name


def open_taken(path: Path) -> int:
    """A descriptor for reading a file from `Spool.take`; never of what a link points to."""
    return os.open(path, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0))


def _remove_abandoned(root: Path) -> None:
    """Remove the folders of services that were killed: what is in memory would stay there."""
    for folder in root.glob(f"{_PREFIX}*"):
        number = folder.name.removeprefix(_PREFIX).partition("-")[0]
        if number.isdecimal() and not _lives(int(number)) and folder.is_dir() and not folder.is_symlink():
            shutil.rmtree(folder, ignore_errors=True)  # another user's cannot be removed, and need not


def _lives(pid: int) -> bool:
    if os.name != "posix":
        return True  # such a question would end the process there
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
