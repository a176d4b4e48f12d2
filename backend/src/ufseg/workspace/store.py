"""Files named by their content: written once, never changed."""

from __future__ import annotations

import hashlib
import os
import re
import secrets
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from ufseg.errors import NotFoundError, StorageError
from ufseg.workspace.disk import make_folder, require_free, storage_errors, sync_file, sync_folder

SUFFIXES = (".nrrd", ".safetensors", ".json")
# Room for a header and for the database to note the file.
_HEADER_BYTES = 64 << 10
# Nobody takes that long between two writes to a file.
ABANDONED_SECONDS = 3600.0
"""Half-written files that nobody has added to for so long are removed."""
_SHA256 = re.compile(r"[0-9a-f]{64}\Z")
_STORED = re.compile(rf"([0-9a-f]{{2}})/([0-9a-f]{{62}})({'|'.join(map(re.escape, SUFFIXES))})\Z")


def sha256_of(path: Path) -> str:
    """Hex digest of a file's bytes."""
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while block := stream.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


class DamagedFileError(StorageError):
    """A file's bytes are not those that its name promises."""


@dataclass(frozen=True, order=True)
class StoredFile:
    """A file by what it is to hold: `sha256` of its bytes and its `suffix`."""

    sha256: str
    suffix: str

    @property
    def name(self) -> str:
        """Where it lies below a workspace, with slashes."""
        return f"files/{self.sha256[:2]}/{self.sha256[2:]}{self.suffix}"


class ContentStore:
    """Files under ``files/ab/cdef….suffix`` of a workspace; `incoming` holds what is not finished.

    Args:
        folder: the workspace.
    """

    def __init__(self, folder: Path) -> None:
        self._files = folder / "files"
        self._incoming = folder / "incoming"
        for path in (self._files, self._incoming):
            with storage_errors(folder):
                make_folder(path)
        self._folder = folder

    def temporary(self, suffix: str) -> Path:
        """A new path, on the store's disk, to write a file to before `adopt`."""
        return self._incoming / f"{secrets.token_hex(12)}{suffix}"

    @contextmanager
    def unfinished(self, path: Path) -> Iterator[Path]:
        """Remove `path`, from `temporary`, at the end of the block; failing writes in it become StorageErrors."""
        with storage_errors(self._folder):
            try:
                yield path
            finally:
                path.unlink(missing_ok=True)

    def require_free(self, size: int) -> None:
        """Raise StorageError if the disk has no room for a file with `size` bytes of content."""
        require_free(self._folder, size + _HEADER_BYTES)

    def discard_unfinished(self) -> None:
        """Remove what ended processes left half written: another one, such as an import, may be writing right now.

        Files whose names agree up to the first dot belong together: the one written last says how old all of them are.
        """
        written: dict[str, float] = {}
        paths = list(self._incoming.iterdir())
        for path in paths:
            with suppress(FileNotFoundError):  # its writer has just finished it
                name = path.name.partition(".")[0]
                written[name] = max(written.get(name, 0.0), path.lstat().st_mtime)
        before = time.time() - ABANDONED_SECONDS
        for path in paths:
            if written.get(path.name.partition(".")[0], before) < before:
                if path.is_dir() and not path.is_symlink():  # of a backup or repair that was killed
                    shutil.rmtree(path, ignore_errors=True)
                else:
                    path.unlink(missing_ok=True)

    def adopt(self, path: Path, suffix: str, digest: str | None = None) -> str:
        """Move a finished file into the store; when this returns it survives a power cut.

        Args:
            path: a file on the store's disk, such as one from `temporary`; it is gone afterwards.
            suffix: one of `SUFFIXES`.
            digest: the sha256 of its bytes, from whoever wrote them; None computes it.

        Returns:
            The sha256 of its bytes.

        Raises:
            StorageError: the disk is full or cannot be written.
        """
        digest = digest or sha256_of(path)
        target = self._path(digest, suffix)
        size = path.stat().st_size
        with storage_errors(self._folder, size):
            # One that was damaged since must not pass for what was handed over just now.
            if target.exists() and target.stat().st_size == size and sha256_of(target) == digest:
                path.unlink()
            else:
                sync_file(path)
                target.parent.mkdir(exist_ok=True)
                os.replace(path, target)
            # Also where the file was there already: whoever put it there may not have come this far.
            sync_folder(target.parent)
            sync_folder(self._files)
        return digest

    def add_bytes(self, content: bytes, suffix: str) -> str:
        """Store `content`; see `adopt`."""
        with self.unfinished(self.temporary(suffix)) as path:
            with storage_errors(self._folder, len(content)):
                path.write_bytes(content)
            return self.adopt(path, suffix)

    def present(self) -> tuple[set[StoredFile], list[str]]:
        """What lies under ``files``, by its names: stored files, and paths of things that have no place there."""
        stored, strangers = set(), []
        for path in self._files.rglob("*"):
            if not path.is_dir():
                name = path.relative_to(self._files).as_posix()
                if match := _STORED.match(name):
                    stored.add(StoredFile(match[1] + match[2], match[3]))
                else:
                    strangers.append(f"files/{name}")
        return stored, sorted(strangers)

    def place(self, file: StoredFile) -> Path:
        """Where a file lies or would lie."""
        return self._path(file.sha256, file.suffix)

    def add_copy(self, source: Path, file: StoredFile) -> None:
        """Put a copy of `source` into the store as `file`, in place of what may lie there.

        Raises:
            DamagedFileError: the bytes of `source` are others; nothing was changed.
            StorageError: the disk is full or cannot be written.
        """
        size = source.stat().st_size
        with self.unfinished(self.temporary(file.suffix)) as copy:
            digest = hashlib.sha256()
            with storage_errors(self._folder, size), source.open("rb") as old, copy.open("wb") as new:
                while block := old.read(1 << 20):
                    digest.update(block)
                    new.write(block)
            if digest.hexdigest() != file.sha256:
                raise DamagedFileError(
                    f"The file {source} is damaged: its content has the hash {digest.hexdigest()}, not {file.sha256}. "
                    "Restore it from a backup of the workspace."
                )
            target = self.place(file)
            with storage_errors(self._folder, size):
                sync_file(copy)
                target.parent.mkdir(exist_ok=True)
                os.replace(copy, target)
                sync_folder(target.parent)
                sync_folder(self._files)

    def path(self, sha256: str, suffix: str = ".nrrd") -> Path:
        """Where the file of this hash lies.

        Raises:
            NotFoundError: there is none, or `sha256` is no hash.
        """
        if not _SHA256.match(sha256):
            raise NotFoundError(f"{sha256[:80]!r} is not a file hash: 64 hexadecimal digits are expected.")
        path = self._path(sha256, suffix)
        if not path.is_file():
            raise NotFoundError(f"The workspace has no {suffix[1:]} file {sha256}. Upload it first.")
        return path

    def verified(self, sha256: str, suffix: str) -> Path:
        """`path`, after comparing the file's bytes with its hash.

        Raises:
            DamagedFileError: the bytes have changed since they were stored.
        """
        path = self.path(sha256, suffix)
        found = sha256_of(path)
        if found != sha256:
            raise DamagedFileError(
                f"The stored file {sha256}{suffix} is damaged: its content now has the hash {found}. "
                "Restore this file from a backup of the workspace: 'ufseg workspace repair --from BACKUP'."
            )
        return path

    def _path(self, sha256: str, suffix: str) -> Path:
        if suffix not in SUFFIXES:
            raise ValueError(f"the store keeps {', '.join(SUFFIXES)} files, not {suffix!r}")
        return self._files / sha256[:2] / f"{sha256[2:]}{suffix}"
