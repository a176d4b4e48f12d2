"""``ufseg predict``: segment image files."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ufseg.cli.console import DeviceOption, Interrupt, ProgressDisplay, WorkspaceOption, default_workspace, err, out
from ufseg.cli.label_files import OutputFormat, describe_classes, write_labels
from ufseg.cli.model_choice import choose_model_folder
from ufseg.errors import InputError, OutOfMemoryError, UfsegError

if TYPE_CHECKING:
    from ufseg.images.studies import Study
    from ufseg.networks.model_folder import ModelDescription

# What DICOM calls the modalities of plans.
_MODALITIES = {"CT": "CT", "MR": "MRI"}


def predict(
    images: Annotated[
        list[Path],
        typer.Argument(
            help="Image files, DICOM series folders, or folders of either; of several channels: file1,file2 in their "
            "order."
        ),
    ],
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder for the label maps; made if absent.")],
    model: Annotated[
        str | None,
        typer.Option(metavar="FOLDER_OR_NAME", help="Model folder, or a name of `ufseg models available`."),
    ] = None,
    task: Annotated[str | None, typer.Option(help="Use the promoted model of this task instead.")] = None,
    workspace: WorkspaceOption = default_workspace(),  # noqa: B008
    form: Annotated[
        OutputFormat,
        typer.Option(
            "--format",
            help="seg.nrrd is 3D Slicer's segmentation, with names and colours; dicom-seg names its DICOM series.",
        ),
    ] = OutputFormat.NIFTI,
    overlap: Annotated[float, typer.Option(help="Of neighbouring windows; less is faster, 0 to 0.9.")] = 0.5,
    window_scale: Annotated[
        int | None, typer.Option(help="Patches along each axis of a window; the model's own choice if left out.", min=1)
    ] = None,
    mirror: Annotated[
        bool,
        typer.Option(
            "--mirror",
            help="Mean over mirrored views, for models trained with --mirror: twice the work per axis.",
        ),
    ] = False,
    device: DeviceOption = "auto",
) -> None:
    """Segment images; the label maps are written as OUTPUT/<image name>.nii.gz and never replace a file.

    A DICOM series' label map is named after its folder. Beside NIfTI and NRRD, classes.json names the classes. Images
    that cannot be segmented are named at the end, the others are done.
    """
    from ufseg.cli.restart import with_computing_environment
    from ufseg.images.studies import find_studies, require_present
    from ufseg.inference.options import InferenceOptions
    from ufseg.networks.model_folder import read_description

    # All that can be wrong with the request is said before the seconds that it takes to load torch.
    folder = choose_model_folder(model, task, workspace)
    require_present(images)
    options = InferenceOptions(overlap=overlap, mirror=mirror, window_scale=window_scale)
    description = read_description(folder)
    studies = find_studies(images, len(description.channel_names))
    if form is OutputFormat.DICOM:
        _require_series(studies)
    targets = [output / f"{study.name}.{form.ending}" for study in studies]
    _require_absent(targets)
    output.mkdir(parents=True, exist_ok=True)
    describe_classes(output, description.classes, form)
    with_computing_environment()
    from ufseg.images.image import stack_channels
    from ufseg.images.reading import read_image
    from ufseg.inference.predictor import Predictor
    from ufseg.networks.device import choose_device
    from ufseg.networks.model_folder import read_model

    chosen = choose_device(device)
    if chosen.note:
        err.print(chosen.note, markup=False, highlight=False)
    predictor = Predictor(*read_model(folder, chosen), chosen, options)
    failures: list[str] = []
    for study, target in zip(studies, targets, strict=True):
        try:
            image = stack_channels([read_image(f) for f in study.files], [str(f) for f in study.files])
            _warn_of_modality(study, description)
            with Interrupt() as stop, ProgressDisplay(study.name) as show:
                label = predictor.predict(image, progress=show, cancelled=stop)
            write_labels(target, label, description.classes, form, study.files)
        except (InputError, OutOfMemoryError) as error:
            if len(studies) == 1:
                raise
            failures.append(f"{study.files[0]}: {error}")
            continue
        out.print(f"{target}", markup=False, highlight=False, soft_wrap=True)
    if failures:
        raise UfsegError(f"{len(failures)} of {len(studies)} images were not segmented. " + " | ".join(failures))


def _require_series(studies: list[Study]) -> None:
    from ufseg.exchange.dicom_seg import require_highdicom

    require_highdicom()
    for study in studies:
        if len(study.files) != 1 or not study.files[0].is_dir():
            raise InputError(
                f"{study.files[0]} is no folder of one DICOM series, and a DICOM SEG must name one. Give such a "
                "folder, or choose another format."
            )


def _require_absent(targets: list[Path]) -> None:
    existing = [target for target in targets if target.exists()]
    if existing:
        raise InputError(
            f"{len(existing)} of {len(targets)} label maps would replace a file, such as {existing[0]}, which may be "
            "the image itself or a corrected label map. Choose another folder, or move these files away."
        )


def _warn_of_modality(study: Study, description: ModelDescription) -> None:
    """Say so if the DICOM header names another modality than the model was trained on."""
    from ufseg.images.dicom import modality_of

    wanted = description.plan.modality
    found = [m for m in (modality_of(f) for f in study.files) if m is not None]
    if wanted == "other" or not found or any(_MODALITIES.get(m, m) == wanted for m in found):
        return
    err.print(
        f"Warning: {study.files[0]} is {' and '.join(found)} by its DICOM header, but the model {description.name} was "
        f"trained on {wanted}. Its labels there mean nothing unless it was made for both.",
        style="yellow",
        markup=False,
        highlight=False,
        soft_wrap=True,
    )
