"""``ufseg train``: a model from a dataset folder, or the next version of a task's model."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from ufseg.cli.console import DeviceOption, WorkspaceOption, default_workspace, parse_duration


def train(
    dataset: Annotated[
        Path | None,
        typer.Argument(help="Folder with images/ and labels/, or with an MSD or nnU-Net dataset.json."),
    ] = None,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="Folder for the model.")] = None,
    budget: Annotated[str | None, typer.Option(help="Training time: 90s, 5m, 1h; 5m if left out.")] = None,
    epochs: Annotated[int | None, typer.Option(min=1, help="Train so many epochs instead.")] = None,
    loss: Annotated[str, typer.Option(help="A name of ufseg.losses.names().")] = "asymmetric-unified-focal",
    modality: Annotated[
        Literal["CT", "MRI", "other"] | None, typer.Option(help="What the images are, if the dataset does not say.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Seed of every random choice.")] = 0,
    resume: Annotated[bool, typer.Option("--resume", help="Go on from OUTPUT's last checkpoint.")] = False,
    task: Annotated[str | None, typer.Option(help="Train this task of the workspace instead.")] = None,
    workspace: WorkspaceOption = default_workspace(),  # noqa: B008
    device: DeviceOption = "auto",
) -> None:
    """Train a U-Net with the Unified Focal loss."""
    if budget is not None and epochs is not None:
        raise typer.BadParameter("give --budget or --epochs, not both.")
    seconds = parse_duration(budget or "5m") if epochs is None else None
    if (dataset is None) == (task is None):
        raise typer.BadParameter("give either a dataset folder or --task NAME.")
    if task is not None:
        from ufseg.cli.train_task import train_task

        train_task(workspace, task, seconds=seconds, epochs=epochs, loss=loss, seed=seed, device=device)
        return
    if dataset is None or output is None:
        raise typer.BadParameter("--output FOLDER is needed to keep the model.")

    from ufseg.cli.restart import with_computing_environment
    from ufseg.cli.train_folder import train_folder

    with_computing_environment()
    train_folder(
        dataset,
        output,
        seconds=seconds,
        epochs=epochs,
        loss=loss,
        modality=modality,
        seed=seed,
        device=device,
        resume=resume,
    )
