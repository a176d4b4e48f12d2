"""``ufseg export`` and ``ufseg import``: cases, models and label maps in the formats of other programs."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

from ufseg.cli.console import ProgressDisplay, WorkspaceOption, default_workspace, err, out
from ufseg.cli.model_choice import choose_model_folder
from ufseg.errors import InputError

export_app = typer.Typer(help="Write cases and models for other programs.", no_args_is_help=True)
import_app = typer.Typer(help="Take over models and label maps from other programs.", no_args_is_help=True)


class DatasetLayout(str, Enum):
    """Layouts of dataset folders."""

    NNUNET = "nnunet"
    MSD = "msd"


class ModelFormat(str, Enum):
    """Formats of models."""

    BUNDLE = "monai-bundle"
    PROGRAM = "pt2"
    ONNX = "onnx"


@export_app.command("cases")
def export_cases(
    task: Annotated[str, typer.Argument(help="Name or id of the task.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder to make; it must not exist.")],
    layout: Annotated[
        DatasetLayout, typer.Option("--format", help="nnU-Net raw, or Medical Segmentation Decathlon.")
    ] = DatasetLayout.NNUNET,
    revision: Annotated[
        list[str] | None, typer.Option(help="Id of a label revision to take in place of its case's newest; repeatable.")
    ] = None,
    workspace: WorkspaceOption = default_workspace(),  # noqa: B008 - typer's way of giving a default
) -> None:
    """Write the cases of a task with their newest label maps as a dataset folder.

    Files are named after the cases, and subjects.json says whose they are: look through the names before you pass the
    folder on.
    """
    from ufseg.cli.tasks import open_workspace
    from ufseg.exchange.datasets import Layout
    from ufseg.exchange.datasets import export_cases as write

    with open_workspace(workspace) as opened, ProgressDisplay("export") as show:
        task_id = opened.tasks.find(task).id
        done = write(opened, task_id, output, Layout(layout.value), revision or [], show)
    for sentence in done.warnings:
        err.print(sentence, markup=False, highlight=False, soft_wrap=True)
    out.print(
        f"{done.labelled} cases with and {done.unlabelled} without a label map written to {output}.",
        markup=False, highlight=False, soft_wrap=True,
    )  # fmt: skip


@export_app.command("model")
def export_model(
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder or file to make; it must not exist.")],
    model: Annotated[
        str | None,
        typer.Option(metavar="FOLDER_OR_NAME", help="Model folder, or a name of `ufseg models available`."),
    ] = None,
    task: Annotated[str | None, typer.Option(help="The promoted model of this task instead.")] = None,
    form: Annotated[
        ModelFormat,
        typer.Option("--format", help="A MONAI bundle folder; the network as a torch.export or ONNX file."),
    ] = ModelFormat.BUNDLE,
    workspace: WorkspaceOption = default_workspace(),  # noqa: B008
) -> None:
    """Write a model for programs that know nothing of ufseg."""
    folder = choose_model_folder(model, task, workspace)
    if form is ModelFormat.BUNDLE:
        from ufseg.exchange.bundle import write_bundle

        write_bundle(folder, output)
    else:
        from ufseg.exchange.program import write_onnx, write_program

        (write_program if form is ModelFormat.PROGRAM else write_onnx)(folder, output)
    out.print(f"Model written to {output}.", markup=False, highlight=False, soft_wrap=True)


@import_app.command("bundle")
def import_bundle(
    bundle: Annotated[Path, typer.Argument(help="Folder of a MONAI bundle.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="Model folder to make; it must not exist.")],
) -> None:
    """Write a MONAI bundle as a model folder, for `ufseg predict --model` and `ufseg models install`.

    Nothing of the bundle is run. One whose network or preprocessing ufseg does not have is refused.
    """
    from ufseg.exchange.monai_import import read_bundle

    description = read_bundle(bundle, output)
    out.print(
        f"The model {description.name} ({', '.join(description.classes.names)}) was written to {output}.",
        markup=False, highlight=False, soft_wrap=True,
    )  # fmt: skip


@import_app.command("dicom-seg")
def import_dicom_seg(
    segmentation: Annotated[Path, typer.Argument(help="DICOM SEG file.")],
    image: Annotated[Path, typer.Option(help="The image it was drawn on: DICOM series folder or file.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="Label map to write, such as NAME.seg.nrrd.")],
) -> None:
    """Write a DICOM SEG as a label map; .seg.nrrd keeps names and colours."""
    from ufseg.exchange.dicom_seg import read_dicom_seg
    from ufseg.images.reading import read_image
    from ufseg.images.segmentation_file import ENDING, write_segmentation
    from ufseg.images.writing import write_label_map

    if output.exists():
        raise InputError(f"{output} exists already. Choose another name, so that nothing is overwritten.")
    label, classes = read_dicom_seg(segmentation, read_image(image).geometry)
    if output.name.lower().endswith(ENDING):
        write_segmentation(output, label, classes)
    else:
        write_label_map(output, label, classes)
    names = ", ".join(f"{e.value} = {e.name}" for e in classes.entries)
    out.print(f"{output} holds {names}.", markup=False, highlight=False, soft_wrap=True)
