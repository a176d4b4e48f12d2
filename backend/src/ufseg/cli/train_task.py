"""Training a task of a workspace through the engine, as the service does."""

from __future__ import annotations

import getpass
from pathlib import Path

from ufseg.cli.console import Interrupt, ProgressDisplay, out, print_table
from ufseg.cli.tasks import open_workspace
from ufseg.errors import CancelledError, UfsegError
from ufseg.progress import Progress

POLL_SECONDS = 0.5


def train_task(
    workspace: Path,
    task: str,
    *,
    seconds: float | None,
    epochs: int | None,
    loss: str,
    loss_options: dict[str, float],
    seed: int,
    device: str,
) -> None:
    """Train the next version of a task, let the gate decide, and show both scores.

    Args:
        workspace: folder; no service may be using it.
        task: name or id.
        seconds: time for the optimisation, or None with `epochs`.
        epochs: passes over the training cases, or None with `seconds`.
        loss: a name of `ufseg.losses.names()`.
        loss_options: by name.
        seed: of every random choice.
        device: auto, cpu, cuda or cuda:N.

    Raises:
        CancelledError: Ctrl-C was pressed.
        UfsegError: the training failed; the message is the job's.
    """
    from ufseg.engine.engine import Engine
    from ufseg.engine.requests import TrainingRequest
    from ufseg.workspace.records import Loss

    request = TrainingRequest(
        budget_seconds=seconds,
        epochs=epochs,
        loss=Loss(name=loss, options=loss_options),
        seed=seed,
        author=getpass.getuser(),
    )
    with open_workspace(workspace) as opened, Engine(opened, device=device) as engine:
        job = engine.submit_training(opened.tasks.find(task).id, request)
        with Interrupt() as stop, ProgressDisplay("train") as show:
            while not job.is_final:
                if stop():
                    engine.cancel(job.id)
                job = engine.wait(job.id, POLL_SECONDS)
                progress = job.progress
                show(Progress(progress.fraction, progress.stage, progress.eta_seconds, progress.scalars))
        if job.state == "cancelled":
            raise CancelledError("The training was cancelled; the model in use stays as it was.")
        if job.error is not None or job.result is None:
            raise UfsegError(job.error.message if job.error else f"The training ended as {job.state}.")
        gate = job.result["gate"]
        before, after = gate["promoted_per_class"] or {}, gate["candidate_per_class"]
        surface_before, surface_after = gate["promoted_surface_per_class"] or {}, gate["candidate_surface_per_class"]
        rows = [[n, before.get(n), value, surface_before.get(n), surface_after.get(n)] for n, value in after.items()]
        means = ("promoted_mean", "candidate_mean", "promoted_surface_mean", "candidate_surface_mean")
        rows.append(["mean", *(gate[mean] for mean in means)])
        columns = ["class", "in use", "candidate", "surface, in use", "surface, candidate"]
        print_table("Dice and surface Dice on the frozen validation cases", columns, rows)
        out.print(f"Version {job.result['number']}: {gate['reason']}", markup=False, highlight=False, soft_wrap=True)
