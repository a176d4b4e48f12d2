"""Training on a dataset folder, without a workspace."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ufseg.cli.console import Interrupt, ProgressDisplay, err, out, print_table
from ufseg.errors import CancelledError, DatasetError, InputError

if TYPE_CHECKING:
    from ufseg.images.case_files import CaseFiles
    from ufseg.images.datasets import Dataset
    from ufseg.plans.plan import Modality

HELD_OUT_FRACTION = 0.2
FEWEST_SUBJECTS = 5
"""From so many subjects on, one is held out even if the hash chooses none."""
CHECKPOINT_FILE = "checkpoint.safetensors"


def train_folder(
    dataset: Path,
    output: Path,
    *,
    seconds: float | None,
    epochs: int | None,
    loss: str,
    modality: Modality | None,
    seed: int,
    device: str,
    resume: bool,
) -> None:
    """Train a model folder and score it on held-out cases.

    About a fifth of the subjects, chosen by the same stable hash as in a workspace, are not trained on; of five or
    more subjects, at least one. A checkpoint in `output` makes an interrupted training resumable and is removed when
    the model is written.

    Args:
        dataset: a layout of `ufseg.images.datasets.read_dataset`.
        output: model folder, made if absent; must not hold a model.
        seconds: time for the optimisation, or None with `epochs`.
        epochs: passes over the training cases, or None with `seconds`.
        loss: a name of `ufseg.losses.names()`.
        modality: overrides what the dataset says.
        seed: of every random choice.
        device: auto, cpu, cuda or cuda:N.
        resume: go on from the checkpoint in `output`.

    Raises:
        UfsegError: the data cannot be used, `output` holds a model, there is nothing to resume, or Ctrl-C was pressed.
    """
    from ufseg.engine.specs import TrainingSpec
    from ufseg.engine.train_job import run_training
    from ufseg.evaluation.summary import summarise
    from ufseg.images.datasets import read_dataset
    from ufseg.networks.device import choose_device
    from ufseg.networks.model_folder import DESCRIPTION_FILE
    from ufseg.workspace.records import Loss

    if (output / DESCRIPTION_FILE).exists():
        raise InputError(f"{output} holds a model already, and it exists only once. Name another folder.")
    if output.exists() and not output.is_dir():
        raise InputError(f"{output} is a file, and the model needs a folder. Name another one.")
    checkpoint = output / CHECKPOINT_FILE
    if resume and not checkpoint.exists():
        raise InputError(f"There is no checkpoint to resume in {output}. Start without --resume.")
    found = read_dataset(dataset)
    for sentence in found.warnings:
        _say(sentence)
    training, held_out = split(found, dataset)
    if modality is None and found.modality is None:
        _say("The dataset does not say what its images are; they are normalised one by one. Of CT, give --modality CT.")
    hardware = choose_device(device)
    if hardware.note:
        _say(hardware.note)
    spec = TrainingSpec(
        name=found.name,
        task=found.name,
        modality=modality or found.modality or "other",
        channels=tuple(found.channel_names),
        classes=found.classes,
        training=tuple(training),
        validation=tuple(held_out),
        revisions=tuple(c.id for c in training),
        promoted=None,
        continue_from_promoted=False,
        loss=Loss(name=loss),
        budget_seconds=seconds,
        epochs=epochs,
        seed=seed,
        output=output,
        checkpoint=checkpoint,
        resume=resume,
    )
    out.print(
        f"{len(training)} training and {len(held_out)} held-out cases on {hardware.name}.",
        markup=False,
        highlight=False,
        soft_wrap=True,
    )
    with Interrupt() as stop, ProgressDisplay("train") as show:
        try:
            outcome = run_training(spec, hardware, show, stop)
        except CancelledError as error:
            if not checkpoint.exists():
                raise
            raise CancelledError(f"{error} Add --resume to the same command to go on where it stopped.") from error
    checkpoint.unlink(missing_ok=True)
    for note in outcome.notes:
        if note != hardware.note:
            _say(note)
    summary = summarise(outcome.candidate_scores)
    if summary.mean is not None:
        rows: list[list[object]] = [[name, value] for name, value in summary.per_class.items()]
        rows.append(["mean", summary.mean])
        print_table(f"Dice on {summary.cases} held-out cases", ["class", "Dice"], rows)
    out.print(f"Model written to {output}.", markup=False, highlight=False, soft_wrap=True)


def split(found: Dataset, folder: Path) -> tuple[list[CaseFiles], list[CaseFiles]]:
    """Training and held-out cases; all are for training if there are too few subjects to hold any out."""
    from ufseg.workspace.membership import place_of

    labelled = [c for c in found.cases if c.label is not None]
    if not labelled:
        raise DatasetError(f"None of the {len(found.cases)} cases of {folder} has a label map. Label some first.")
    subjects = sorted({c.subject for c in labelled}, key=place_of)
    chosen = {s for s in subjects if place_of(s) < HELD_OUT_FRACTION}
    if not chosen and len(subjects) >= FEWEST_SUBJECTS:
        chosen = {subjects[0]}
    held_out = [c for c in labelled if c.subject in chosen]
    training = [c for c in labelled if c.subject not in chosen]
    if not training or not held_out:
        _say(
            f"{len(subjects)} subject{'' if len(subjects) == 1 else 's'} are too few to hold any out: the model is not "
            "scored. Use ufseg evaluate on other cases."
        )
        return labelled, []
    return training, held_out


def _say(sentence: str) -> None:
    err.print(sentence, markup=False, highlight=False, soft_wrap=True)
