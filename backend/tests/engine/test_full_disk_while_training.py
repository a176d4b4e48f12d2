"""A disk that becomes full while a model is trained."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from small_disk import small_disk_at
from workspace_samples import fill

from ufseg.engine.engine import Engine
from ufseg.engine.requests import TrainingRequest
from ufseg.workspace import Workspace
from ufseg.workspace.disk import free_bytes


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    with small_disk_at(tmp_path / "disk", "24m") as folder:
        yield folder


def test_a_model_that_does_not_fit_fails_the_job_and_leaves_the_workspace_whole(small_disk: Path) -> None:
    request = TrainingRequest(budget_seconds=0.3)
    with Workspace(small_disk / "workspace") as workspace:
        task = fill(workspace, training=1, validation=0)
        ballast = small_disk / "ballast"
        ballast.write_bytes(bytes(free_bytes(small_disk) - 200_000))  # less than the weights take
        with Engine(workspace, "cpu") as engine:
            job = engine.wait(engine.submit_training(task.id, request).id, 60)
            assert job.state == "failed"
            assert job.error is not None
            assert job.error.type == "StorageError", job.error
            assert "No space left" in job.error.message
            assert workspace.models.of_task(task.id) == []
            assert not workspace.job_folder(job.id).exists()
            ballast.unlink()
            assert engine.wait(engine.submit_training(task.id, request).id, 60).state == "succeeded"
