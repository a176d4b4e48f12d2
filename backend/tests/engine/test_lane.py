"""A lane's decisions in the moments that real jobs rarely hit."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from processes import until
from workspace_samples import add_task

from ufseg.engine.board import JobBoard
from ufseg.engine.lane import Lane, LaneJob
from ufseg.errors import UfsegError
from ufseg.workspace import Job, Workspace


class _CancelledFirst(JobBoard):
    """A person cancels every job at the last moment before the lane begins it."""

    def get(self, job_id: str) -> Job:
        seen = super().get(job_id)
        self.end_queued(job_id)
        return seen

    def start(self, job_id: str) -> bool:
        self.end_queued(job_id)
        return super().start(job_id)


def test_a_job_cancelled_as_it_begins_is_not_computed(tmp_path: Path) -> None:
    with Workspace(tmp_path / "workspace") as workspace:
        task = add_task(workspace)
        board = _CancelledFirst(workspace.jobs)
        lane = Lane("training", board, "cpu", 0, tmp_path / "worker.log", lambda device: None)
        prepared: list[str] = []

        def prepare() -> dict[str, Any]:
            prepared.append("too late")
            raise UfsegError("nothing to compute here")

        try:
            for _ in range(2):  # the second is looked at only after the first was dealt with
                job = workspace.jobs.create(task.id, "training", {})
                board.add(job)
                lane.submit(LaneJob(job.id, "training", prepare, lambda outcome: outcome, lambda: None))
                until(lambda job=job: workspace.jobs.get(job.id).is_final)
                assert workspace.jobs.get(job.id).state == "cancelled"
        finally:
            lane.close()
        assert prepared == []
