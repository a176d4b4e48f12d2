"""Mending a damaged workspace without deleting anything."""

from __future__ import annotations

import os
import tempfile
from contextlib import closing
from datetime import datetime, timezone
from pathlib import Path

from sqlalchemy import insert, select
from sqlalchemy.orm import Session

from ufseg.errors import ImageError, StorageError
from ufseg.progress import ProgressCallback, ignore_progress
from ufseg.workspace import audit, protection
from ufseg.workspace.checking import CheckReport, check_workspace, damaged_model_folders, require_workspace
from ufseg.workspace.database import Database, now
from ufseg.workspace.disk import storage_errors, sync_file, sync_folder
from ufseg.workspace.location import read_marker
from ufseg.workspace.lock import WorkspaceLock
from ufseg.workspace.records import AuditAction, Record
from ufseg.workspace.references import needed_files
from ufseg.workspace.rows import add_missing
from ufseg.workspace.salvage import damage, identity_of, salvage
from ufseg.workspace.sqlite import FILE, copy_database, database_files
from ufseg.workspace.store import ContentStore, StoredFile, sha256_of
from ufseg.workspace.tables import CaseImageRow, FileRow, RevisionRow
from ufseg.workspace.voxels import channel_hashes
from ufseg.workspace.workspace import Workspace

_REBUILT = "rebuilt.sqlite"


class RepairReport(Record):
    """What a repair did: a sentence for each step, and the check afterwards."""

    done: tuple[str, ...]
    check: CheckReport


class _Diary:
    """What a repair does: sentences for its report, and entries of the audit log."""

    def __init__(self) -> None:
        self.sentences: list[str] = []
        self._entries: list[tuple[AuditAction, str | None]] = []

    def did(self, action: AuditAction, subject: str | None, sentence: str) -> None:
        """Note a deed; `subject` is a file's or a version's id, None is the workspace itself."""
        self.sentences.append(sentence)
        self._entries.append((action, subject))

    def write(self, workspace: Workspace) -> None:
        """Put what was not written yet into the audit log."""
        if self._entries:
            with workspace.database.writing() as session:
                for action, subject in self._entries:
                    audit.append(session, action, subject or workspace.database.workspace_id)
            self._entries.clear()


class _Quarantine:
    """A folder for what was damaged; made when something is put into it."""

    def __init__(self, folder: Path) -> None:
        self._workspace = folder
        self.folder = folder / "quarantine" / f"{datetime.now(timezone.utc):%Y%m%dT%H%M%S%f}"

    def take(self, path: Path) -> None:
        """Move a file or folder of the workspace here, under the same path."""
        target = self.folder / path.relative_to(self._workspace)
        with storage_errors(self._workspace):
            target.parent.mkdir(parents=True, exist_ok=True)
            os.replace(path, target)
            sync_folder(target.parent)
            sync_folder(path.parent)


def repair_folder(
    folder: Path,
    database: str | None = None,
    backup: Path | None = None,
    progress: ProgressCallback = ignore_progress,
) -> RepairReport:
    """Mend what can be mended; what was damaged is moved to ``quarantine`` and never deleted.

    What was done is in the audit log, too.

    Args:
        folder: the workspace; no service may be running on it.
        database: see `Workspace`.
        backup: a backup of it, from which files and records are restored; None uses only what is in the workspace.
        progress: is told about the check at the end.

    Raises:
        ConflictError: a service is running on the workspace.
        StorageError: there is no workspace, the backup is none, or nothing is left of the database.
    """
    folder = require_workspace(folder)
    source = None if backup is None else require_workspace(backup)
    lock = WorkspaceLock(folder)
    try:
        quarantine = _Quarantine(folder)
        diary = _Diary()
        marker = read_marker(folder)
        if database is None and marker is None:
            _mend_database(folder, source, quarantine, diary)
        elif marker is None and source is not None:
            # A server's database was lost; an empty one takes its place.
            with closing(Database(source)) as records:
                workspace_id = records.workspace_id
            Database(folder, database, lost=workspace_id).close()
        with Workspace(folder, database) as workspace:
            _mend_records(workspace, source, diary)
            diary.write(workspace)  # not before the backup's entries have their numbers back
            _mend_files(workspace, source, quarantine, diary)
            _add_file_records(workspace, diary)
            _mend_model_folders(workspace, quarantine, diary)
            diary.write(workspace)
            return RepairReport(done=tuple(diary.sentences), check=check_workspace(workspace, progress))
    finally:
        lock.release()


def _mend_database(folder: Path, backup: Path | None, quarantine: _Quarantine, diary: _Diary) -> None:
    path, rebuilt = folder / FILE, folder / _REBUILT
    if not path.exists() and rebuilt.exists() and damage(rebuilt) is None:
        # A repair was ended between its last two steps.
        _put_in_place(folder, quarantine, diary)
        return
    reason = damage(path) if path.exists() else "the file is missing"
    if reason is None:
        return
    if rebuilt.exists():
        quarantine.take(rebuilt)
    if path.exists():
        with tempfile.TemporaryDirectory(prefix="rebuilt-", dir=_incoming(folder)) as name:
            read = salvage(path, Path(name), None if backup is None else identity_of(backup / FILE, path))
            copy_database(Path(name) / FILE, rebuilt)
        count = sum(read[table] for table in ("tasks", "cases", "label_revisions", "model_versions", "promotions"))
        if count:
            said = f"The database was damaged ({reason}); {count} records in it could still be read."
            diary.sentences.append(said)
            _put_in_place(folder, quarantine, diary)
            return
        rebuilt.unlink()
    if backup is None:
        raise StorageError(
            f"Of the database {path} nothing can be read ({reason}). Give a backup: 'ufseg workspace repair --from "
            "BACKUP'. Nothing was changed."
        )
    with tempfile.TemporaryDirectory(prefix="rebuilt-", dir=_incoming(folder)) as name:
        copy_database(backup / FILE, Path(name) / FILE)
        Database(Path(name)).close()  # brings an older one up to date
        copy_database(Path(name) / FILE, rebuilt)
    said = (
        f"Of the database nothing could be read ({reason}), so that of the backup {backup} was put in its place. "
        "What was recorded after the backup is missing."
    )
    diary.sentences.append(said)
    _put_in_place(folder, quarantine, diary)


def _put_in_place(folder: Path, quarantine: _Quarantine, diary: _Diary) -> None:
    sync_file(folder / _REBUILT)
    moved = database_files(folder)
    for path in moved:  # the database itself first: without it, the next repair knows how far this one came
        quarantine.take(path)
    os.replace(folder / _REBUILT, folder / FILE)
    sync_folder(folder)
    if moved:
        diary.sentences.append(f"The damaged database is kept in {quarantine.folder}.")
    diary.did("database rebuilt", None, "A rebuilt database is in use.")


def _incoming(folder: Path) -> Path:
    ContentStore(folder)
    return folder / "incoming"


def _mend_records(workspace: Workspace, backup: Path | None, diary: _Diary) -> None:
    with workspace.database.writing() as session:
        missing = protection.missing_triggers(session.connection())
        protection.install(session.connection())
    if missing:
        said = f"The protection of the database's history was put back: {', '.join(missing)}."
        diary.did("protection restored", None, said)
    if backup is None:
        return
    with tempfile.TemporaryDirectory(prefix="rebuilt-", dir=_incoming(workspace.folder)) as name:
        copy_database(backup / FILE, Path(name) / FILE)
        with closing(Database(Path(name))) as records:
            if records.workspace_id != workspace.database.workspace_id:
                diary.sentences.append(f"No records were taken from {backup}, which is a backup of another workspace.")
                return
            with records.reading() as source, workspace.database.writing() as target:
                added, refused = add_missing(source, target)
    if added:
        counts = ", ".join(f"{count} in {table}" for table, count in added.items())
        diary.did("records restored", None, f"Records that had been lost were restored from the backup: {counts}.")
    diary.sentences.extend(refused)


def _mend_files(workspace: Workspace, backup: Path | None, quarantine: _Quarantine, diary: _Diary) -> None:
    with workspace.database.reading() as session:
        needed = needed_files(session)
    present, _ = workspace.store.present()
    for file in sorted(present):
        path = workspace.store.place(file)
        if not _is_whole(path, file):
            quarantine.take(path)
            present.discard(file)
            said = f"The damaged file {file.name} was moved to {quarantine.folder}."
            diary.did("file set aside", file.sha256, said)
            diary.write(workspace)
    for file in sorted(set(needed) - present):
        for candidate in _candidates(workspace, backup, file):
            if _is_whole(candidate, file):
                workspace.store.add_copy(candidate, file)
                said = f"The file {file.name}, {needed[file]}, was restored from {candidate}."
                diary.did("file restored", file.sha256, said)
                diary.write(workspace)
                break
        else:
            where = "" if backup is None else f" nor in the backup {backup}"
            said = f"The file {file.name}, {needed[file]}, was found neither in the workspace{where}."
            diary.sentences.append(said)


def _candidates(workspace: Workspace, backup: Path | None, file: StoredFile) -> list[Path]:
    """Where a good copy may be: the backup, the workers' copies, what was put aside or not finished."""
    folder = workspace.folder
    found = [] if backup is None else [backup / file.name]
    if file.suffix != ".nrrd":
        found += folder.glob(f"models/*/*{file.suffix}")
    found += folder.glob(f"quarantine/*/{file.name}")
    found += folder.glob(f"incoming/*{file.suffix}")
    return [path for path in found if path.is_file()]


def _is_whole(path: Path, file: StoredFile) -> bool:
    try:
        return sha256_of(path) == file.sha256
    except OSError:  # a bad sector is a damage like any other
        return False


def _add_file_records(workspace: Workspace, diary: _Diary) -> None:
    """Records of stored label maps and images that cases and revisions name; they can be read from the files."""
    with workspace.database.writing() as session:
        known = set(session.scalars(select(FileRow.sha256)))
        images = set(session.scalars(select(CaseImageRow.sha256))) - known
        labels = set(session.scalars(select(RevisionRow.label))) - known - images
        for sha256 in sorted(images | labels):
            if _add_file_record(workspace, session, sha256, is_image=sha256 in images):
                said = f"The record of the file {sha256} was made again from the file itself."
                diary.did("file record restored", sha256, said)


def _add_file_record(workspace: Workspace, session: Session, sha256: str, *, is_image: bool) -> bool:
    from ufseg.images.reading import read_image  # SimpleITK is slow to import

    path = workspace.store.place(StoredFile(sha256, ".nrrd"))
    try:
        image = read_image(path)
    except ImageError:
        return False  # the check that follows says so
    session.execute(
        insert(FileRow).values(
            sha256=sha256,
            size_bytes=path.stat().st_size,
            channels=image.channels,
            dtype=str(image.array.dtype),
            geometry=image.geometry.model_dump(mode="json"),
            voxels=channel_hashes(image.array) if is_image else None,
            created=now(),
        )
    )
    return True


def _mend_model_folders(workspace: Workspace, quarantine: _Quarantine, diary: _Diary) -> None:
    for name in damaged_model_folders(workspace):
        folder = (workspace.folder / name).parent
        if folder.exists():
            quarantine.take(folder)
            said = f"The folder models/{folder.name}, made for the workers, was damaged and moved aside."
            diary.did("model folder set aside", folder.name, said)
