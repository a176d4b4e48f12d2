"""The folder that holds tasks, cases, label revisions, model versions, promotions and jobs."""

from __future__ import annotations

from pathlib import Path
from types import TracebackType

from typing_extensions import Self

from ufseg.errors import StorageError
from ufseg.workspace.audit import Audit
from ufseg.workspace.cases import Cases
from ufseg.workspace.database import Database
from ufseg.workspace.disk import PRIVATE, make_folder, storage_errors
from ufseg.workspace.files import Files
from ufseg.workspace.gate_rules import GateRules
from ufseg.workspace.history import History
from ufseg.workspace.jobs import Jobs
from ufseg.workspace.lock import WorkspaceLock
from ufseg.workspace.model_folders import ModelFolders
from ufseg.workspace.models import Models
from ufseg.workspace.revisions import Revisions
from ufseg.workspace.store import ContentStore
from ufseg.workspace.tasks import Tasks
from ufseg.workspace.tokens import Tokens


class Workspace:
    """Opens a workspace, or makes an empty one.

    Several processes may have a workspace open; only the one that holds its `WorkspaceLock` runs jobs.

    Args:
        folder: made if absent.
        database: URL of a PostgreSQL database, ``postgresql+psycopg://user@host/database``, that keeps the records
            while the files stay in the folder. Needed once, for a new workspace; None takes what the folder says, and
            SQLite in the folder where it says nothing.
        migrate: whether the database of an older ufseg may be brought up to date.

    Attributes:
        files, tasks, cases, revisions, history, models, gate_rules, jobs, tokens, audit: what is in it.
        store: the content-addressed files.

    Raises:
        StorageError: the folder or the database cannot be used, or was written by another version of ufseg.
        ConflictError: folder and database belong to different workspaces.
    """

    def __init__(self, folder: Path, database: str | None = None, *, migrate: bool = True) -> None:
        self.folder = folder.resolve()
        if self.folder.exists() and not self.folder.is_dir():
            raise StorageError(f"The workspace {self.folder} is a file. Choose a folder.")
        with storage_errors(self.folder.parent):
            # Images of patients are nobody else's; whoever shares a folder on purpose makes it beforehand.
            make_folder(self.folder, PRIVATE)
        self._database = Database(self.folder, database, migrate=migrate)
        self.store = ContentStore(self.folder)
        self.files = Files(self._database, self.store)
        self.tasks = Tasks(self._database)
        self.cases = Cases(self._database, self.files)
        self.revisions = Revisions(self._database, self.files)
        self.history = History(self._database, self.files)
        self.models = Models(self._database)
        self.gate_rules = GateRules(self._database)
        self.jobs = Jobs(self._database)
        self.tokens = Tokens(self._database)
        self.audit = Audit(self._database)
        self._model_folders = ModelFolders(self.folder, self.store)

    def model_folder(self, version_id: str) -> Path:
        """The folder of a model version for `ufseg.networks.model_folder.read_model`.

        Raises:
            NotFoundError: no such version.
            StorageError: its files are damaged, or the disk is full.
        """
        return self._model_folders.folder(self.models.get(version_id))

    def job_folder(self, job_id: str) -> Path:
        """Where a job's worker finds its specification and leaves its files."""
        return self.folder / "jobs" / job_id

    @property
    def database(self) -> Database:
        """The records, for the other parts of this package."""
        return self._database

    def lock(self) -> WorkspaceLock:
        """Become the one process that runs this workspace's jobs; raises ConflictError if there is one."""
        return WorkspaceLock(self.folder, self._database)

    def close(self) -> None:
        """Close the database."""
        self._database.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
