"""Images and label maps in the content store, with what is known about them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy.orm import Session

from ufseg.errors import NotFoundError, UfsegError
from ufseg.images.class_table import ClassTable
from ufseg.images.geometry import Geometry
from ufseg.images.image import Image, LabelMap
from ufseg.workspace.database import Database, now
from ufseg.workspace.records import FileRecord
from ufseg.workspace.store import ContentStore
from ufseg.workspace.tables import FileRow
from ufseg.workspace.voxels import channel_hashes


class Files:
    """The image and label files of a workspace."""

    def __init__(self, database: Database, store: ContentStore) -> None:
        self._database = database
        self._store = store

    def temporary(self) -> Path:
        """A path on the workspace's disk for an NRRD file that `add_file` will take."""
        return self._store.temporary(".nrrd")

    def add_file(self, path: Path, sha256: str | None = None) -> FileRecord:
        """Take a finished raw NRRD file from `temporary` into the store, after reading what it holds.

        Args:
            path: the file; its length must fit its header.
            sha256: of its bytes, from whoever wrote them; None computes it.

        Raises:
            ImageError: it cannot be read, has a time axis, or holds NaN or infinity; the file is removed.
            StorageError: the disk is full or cannot be written.
        """
        from ufseg.images.summary import summarise  # SimpleITK is slow to import

        with self._store.unfinished(path):
            with named(path, "The uploaded file"):
                found = summarise(path)
            return self._adopt(path, found.channels, found.dtype, found.geometry, sha256=sha256)

    def voxels(self, sha256: str) -> list[str]:
        """Hashes of an image's channels, by which equal images are found.

        A file is taken in without them: they cost more than all the rest, and label maps never need them.

        Raises:
            NotFoundError: no such file.
            ImageError: the stored file is damaged.
        """
        with self._database.reading() as session:
            self.record(session, sha256)
            known = session.get_one(FileRow, sha256).voxels
        if known is not None:
            return known
        from ufseg.images.reading import read_image  # SimpleITK is slow to import

        return channel_hashes(read_image(self._store.path(sha256)).array)

    def add_image(self, image: Image) -> FileRecord:
        """Store an image as raw NRRD; see `add_file`."""
        from ufseg.images.writing import write_image

        with self._store.unfinished(self.temporary()) as path:
            self._store.require_free(image.array.nbytes)
            with named(path, "The file"):
                write_image(path, image)
            return self._adopt(
                path, image.channels, str(image.array.dtype), image.geometry, channel_hashes(image.array)
            )

    def add_label_map(self, label: LabelMap, classes: ClassTable) -> FileRecord:
        """Store a label map of a task's class values as raw NRRD; see `add_file`."""
        from ufseg.images.writing import write_label_map

        with self._store.unfinished(self.temporary()) as path:
            self._store.require_free(label.array.nbytes)
            with named(path, "The file"):
                write_label_map(path, label, classes)
            return self._adopt(path, 1, str(label.array.dtype), label.geometry)

    def add_written_label(self, path: Path, geometry: Geometry) -> FileRecord:
        """Take over an 8-bit NRRD label map that our own worker wrote on the workspace's disk, without reading it."""
        return self._adopt(path, 1, "uint8", geometry)

    def get(self, sha256: str) -> FileRecord:
        """What is known about a file; raises NotFoundError."""
        with self._database.reading() as session:
            return self.record(session, sha256)

    def path(self, sha256: str) -> Path:
        """Where the file lies; raises NotFoundError."""
        self.get(sha256)
        return self._store.path(sha256)

    def verified(self, sha256: str) -> Path:
        """`path`, after comparing the file's bytes with its hash; raises NotFoundError or DamagedFileError."""
        self.get(sha256)
        return self._store.verified(sha256, ".nrrd")

    @staticmethod
    def record(session: Session, sha256: str) -> FileRecord:
        """`get` within a transaction."""
        row = session.get(FileRow, sha256)
        if row is None:
            raise NotFoundError(f"The workspace has no file {sha256[:80]!r}. Upload it first.")
        return _record(row)

    def _adopt(
        self,
        path: Path,
        channels: int,
        dtype: str,
        geometry: Geometry,
        voxels: list[str] | None = None,
        sha256: str | None = None,
    ) -> FileRecord:
        size = path.stat().st_size
        sha256 = self._store.adopt(path, ".nrrd", sha256)
        with self._database.writing() as session:
            row = session.get(FileRow, sha256)
            if row is None:
                row = FileRow(
                    sha256=sha256,
                    size_bytes=size,
                    channels=channels,
                    dtype=dtype,
                    geometry=geometry.model_dump(mode="json"),
                    voxels=voxels,
                    created=now(),
                )
                session.add(row)
            return _record(row)


@contextmanager
def named(path: Path, name: str) -> Iterator[None]:
    """Say `name` in messages about `path`: people do not know the workspace's own file names."""
    try:
        yield
    except UfsegError as error:
        message = str(error).replace(str(path), name)
        raise type(error)(message[0].upper() + message[1:]) from error


def _record(row: FileRow) -> FileRecord:
    return FileRecord(
        sha256=row.sha256,
        size_bytes=row.size_bytes,
        channels=row.channels,
        dtype=row.dtype,
        geometry=Geometry.model_validate(row.geometry),
    )
