"""Predictions on the service's side."""

from __future__ import annotations

from typing import Any

from ufseg.engine.requests import PredictionRequest
from ufseg.engine.specs import PredictionOutcome, PredictionSpec
from ufseg.errors import InputError
from ufseg.workspace.records import Job
from ufseg.workspace.workspace import Workspace


def resolve(workspace: Workspace, task_id: str, request: PredictionRequest) -> PredictionRequest:
    """The request with the model version that it means at this moment.

    Raises:
        NotFoundError: no such task, case or version.
        ConflictError: the task has no model yet.
        InputError: case or version belong to another task.
    """
    workspace.tasks.get(task_id)
    if workspace.cases.get(request.case).task != task_id:
        raise InputError(f"The case {request.case} belongs to another task. Add its images to this task first.")
    if request.model_version is None:
        version = workspace.models.require_promoted(task_id)
    else:
        version = workspace.models.get(request.model_version)
        if version.task != task_id:
            raise InputError(f"The model version {version.id} belongs to another task. Choose one of this task.")
    return request.model_copy(update={"model_version": version.id})


class Prediction:
    """One prediction job whose request was resolved.

    Args:
        workspace: where the case is and the label map goes.
        job: the job.
    """

    def __init__(self, workspace: Workspace, job: Job) -> None:
        self._workspace = workspace
        self._job = job
        self._request = PredictionRequest.model_validate(job.request)
        self._output = workspace.job_folder(job.id) / "prediction.nrrd"

    def prepare(self) -> dict[str, Any]:
        """The worker's specification."""
        workspace = self._workspace
        case = workspace.cases.get(self._request.case)
        version = workspace.models.get(str(self._request.model_version))
        self._output.parent.mkdir(parents=True, exist_ok=True)
        return PredictionSpec(
            images=tuple(workspace.files.path(sha) for sha in case.images),
            model=workspace.model_folder(version.id),
            model_version=version.id,
            output=self._output,
        ).model_dump(mode="json")

    def finish(self, outcome: dict[str, Any]) -> dict[str, Any]:
        """Keep the label map; returns the job's result.

        Raises:
            StorageError: the disk is full.
        """
        found = PredictionOutcome.model_validate(outcome)
        case = self._workspace.cases.get(self._request.case)
        label = self._workspace.files.add_written_label(self._output, case.geometry)
        return {"label": label.sha256, "model_version": self._request.model_version, "seconds": found.seconds}
