"""Tasks, cases, label revisions, model versions, promotions and jobs, kept on disk so that nothing is lost."""

from typing import TYPE_CHECKING, Any

from ufseg.workspace.records import (
    Case,
    FileRecord,
    Job,
    LabelRevision,
    ModelVersion,
    Promotion,
    Task,
)

if TYPE_CHECKING:
    from ufseg.workspace.workspace import Workspace

__all__ = ["Case", "FileRecord", "Job", "LabelRevision", "ModelVersion", "Promotion", "Task", "Workspace"]


def __getattr__(name: str) -> Any:
    # Worker processes know the records and never open a workspace: they start without the database's libraries.
    if name == "Workspace":
        from ufseg.workspace.workspace import Workspace

        return Workspace
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
