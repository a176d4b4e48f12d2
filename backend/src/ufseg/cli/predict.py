"""``ufseg predict``: segment image files."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ufseg.cli.console import DeviceOption, Interrupt, ProgressDisplay, WorkspaceOption, default_workspace, err, out
from ufseg.cli.model_choice import choose_model_folder
from ufseg.errors import InputError, UfsegError


def predict(
    images: Annotated[
        list[Path],
        typer.Argument(help="Image files or DICOM series folders; of several channels: file1,file2 in their order."),
    ],
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder for the label maps; made if absent.")],
    model: Annotated[
        str | None,
        typer.Option(metavar="FOLDER_OR_NAME", help="Model folder, or a name of `ufseg models available`."),
    ] = None,
    task: Annotated[str | None, typer.Option(help="Use the promoted model of this task instead.")] = None,
    workspace: WorkspaceOption = default_workspace(),  # noqa: B008
    device: DeviceOption = "auto",
) -> None:
    """Segment images; the label maps are written as OUTPUT/<image name>.nii.gz and never replace a file."""
    from ufseg.cli.restart import with_computing_environment
    from ufseg.images.image import stack_channels

    with_computing_environment()
    from ufseg.images.reading import read_image
    from ufseg.images.writing import write_label_map
    from ufseg.inference.predictor import Predictor
    from ufseg.networks.device import choose_device
    from ufseg.networks.model_folder import read_model

    cases = [[i] if i.exists() else [Path(part) for part in str(i).split(",")] for i in images]
    targets = [output / f"{_stem(files[0])}.nii.gz" for files in cases]
    if len(set(targets)) < len(targets):
        raise InputError("Two images have the same name, so one label map would replace the other. Predict them apart.")
    existing = [target for target in targets if target.exists()]
    if existing:
        raise InputError(
            f"{len(existing)} of {len(targets)} label maps would replace a file, such as {existing[0]}, which may be "
            "the image itself or a corrected label map. Choose another folder, or move these files away."
        )
    chosen = choose_device(device)
    if chosen.note:
        err.print(chosen.note, markup=False, highlight=False)
    folder = choose_model_folder(model, task, workspace)
    description, network = read_model(folder, chosen)
    predictor = Predictor(description, network, chosen)
    output.mkdir(parents=True, exist_ok=True)
    failures: list[str] = []
    for files, target in zip(cases, targets, strict=True):
        try:
            image = stack_channels([read_image(f) for f in files], [str(f) for f in files])
            with Interrupt() as stop, ProgressDisplay(_stem(files[0])) as show:
                label = predictor.predict(image, progress=show, cancelled=stop)
            write_label_map(target, label, description.classes)
        except InputError as error:
            if len(cases) == 1:
                raise
            failures.append(f"{files[0]}: {error}")
            continue
        out.print(f"{target}", markup=False, highlight=False, soft_wrap=True)
    if failures:
        raise UfsegError(f"{len(failures)} of {len(cases)} images were not segmented. " + " | ".join(failures))


def _stem(path: Path) -> str:
    name = path.name
    for ending in (".nii.gz", ".seg.nrrd"):
        if name.lower().endswith(ending):
            return name[: -len(ending)]
    return name if path.is_dir() else path.stem
