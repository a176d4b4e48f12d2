"""``ufseg train``: a model from a dataset folder, or the next version of a task's model."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from ufseg.cli.console import DeviceOption, WorkspaceOption, default_workspace, parse_duration, parse_numbers

if TYPE_CHECKING:
    from ufseg.plans.plan import PatientAxis


def train(
    dataset: Annotated[
        Path | None,
        typer.Argument(help="Folder with images/ and labels/, with a dataset.json, or of another known layout."),
    ] = None,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="Folder for the model.")] = None,
    budget: Annotated[str | None, typer.Option(help="Training time: 90s, 5m, 1h, 2d; 5m if left out.")] = None,
    epochs: Annotated[int | None, typer.Option(min=1, help="Train so many epochs instead.")] = None,
    loss: Annotated[str, typer.Option(help="A name of ufseg.losses.names().")] = "asymmetric-unified-focal",
    loss_option: Annotated[
        list[str] | None, typer.Option(help="NAME=VALUE, such as gamma=0.3; may be given several times.")
    ] = None,
    schedule: Annotated[
        Literal["one-cycle", "paper"],
        typer.Option(help="one-cycle ends well at any budget; paper slows down and stops by a validation loss."),
    ] = "one-cycle",
    plan: Annotated[
        Path | None, typer.Option(help="Plan to use, as written by ufseg plan and perhaps changed by hand.")
    ] = None,
    architecture: Annotated[
        Literal["dynunet", "paper"], typer.Option(help="dynunet, or the U-Net of the Unified Focal loss's paper.")
    ] = "dynunet",
    dimension: Annotated[
        Literal["2", "3"] | None, typer.Option(help="2 takes volumes slice by slice; what suits the data if left out.")
    ] = None,
    memory: Annotated[
        float | None, typer.Option(min=0.0, help="GB that the training may take; by the device if left out.")
    ] = None,
    split: Annotated[
        Path | None,
        typer.Option(
            help='JSON {"train": \\[case ids], "val": \\[case ids]}: train on the first, score on the second.'
        ),
    ] = None,
    skip_unreadable: Annotated[
        bool, typer.Option("--skip-unreadable", help="Leave out cases that cannot be read, and name them.")
    ] = False,
    deep_supervision: Annotated[bool, typer.Option(help="Whether the loss also judges coarser levels.")] = True,
    mirror: Annotated[
        list[str] | None,
        typer.Option(help="LR, AP or SI, several times: mirror patches at random. Not where sides are told apart."),
    ] = None,
    tensorboard: Annotated[
        Path | None, typer.Option(help="Folder for TensorBoard's curves (needs ufseg\\[curves]).")
    ] = None,
    modality: Annotated[
        Literal["CT", "MRI", "other"] | None, typer.Option(help="What the images are, if the dataset does not say.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Seed of every random choice.")] = 0,
    resume: Annotated[bool, typer.Option("--resume", help="Go on from OUTPUT's last checkpoint.")] = False,
    task: Annotated[str | None, typer.Option(help="Train this task of the workspace instead.")] = None,
    workspace: WorkspaceOption = default_workspace(),  # noqa: B008
    device: DeviceOption = "auto",
) -> None:
    """Train a U-Net with the Unified Focal loss.

    With several GPUs: torchrun --nproc-per-node=2 -m ufseg.cli.main train DATASET --output MODEL
    """
    if budget is not None and epochs is not None:
        raise typer.BadParameter("give --budget or --epochs, not both.")
    seconds = parse_duration(budget or "5m") if epochs is None else None
    options = parse_numbers(loss_option or ())
    if (dataset is None) == (task is None):
        raise typer.BadParameter("give either a dataset folder or --task NAME.")
    if task is not None:
        changed = architecture != "dynunet" or schedule != "one-cycle" or skip_unreadable or not deep_supervision
        if plan or dimension or memory is not None or split or mirror or tensorboard or changed:
            raise typer.BadParameter(
                "--plan, --architecture, --dimension, --memory, --split, --schedule, --skip-unreadable, --mirror, "
                "--tensorboard and --no-deep-supervision are for a dataset folder; a task keeps its plan and its "
                "validation cases."
            )
        from ufseg.cli.train_task import train_task

        train_task(
            workspace,
            task,
            seconds=seconds,
            epochs=epochs,
            loss=loss,
            loss_options=options,
            seed=seed,
            device=device,
        )
        return
    if dataset is None or output is None:
        raise typer.BadParameter("--output FOLDER is needed to keep the model.")
    if plan is not None and (dimension or memory is not None or architecture != "dynunet"):
        raise typer.BadParameter("--plan fixes architecture, dimension and memory already; leave those options out.")

    from ufseg.cli.restart import with_computing_environment
    from ufseg.cli.train_folder import FolderTraining, train_folder

    with_computing_environment()
    wanted: dict[str | None, Literal[2, 3] | None] = {None: None, "2": 2, "3": 3}
    train_folder(
        FolderTraining(
            dataset=dataset,
            output=output,
            seconds=seconds,
            epochs=epochs,
            loss=loss,
            loss_options=options,
            schedule=schedule,
            plan=plan,
            architecture=architecture,
            dimension=wanted[dimension],
            memory_gb=memory,
            split=split,
            skip_unreadable=skip_unreadable,
            deep_supervision=deep_supervision,
            mirror=_patient_axes(mirror or ()),
            tensorboard=tensorboard,
            modality=modality,
            seed=seed,
            device=device,
            resume=resume,
        )
    )


def _patient_axes(given: Sequence[str]) -> tuple[PatientAxis, ...]:
    from ufseg.plans.plan import PATIENT_AXES

    wrong = sorted(set(given) - set(PATIENT_AXES))
    if wrong:
        raise typer.BadParameter(f"--mirror {wrong[0]} is no axis; choose of {', '.join(reversed(PATIENT_AXES))}.")
    return tuple(axis for axis in PATIENT_AXES if axis in given)
