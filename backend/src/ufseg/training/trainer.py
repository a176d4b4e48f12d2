"""Training a network on prepared cases, bounded by time or by epochs."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor

from ufseg.errors import ConflictError, DatasetError, InputError, StorageError
from ufseg.networks.device import Device
from ufseg.networks.memory import memory_errors
from ufseg.plans.plan import Plan
from ufseg.progress import CancelCheck, ProgressCallback, ignore_progress, never_cancelled
from ufseg.training.cases import TrainingCase
from ufseg.training.loop import Loop
from ufseg.training.ranks import Ranks
from ufseg.training.settings import TrainingSettings
from ufseg.training.shrinking import step_in_words
from ufseg.training.work import Work


@dataclass(frozen=True)
class TrainingResult:
    """What a training leaves.

    Args:
        state_dict: weights on the CPU, without heads of deep supervision: the moving average if one was kept, those of
            the best epoch under the schedule "paper".
        history: the training curve, about 200 points of `checkpoint.HistoryPoint`; what was not measured is left out.
        steps: optimisation steps done.
        seconds: in the optimisation loop, interruptions not counted.
        plan: as trained: the one given, or one of a smaller batch or patch if the memory did not suffice.
        notes: what the person should know, in sentences.
    """

    state_dict: dict[str, Tensor]
    history: list[dict[str, float]]
    steps: int
    seconds: float
    plan: Plan
    notes: list[str]


def train(
    cases: Sequence[TrainingCase],
    plan: Plan,
    settings: TrainingSettings,
    *,
    device: Device,
    initial: Mapping[str, Tensor] | None = None,
    validation: Sequence[TrainingCase] = (),
    new_cases: Collection[str] = (),
    checkpoint: Path | None = None,
    resume: bool | Literal["if possible"] = False,
    ranks: Ranks | None = None,
    progress: ProgressCallback = ignore_progress,
    cancelled: CancelCheck = never_cancelled,
) -> TrainingResult:
    """Train a network on prepared cases.

    With `settings.epochs`, the result is a function of cases, plan, settings and `initial` on one machine, and the
    same whether or not the training was interrupted and resumed (to the last bit on a CPU with the same number of
    threads; a GPU sums gradients in varying order). With `settings.budget_seconds`, the learning rate
    follows the clock and always ends near zero.

    If the memory does not suffice for a step, the batch is halved, then the patch, and the training goes on; the
    progress and the result's notes say so. (Several processes end instead: they need plans of equal size.)

    Args:
        cases: training cases, at least one; when continuing from a version, the earlier ones among them.
        plan: network and patches.
        settings: how long, which loss, how fast.
        device: where to compute.
        initial: weights to continue from; None starts from random ones.
        validation: cases whose loss the schedule "paper" goes by, at least one there; "one-cycle" ignores them.
        new_cases: ids of the cases that `initial` was not trained on; see `sampling.PatchSampler`.
        checkpoint: file to write every `settings.checkpoint_seconds`, on a cancel and at the end, or None.
        resume: continue from `checkpoint`; "if possible": begin anew, with a note, where it cannot be used.
        ranks: the processes that train together, each called with the same arguments; only the first writes the
            checkpoint, reports and is asked whether to stop. None: this one alone.
        progress: told about twice a second.
        cancelled: asked before every step.

    Raises:
        DatasetError: no cases.
        InputError: unknown loss or loss option, or cases that do not fit the plan.
        CancelledError: `cancelled` said so.
        TrainingError: the loss is not finite.
        OutOfMemoryError: the device's memory did not suffice, even for the smallest patch.
        StorageError, ConflictError: the checkpoint cannot be written, read or belongs to another training.
    """
    _check(cases, plan)
    if settings.schedule == "paper":
        if not validation:
            raise InputError(
                "The schedule of the paper goes by the loss on validation cases, and there are none. Give at least one "
                "case beside the training cases, or use the schedule one-cycle."
            )
        _check(validation, plan)
    if settings.threads is not None:
        torch.set_num_threads(settings.threads)
    work = Work(
        cases=cases,
        validation=validation,
        new_cases=frozenset(new_cases),
        plan=plan,
        settings=settings,
        device=device,
        initial=initial,
        checkpoint=checkpoint,
        ranks=ranks or Ranks(),
    )
    with memory_errors(device, f"a network of up to {plan.features[-1]} features and {step_in_words(plan)}", ADVICE):
        loop = Loop(work)
        if resume == "if possible":
            try:
                loop.resume()
            except (StorageError, ConflictError) as error:  # read before anything of the loop was changed
                loop.notes.append(f"{error} It was done anew from the beginning.")
        elif resume:
            loop.resume()
        loop.run(progress, cancelled)
        return TrainingResult(
            state_dict=loop.result(),
            history=[point.model_dump(exclude_none=True) for point in loop.history],
            steps=loop.steps,
            seconds=loop.seconds,
            plan=loop.plan,
            notes=loop.notes,
        )


ADVICE = "make the plan's batch, patch or features smaller"


def _check(cases: Sequence[TrainingCase], plan: Plan) -> None:
    if not cases:
        raise DatasetError("There is no labelled case to train on. Label at least one case of the training set first.")
    for case in cases:
        if (
            case.channels != len(plan.normalisation)
            or len(case.shape) != plan.dimension
            or case.highest >= plan.classes
        ):
            raise InputError(
                f"Case {case.id} does not fit the plan: {case.channels} channels of {case.shape} voxels, label values "
                f"up to {case.highest}; the plan has {len(plan.normalisation)} channels, {plan.dimension} axes and "
                f"{plan.classes} classes. Prepare the cases with this plan."
            )
