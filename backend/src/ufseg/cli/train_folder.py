"""Training on a dataset folder, without a workspace."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from ufseg.cli.console import Interrupt, ProgressDisplay, err, out, print_table
from ufseg.cli.live_curve import LiveCurve
from ufseg.cli.tensorboard import TensorBoardCurves
from ufseg.errors import CancelledError, DatasetError, InputError
from ufseg.progress import Progress, ProgressCallback, ignore_progress

if TYPE_CHECKING:
    from ufseg.engine.specs import TrainingSpec
    from ufseg.images.case_files import CaseFiles
    from ufseg.images.datasets import Dataset
    from ufseg.networks.device import Device
    from ufseg.plans.plan import Architecture, Modality, PatientAxis, Plan
    from ufseg.training.ranks import Ranks
    from ufseg.training.settings import ScheduleName, TrainingSettings

HELD_OUT_FRACTION = 0.2
FEWEST_SUBJECTS = 5
"""From so many subjects on, one is held out even if the hash chooses none."""
CHECKPOINT_FILE = "checkpoint.safetensors"
PREPARED_FOLDER = "prepared"
CURVE_FILE = "curve.png"


@dataclass(frozen=True)
class FolderTraining:
    """What to train on a dataset folder.

    Args:
        dataset: a layout of `ufseg.images.datasets.read_dataset`.
        output: model folder, made if absent; must not hold a model.
        seconds: time for the optimisation, or None with `epochs`.
        epochs: passes over the training cases, or None with `seconds`.
        loss: a name of `ufseg.losses.names()`.
        loss_options: of the loss, by name.
        schedule: of the learning rate.
        plan: file of a plan to be used; None makes one.
        architecture, dimension, memory_gb: of the plan to be made.
        split: file that says which cases are trained on and which are scored, or None.
        skip_unreadable: leave out cases that cannot be read.
        deep_supervision: whether the loss also judges coarser levels.
        mirror: axes along which patches are mirrored at random.
        tensorboard: folder for TensorBoard's curves, or None.
        modality: overrides what the dataset says.
        seed: of every random choice.
        device: auto, cpu, cuda or cuda:N.
        resume: go on from the checkpoint in `output`.
    """

    dataset: Path
    output: Path
    seconds: float | None
    epochs: int | None
    loss: str
    loss_options: dict[str, float]
    schedule: ScheduleName
    plan: Path | None
    architecture: Architecture
    dimension: Literal[2, 3] | None
    memory_gb: float | None
    split: Path | None
    skip_unreadable: bool
    deep_supervision: bool
    mirror: tuple[PatientAxis, ...]
    tensorboard: Path | None
    modality: Modality | None
    seed: int
    device: str
    resume: bool

    @property
    def checkpoint(self) -> Path:
        """In the output folder; removed at the end."""
        return self.output / CHECKPOINT_FILE

    @property
    def prepared(self) -> Path:
        """In the output folder; removed at the end."""
        return self.output / PREPARED_FOLDER


def train_folder(wanted: FolderTraining) -> None:
    """Train a model folder and score it on held-out cases.

    A split file, or ``split.json`` in the dataset's folder, says which cases are trained on. Otherwise about a fifth of
    the subjects, chosen by the same stable hash as in a workspace, are not trained on; of five or more subjects, at
    least one. A checkpoint in `output` makes an interrupted training resumable and is removed when the model is
    written, as are the prepared cases of large datasets.

    Several processes started by torchrun train one model; the first one writes and speaks.

    Raises:
        UfsegError: the data cannot be used, `output` holds a model, there is nothing to resume, or Ctrl-C was pressed.
    """
    from ufseg.images.datasets import read_dataset

    found = read_dataset(wanted.dataset)  # before PyTorch and MONAI are loaded, which takes seconds

    from ufseg.networks.device import choose_device
    from ufseg.networks.model_folder import DESCRIPTION_FILE
    from ufseg.training.ranks import joined, requested_device

    output = wanted.output
    if (output / DESCRIPTION_FILE).exists():
        raise InputError(f"{output} holds a model already, and it exists only once. Name another folder.")
    if output.exists() and not output.is_dir():
        raise InputError(f"{output} is a file, and the model needs a folder. Name another one.")
    if wanted.resume and not wanted.checkpoint.exists():
        raise InputError(f"There is no checkpoint to resume in {output}. Start without --resume.")
    hardware = choose_device(requested_device(wanted.device))
    with joined(hardware) as ranks:
        out.quiet = not ranks.is_first
        try:
            _train(wanted, found, hardware, ranks)
        finally:
            out.quiet = False
            if ranks.is_first and not wanted.checkpoint.exists():
                shutil.rmtree(wanted.prepared, ignore_errors=True)


def _train(wanted: FolderTraining, found: Dataset, hardware: Device, ranks: Ranks) -> None:
    from ufseg.engine.train_job import run_training
    from ufseg.evaluation.summary import summarise
    from ufseg.training.curve_figure import write_curve

    say = _say if ranks.is_first else _keep_quiet
    spec = _specification(wanted, found, say)
    if hardware.note:
        say(hardware.note)
    processes = f", {ranks.count} processes" if ranks.count > 1 else ""
    _print(f"{len(spec.training)} training and {len(spec.validation)} held-out cases on {hardware.name}{processes}.")

    said = {hardware.note}

    def before(plan: Plan, settings: TrainingSettings, steps_per_epoch: int, notes: Sequence[str]) -> None:
        from ufseg.training.estimate import estimate

        for note in notes:
            say(note)
        said.update(notes)
        if ranks.count == 1:  # the others would wait for it
            _print(estimate(plan, settings, hardware, steps_per_epoch))

    with ExitStack() as stack:
        stop = stack.enter_context(Interrupt())
        watch = _watch(wanted, stack) if ranks.is_first else ignore_progress
        try:
            outcome = run_training(
                spec,
                hardware,
                watch,
                stop,
                ranks=ranks,
                before_training=before,
            )
        except CancelledError as error:
            if not wanted.checkpoint.exists():
                raise
            raise CancelledError(f"{error} Add --resume to the same command to go on where it stopped.") from error
    if not ranks.is_first:
        return
    wanted.checkpoint.unlink(missing_ok=True)
    write_curve(outcome.history, wanted.output / CURVE_FILE)
    for note in outcome.notes:
        if note not in said:
            say(note)
    summary = summarise(outcome.candidate_scores)
    if summary.mean is not None:
        rows: list[list[object]] = [[name, value] for name, value in summary.per_class.items()]
        rows.append(["mean", summary.mean])
        print_table(f"Dice on {summary.cases} held-out cases", ["class", "Dice"], rows)
    _print(f"Model written to {wanted.output}.")


def _watch(wanted: FolderTraining, stack: ExitStack) -> ProgressCallback:
    """Curves in the picture, for TensorBoard if wanted, and in the terminal, until `stack` is closed."""
    reports: list[ProgressCallback] = [stack.enter_context(LiveCurve(wanted.checkpoint, wanted.output / CURVE_FILE))]
    if wanted.tensorboard:
        reports.append(stack.enter_context(TensorBoardCurves(wanted.tensorboard)))
    reports.append(stack.enter_context(ProgressDisplay("train")))

    def watch(progress: Progress) -> None:
        for report in reports:
            report(progress)

    return watch


def _specification(wanted: FolderTraining, found: Dataset, say: Callable[[str], None]) -> TrainingSpec:
    from ufseg.comparison.splits import SPLIT_FILE, split_dataset
    from ufseg.engine.specs import TrainingSpec
    from ufseg.plans.plan import Plan
    from ufseg.workspace.records import Loss

    for sentence in found.warnings:
        say(sentence)
    if wanted.split is not None or (wanted.dataset / SPLIT_FILE).is_file():
        given = split_dataset(found, wanted.dataset, wanted.split)
        say(f"Training and held-out cases are those of {given.source}.")
        training, held_out = given.training, given.test
    else:
        training, held_out = split(found, wanted.dataset, say)
    if wanted.modality is None and found.modality is None:
        say("The dataset does not say what its images are; they are normalised one by one. Of CT, give --modality CT.")
    return TrainingSpec(
        name=found.name,
        task=found.name,
        modality=wanted.modality or found.modality or "other",
        channels=tuple(found.channel_names),
        classes=found.classes,
        training=tuple(training),
        validation=tuple(held_out),
        revisions=tuple(c.id for c in training),
        promoted=None,
        continue_from_promoted=False,
        loss=Loss(name=wanted.loss, options=wanted.loss_options),
        budget_seconds=wanted.seconds,
        epochs=wanted.epochs,
        seed=wanted.seed,
        output=wanted.output,
        checkpoint=wanted.checkpoint,
        resume=wanted.resume,
        prepared=wanted.prepared,
        schedule=wanted.schedule,
        deep_supervision=wanted.deep_supervision,
        mirror=wanted.mirror,
        plan=None if wanted.plan is None else Plan.read(wanted.plan),
        architecture=wanted.architecture,
        dimension=wanted.dimension,
        memory_gb=wanted.memory_gb,
        dataset=found.name,
        skip_unreadable=wanted.skip_unreadable,
    )


def split(
    found: Dataset, folder: Path, say: Callable[[str], None] | None = None
) -> tuple[list[CaseFiles], list[CaseFiles]]:
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
        (say or _say)(
            f"{'1 subject is' if len(subjects) == 1 else f'{len(subjects)} subjects are'} too few to hold any out: the "
            "model is not scored. Use ufseg evaluate on other cases."
        )
        return labelled, []
    return training, held_out


def _say(sentence: str) -> None:
    err.print(sentence, markup=False, highlight=False, soft_wrap=True)


def _keep_quiet(sentence: str) -> None:
    pass


def _print(sentence: str) -> None:
    out.print(sentence, markup=False, highlight=False, soft_wrap=True)
