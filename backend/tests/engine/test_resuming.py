"""Jobs that a service left unfinished go on in the next one."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from processes import until
from workspace_samples import add_case, add_label, fill, sample, subjects

from ufseg.engine import trainings
from ufseg.engine.engine import MAX_INTERRUPTIONS, Engine
from ufseg.engine.kept import checkpoint_step
from ufseg.engine.requests import PredictionRequest, TrainingRequest
from ufseg.workspace import Job, Task, Workspace

LONG = TrainingRequest(budget_seconds=300)
EPOCHS = TrainingRequest(epochs=12, start="scratch")


@pytest.fixture
def opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Workspace]:
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    monkeypatch.setattr(trainings, "CHECKPOINT_SECONDS", 0.0)
    with Workspace(tmp_path / "workspace") as workspace:
        yield workspace


def _weights(workspace: Workspace, ended: Job) -> str:
    assert ended.state == "succeeded", ended.error
    assert ended.result is not None
    return workspace.models.get(ended.result["model_version"]).weights


def test_whatever_was_under_way_goes_on_in_the_next_service(opened: Workspace) -> None:
    task = fill(opened, training=2, validation=1)
    with Engine(opened, "cpu") as engine:
        whole = engine.wait(engine.submit_training(task.id, EPOCHS).id, 120)
        undisturbed = _weights(opened, whole)
        job = engine.submit_training(task.id, EPOCHS)
        waiting = engine.submit_training(task.id, EPOCHS.model_copy(update={"epochs": 1}))
        case = opened.cases.of_task(task.id)[0]
        until(lambda: checkpoint_step(opened.job_folder(job.id)) is not None)
        prediction = engine.submit_prediction(task.id, PredictionRequest(case=case.id))
    left = opened.jobs.get(job.id)
    assert (left.state, left.resumes) == ("interrupted", True)
    assert opened.jobs.get(prediction.id).resumes
    step = checkpoint_step(opened.job_folder(job.id))
    # Labels that came in the meantime belong to later trainings.
    add_label(opened, add_case(opened, task, 9, subjects("training", 9)[8]), sample(9).label)
    # As if the service had died between keeping a version and saying that its training has succeeded.
    opened.jobs.save(whole.model_copy(update={"state": "running", "result": None, "finished": None}))

    with Engine(opened, "cpu", resume=True) as engine:
        resumed = engine.job(job.id)
        assert resumed.resumed_from == step
        assert resumed.notes == (f"The service ended while this training was under way; it resumed from step {step}.",)
        assert _weights(opened, engine.wait(job.id, 120)) == undisturbed
        again = engine.wait(waiting.id, 120)
        assert (again.state, again.notes) == ("succeeded", ())
        assert engine.wait(prediction.id, 60).state == "succeeded"
        repeated = engine.wait(whole.id, 60)
        assert repeated.result is not None
        assert whole.result is not None
        assert repeated.result["model_version"] == whole.result["model_version"]
    assert [len(v.trained_on) for v in opened.models.of_task(task.id)] == [2, 2, 3]
    assert not any(opened.job_folder(j.id).exists() for j in (whole, job, waiting, prediction))


def _killed(workspace: Workspace, task: Task) -> Job:
    """A training as a service that was killed leaves it."""
    job = workspace.jobs.create(task.id, "training", LONG.model_dump(mode="json"))
    running = job.model_copy(update={"state": "running", "started": job.created})
    workspace.jobs.save(running)
    workspace.job_folder(job.id).mkdir(parents=True)
    return running


def test_a_job_that_kills_the_service_is_not_taken_up_for_ever(opened: Workspace) -> None:
    task = fill(opened, training=1, validation=0)
    job = _killed(opened, task)
    for time in range(1, MAX_INTERRUPTIONS):
        with Engine(opened, "cpu", resume=True) as engine:
            assert engine.job(job.id).interruptions == time
            assert "begins anew" in engine.job(job.id).notes[-1]
        opened.jobs.save(opened.jobs.get(job.id).model_copy(update={"state": "running", "resumes": False}))
    with Engine(opened, "cpu", resume=True) as engine:
        ended = engine.job(job.id)
    assert (ended.state, ended.resumes) == ("interrupted", False)
    assert ended.error is not None
    assert ended.error.message.startswith("The service ended 3 times while this training was before its first")
    assert not opened.job_folder(job.id).exists()
    with Engine(opened, "cpu", resume=True) as engine:
        assert engine.job(job.id) == ended


def test_a_command_leaves_the_jobs_of_a_dead_service_to_the_next_service(opened: Workspace) -> None:
    job = _killed(opened, fill(opened, training=1, validation=0))
    with Engine(opened, "cpu") as engine:
        left = engine.job(job.id)
        assert (left.state, left.resumes) == ("interrupted", True)
        assert opened.job_folder(job.id).exists()
