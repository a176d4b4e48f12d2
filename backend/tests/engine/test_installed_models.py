"""A finished model goes on learning in the workspace where it was installed."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from tiny_models import write_squares_model
from workspace_samples import CLASSES, FRACTION, GRID, add_case, add_label, fill, sample, subjects

from ufseg.engine.engine import Engine
from ufseg.engine.requests import PredictionRequest, TrainingRequest
from ufseg.images.reading import read_label_map
from ufseg.workspace import Job, ModelVersion, Task, Workspace
from ufseg.workspace.installing import install_model


def _train(engine: Engine, task: Task, seconds: float) -> Job:
    request = TrainingRequest(budget_seconds=seconds, author="me")
    return engine.wait(engine.submit_training(task.id, request).id, 60)


@pytest.fixture(scope="session")
def finished(engine: Engine, workspace: Workspace, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model folder trained for seconds, as another workspace would export it."""
    task = fill(workspace, "where it comes from", training=4, validation=3)
    assert _train(engine, task, 3).state == "succeeded"
    version = workspace.models.require_promoted(task.id)
    folder = tmp_path_factory.mktemp("finished") / "squares"
    shutil.copytree(workspace.model_folder(version.id), folder)
    return folder


def _own_task(workspace: Workspace, finished: Path, name: str) -> tuple[Task, ModelVersion]:
    """A task like the samples' own, with the model installed in it."""
    workspace.tasks.create(name, "other", ["image"], CLASSES, FRACTION)
    done = install_model(workspace, finished, task_name=name)
    return done.task, done.version


def test_it_segments_retrains_from_there_and_passes_the_gate(
    engine: Engine, workspace: Workspace, finished: Path
) -> None:
    task, installed = _own_task(workspace, finished, "installed")
    new = add_case(workspace, task, 60, subjects("training", 1)[0])
    job = engine.wait(engine.submit_prediction(task.id, PredictionRequest(case=new.id)).id, 60)
    assert job.result is not None, job.error
    label = read_label_map(workspace.files.path(job.result["label"]), CLASSES, GRID)
    assert np.mean(label.array == sample(60).label) > 0.8

    revisions = [add_label(workspace, new, sample(60).label)]
    for number, subject in enumerate([*subjects("training", 3)[1:], *subjects("validation", 3)], 61):
        revision = add_label(workspace, add_case(workspace, task, number, subject), sample(number).label)
        revisions.append(revision)
    retrained = _train(engine, task, 2)
    assert retrained.result is not None, retrained.error
    assert retrained.result["continued"]
    version = workspace.models.get(retrained.result["model_version"])
    assert (version.number, version.parent, version.origin) == (2, installed.id, "trained")
    assert version.plan == installed.plan
    assert set(version.trained_on) == {r.id for r in workspace.revisions.latest(task.id, "training")}
    # The installed model is judged on the user's own cases, not by the scores it came with.
    gate = retrained.result["gate"]
    assert gate["promoted_mean"] is not None
    assert set(retrained.result["case_scores"]["promoted"]) == {
        r.case for r in workspace.revisions.latest(task.id, "validation")
    }


def test_with_too_few_cases_of_ones_own_the_choice_is_the_persons(
    engine: Engine, workspace: Workspace, finished: Path
) -> None:
    task, installed = _own_task(workspace, finished, "installed, no validation")
    add_label(workspace, add_case(workspace, task, 70, subjects("training", 1)[0]), sample(70).label)
    job = _train(engine, task, 1)
    assert job.result is not None, job.error
    assert job.result["gate"]["outcome"] == "ask"
    assert workspace.models.require_promoted(task.id).id == installed.id
    workspace.models.promote(task.id, job.result["model_version"], "better on my cases", "me")
    assert workspace.models.rollback(task.id, "was not", "me").model_version == installed.id


def test_weights_that_do_not_belong_to_the_plan_are_refused_by_the_worker(
    engine: Engine, workspace: Workspace, tmp_path: Path
) -> None:
    from tiny_models import squares_plan

    write_squares_model(tmp_path / "squares", plan=squares_plan(features=(4, 8, 8)), task="does not fit")
    task = install_model(workspace, tmp_path / "squares").task
    case = add_case(workspace, task, 80, "anyone")
    job = engine.wait(engine.submit_prediction(task.id, PredictionRequest(case=case.id)).id, 60)
    assert job.state == "failed"
    assert job.error is not None
    assert "another plan" in job.error.message
