"""Tasks, cases, label revisions, model versions, promotions and jobs, kept on disk so that nothing is lost."""

from ufseg.workspace.records import (
    Case,
    FileRecord,
    Job,
    LabelRevision,
    ModelVersion,
    Promotion,
    Task,
)
from ufseg.workspace.workspace import Workspace

__all__ = ["Case", "FileRecord", "Job", "LabelRevision", "ModelVersion", "Promotion", "Task", "Workspace"]
