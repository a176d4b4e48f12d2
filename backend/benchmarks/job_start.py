"""How long after the request does a job of a warm worker compute, and how soon is one cancelled?

    python benchmarks/job_start.py [--jobs 10]

Asks an engine with warm workers, on small images: seconds to the first progress of the stage ``segmenting`` of a
prediction and ``training`` of a training, the first job of each kind left out, and from a cancel to the job's end.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

from ufseg.engine.engine import Engine
from ufseg.engine.requests import PredictionRequest, TrainingRequest
from ufseg.workspace import Job, Workspace

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))
from workspace_samples import fill


class Stages:
    """Hears when a job reaches a stage."""

    def __init__(self, engine: Engine) -> None:
        self._changed = threading.Condition()
        self._reached: dict[tuple[str, str], float] = {}
        engine.listen(self._hear)

    def _hear(self, job: Job) -> None:
        with self._changed:
            self._reached.setdefault((job.id, job.progress.stage), time.perf_counter())
            self._changed.notify_all()

    def wait(self, job: Job, stage: str) -> float:
        """When the job reached it."""
        with self._changed:
            if not self._changed.wait_for(lambda: (job.id, stage) in self._reached, 300):
                raise SystemExit(f"The job did not reach the stage {stage!r}.")
            return self._reached[job.id, stage]


def measured(count: int, once: Callable[[], float]) -> str:
    """Median and largest of all but the first."""
    times = [once() for _ in range(count + 1)][1:]
    return f"median {1e3 * statistics.median(times):.0f} ms, largest {1e3 * max(times):.0f} ms"


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--jobs", type=int, default=10)
    count = parser.parse_args().jobs
    with tempfile.TemporaryDirectory() as name, Workspace(Path(name)) as workspace:
        task = fill(workspace, training=2, validation=1)
        case = workspace.cases.of_task(task.id)[0].id
        with Engine(workspace, "cpu", warm=True) as engine:
            stages = Stages(engine)
            cancels: list[float] = []

            def training() -> float:
                begun = time.perf_counter()
                job = engine.submit_training(task.id, TrainingRequest(budget_seconds=300))
                reached = stages.wait(job, "training")
                asked = time.perf_counter()
                engine.cancel(job.id)
                engine.wait(job.id)
                cancels.append(time.perf_counter() - asked)
                return reached - begun

            def prediction() -> float:
                begun = time.perf_counter()
                job = engine.submit_prediction(task.id, PredictionRequest(case=case))
                reached = stages.wait(job, "segmenting")
                engine.wait(job.id)
                return reached - begun

            engine.wait(engine.submit_training(task.id, TrainingRequest(epochs=1)).id)
            print("training starts after:", measured(count, training))
            print(f"cancelled after: median {statistics.median(cancels):.2f} s, largest {max(cancels):.2f} s")
            print("prediction starts after:", measured(count, prediction))


if __name__ == "__main__":
    main()
