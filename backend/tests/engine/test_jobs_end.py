"""How jobs end that do not succeed: cancelled, killed, interrupted."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import pytest
from processes import until, workers
from workspace_samples import fill

from ufseg.engine import trainings
from ufseg.engine.engine import Engine
from ufseg.engine.kept import checkpoint_step
from ufseg.engine.requests import PredictionRequest, TrainingRequest
from ufseg.errors import ConflictError
from ufseg.workspace import Job, Workspace

LONG = TrainingRequest(budget_seconds=300)
SHORT = TrainingRequest(budget_seconds=0.5)


def _started(engine: Engine, task_id: str) -> Job:
    job = engine.submit_training(task_id, LONG)
    until(lambda: engine.job(job.id).progress.stage == "training")
    return job


def test_a_training_is_cancelled_within_a_second(engine: Engine, workspace: Workspace) -> None:
    task = fill(workspace, "cancelled", training=2, validation=1)
    job = _started(engine, task.id)
    start = time.monotonic()
    engine.cancel(job.id)
    ended = engine.wait(job.id, 10)
    assert time.monotonic() - start < 1.5
    assert ended.state == "cancelled"
    assert ended.error is not None
    assert "Nothing was changed" in ended.error.message
    assert workspace.models.of_task(task.id) == []
    assert not workspace.job_folder(job.id).exists()
    assert engine.cancel(job.id) == ended
    # The same worker takes the next job at once.
    assert engine.wait(engine.submit_training(task.id, SHORT).id, 30).state == "succeeded"


def test_a_queued_job_is_cancelled_without_having_begun(engine: Engine, workspace: Workspace) -> None:
    task = fill(workspace, "queued", training=2, validation=1)
    running = _started(engine, task.id)
    queued = engine.submit_training(task.id, LONG)
    assert engine.job(queued.id).state == "queued"
    ended = engine.cancel(queued.id)
    assert ended.state == "cancelled"
    assert ended.started is None
    assert engine.job(running.id).state == "running"
    engine.cancel(running.id)
    engine.wait(running.id, 10)


def test_a_prediction_does_not_wait_for_a_training(engine: Engine, workspace: Workspace) -> None:
    task = fill(workspace, "lanes", training=2, validation=0)
    assert engine.wait(engine.submit_training(task.id, SHORT).id, 60).state == "succeeded"
    training = _started(engine, task.id)
    case = workspace.cases.of_task(task.id)[0]
    prediction = engine.wait(engine.submit_prediction(task.id, PredictionRequest(case=case.id)).id, 30)
    assert prediction.state == "succeeded"
    assert engine.job(training.id).state == "running"
    assert engine.running_jobs() == 1
    engine.cancel(training.id)
    engine.wait(training.id, 10)


def _kill_worker(engine: Engine, job: Job) -> None:
    until(lambda: engine.job(job.id).progress.scalars.get("step", 0) > 0)
    os.kill(workers(os.getpid(), "training")[0], signal.SIGKILL)


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="finds the worker in /proc")
def test_a_training_outlives_one_death_of_its_worker_and_says_so(
    engine: Engine, workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trainings, "CHECKPOINT_SECONDS", 0.0)
    task = fill(workspace, "killed once", training=2, validation=1)
    job = engine.submit_training(task.id, TrainingRequest(epochs=2))
    until(lambda: checkpoint_step(workspace.job_folder(job.id)) is not None)
    os.kill(workers(os.getpid(), "training")[0], signal.SIGKILL)
    ended = engine.wait(job.id, 60)
    assert ended.state == "succeeded", ended.error
    assert ended.resumed_from is not None
    assert ended.notes[0].startswith(f"The training resumed from step {ended.resumed_from} in a new worker process.")
    assert not workspace.job_folder(job.id).exists()


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="finds the worker in /proc")
def test_a_second_death_of_the_worker_is_said_in_words(engine: Engine, workspace: Workspace) -> None:
    task = fill(workspace, "killed", training=2, validation=1)
    job = engine.submit_training(task.id, LONG)
    _kill_worker(engine, job)
    until(lambda: bool(engine.job(job.id).notes))
    assert "began anew in a new worker process" in engine.job(job.id).notes[0]
    until(lambda: engine.job(job.id).progress.stage == "preparing cases")
    _kill_worker(engine, job)
    ended = engine.wait(job.id, 10)
    assert ended.state == "failed"
    assert ended.error is not None
    assert ended.error.message.startswith("For the second time in this training: ")
    assert "most likely because the computer ran out of memory" in ended.error.message
    assert engine.wait(engine.submit_training(task.id, SHORT).id, 60).state == "succeeded"


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="finds the worker in /proc")
def test_a_worker_that_does_not_listen_is_killed_when_cancelled(engine: Engine, workspace: Workspace) -> None:
    task = fill(workspace, "deaf", training=2, validation=1)
    job = _started(engine, task.id)
    os.kill(workers(os.getpid(), "training")[0], signal.SIGSTOP)
    start = time.monotonic()
    engine.cancel(job.id)
    ended = engine.wait(job.id, 20)
    assert 0.5 < time.monotonic() - start < 1.5
    assert ended.state == "cancelled"
    assert engine.wait(engine.submit_training(task.id, SHORT).id, 60).state == "succeeded"


def test_the_version_of_a_job_grows_and_listeners_hear_of_it(engine: Engine, workspace: Workspace) -> None:
    task = fill(workspace, "heard", training=2, validation=0)
    heard: list[Job] = []
    engine.listen(heard.append)
    job = engine.submit_training(task.id, SHORT)
    ended = engine.wait(job.id, 60)
    own = [j for j in heard if j.id == job.id]
    versions = [j.version for j in own]
    assert versions == sorted(set(versions))
    assert own[0].state == "running"
    assert own[-1] == ended
    assert any("loss" in j.progress.scalars for j in own)
    fractions = [j.progress.fraction for j in own]
    assert fractions == sorted(fractions)


def test_closing_ends_running_and_queued_jobs_in_words(tmp_path: Path) -> None:
    with Workspace(tmp_path) as workspace:
        task = fill(workspace, training=2, validation=0)
        engine = Engine(workspace, "cpu")
        with pytest.raises(ConflictError, match=f"process id {os.getpid()}"):
            Engine(workspace, "cpu")
        jobs = [engine.submit_training(task.id, LONG) for _ in range(2)]
        until(lambda: engine.job(jobs[0].id).state == "running")
        start = time.monotonic()
        engine.close()
        assert time.monotonic() - start < 4
        for job in jobs:
            ended = workspace.jobs.get(job.id)
            assert ended.state == "interrupted"
            assert ended.resumes
            assert ended.error is not None
            assert "when the service is started again" in ended.error.message
        with pytest.raises(ConflictError, match="takes no more jobs"):
            engine.submit_training(task.id, LONG)


def test_what_a_dead_service_left_half_written_is_removed(tmp_path: Path) -> None:
    with Workspace(tmp_path) as workspace:
        leftover = workspace.store.temporary(".nrrd")
        leftover.write_bytes(b"half")
        of_a_backup = workspace.folder / "incoming" / "snapshot-killed"
        (of_a_backup / "deeper").mkdir(parents=True)
        (of_a_backup / "workspace.sqlite").write_bytes(b"half")
        of_a_repair = workspace.folder / "incoming" / "rebuilt-at-work"
        of_a_repair.mkdir()
        for path in (leftover, of_a_backup):
            os.utime(path, (0, 0))
        being_imported = workspace.store.temporary(".nrrd")
        being_imported.write_bytes(b"another process writes on")
        with Engine(workspace, "cpu"):
            assert not leftover.exists()
            assert not of_a_backup.exists()
            assert being_imported.exists()
            assert of_a_repair.exists()
