"""Removing derived files that nobody needs any more; never a label, an image, a model version or a record."""

from __future__ import annotations

import re
import shutil
import time
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from ufseg.workspace.workspace import Workspace

DEFAULT_DAYS = 30.0
# What has no record yet may be being made.
_UNRECORDED_SECONDS = 3600.0
# Ids, and copies of versions that are not finished; a person's own model, put beside them, has another name.
_OWN = re.compile(r"\.?[0-9a-f]{16}(-[0-9a-f]{8})?\Z")


class Removed(BaseModel):
    """What was removed.

    Args:
        job_folders: of ended jobs: checkpoints, prepared cases, outputs.
        model_copies: the workers' copies of model versions, made again from the stored files when needed.
        bytes: that they took together; a copy that was a link to the stored file freed none.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    job_folders: int = 0
    model_copies: int = 0
    bytes: int = 0


def remove_derived(workspace: Workspace, days: float = DEFAULT_DAYS) -> Removed:
    """Remove the folders of ended jobs, unfinished uploads, and copies of versions that are not in use.

    The caller holds the workspace's lock: no job may be running.

    Args:
        workspace: open.
        days: so old a copy of a version must be.
    """
    workspace.store.discard_unfinished()
    jobs = _job_folders(workspace)
    copies = _model_copies(workspace, time.time() - days * 86400)
    size = 0
    for folder in (*jobs, *copies):
        size += sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
        shutil.rmtree(folder, ignore_errors=True)
    return Removed(job_folders=len(jobs), model_copies=len(copies), bytes=size)


def _job_folders(workspace: Workspace) -> list[Path]:
    known = {job.id for job in workspace.jobs.all()}
    needed = {job.id for job in workspace.jobs.unfinished()}
    recent = time.time() - _UNRECORDED_SECONDS
    return [
        folder
        for folder in _folders(workspace.folder / "jobs")
        if folder.name not in needed and (folder.name in known or folder.stat().st_mtime < recent)
    ]


def _model_copies(workspace: Workspace, before: float) -> list[Path]:
    in_use = {task.promoted for task in workspace.tasks.all()}
    # A training that goes on later was begun from a version that may have been replaced since.
    if workspace.jobs.unfinished():
        return []
    return [
        folder
        for folder in _folders(workspace.folder / "models")
        if folder.name not in in_use and folder.stat().st_mtime < before
    ]


def _folders(parent: Path) -> list[Path]:
    if not parent.is_dir():
        return []
    return sorted(path for path in parent.iterdir() if path.is_dir() and _OWN.match(path.name))
