"""A training from labelled cases to a scored model folder."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from datetime import datetime, timezone
from pathlib import Path

import torch
from pydantic import BaseModel

from ufseg import __version__, losses
from ufseg.engine.scoring import ModelScores, score_models
from ufseg.engine.specs import TrainingOutcome, TrainingSpec
from ufseg.engine.stages import part_of
from ufseg.engine.window_choice import choose_window_scale
from ufseg.errors import DatasetError, InputError
from ufseg.evaluation.summary import CaseScores, summarise
from ufseg.images.case_files import CaseFiles
from ufseg.images.reading import read_case
from ufseg.inference.predictor import Predictor
from ufseg.networks.build import build_network, load_weights
from ufseg.networks.device import Device
from ufseg.networks.model_folder import (
    LossChoice,
    ModelDescription,
    read_description,
    read_model,
    read_weights,
    write_model,
)
from ufseg.plans.fingerprint import fingerprint
from ufseg.plans.fit import check_fits
from ufseg.plans.memory import DEFAULT_BUDGETS, Budget
from ufseg.plans.plan import PATIENT_AXES, PatientAxis, Plan
from ufseg.plans.planner import make_plan
from ufseg.plans.warnings import plan_warnings
from ufseg.progress import CancelCheck, ProgressCallback, raise_if_cancelled
from ufseg.training.prepare import prepare_cases, with_unknown_background
from ufseg.training.ranks import Ranks
from ufseg.training.sampling import is_among, steps_per_epoch
from ufseg.training.settings import AugmentationSettings, TrainingSettings
from ufseg.training.trainer import train
from ufseg.workspace.membership import place_of
from ufseg.workspace.records import Loss

PLAN_GB = DEFAULT_BUDGETS
"""What a training may take, by kind of device."""

STOPPING_FRACTION = 0.2
"""Of the training subjects, under the schedule "paper"."""

MIRROR_PROBABILITY = 0.5

_PREPARED, _TRAINED = 0.1, 0.85


def run_training(
    spec: TrainingSpec,
    device: Device,
    progress: ProgressCallback,
    cancelled: CancelCheck,
    *,
    ranks: Ranks | None = None,
    before_training: Callable[[Plan, TrainingSettings, int, Sequence[str]], None] | None = None,
) -> TrainingOutcome:
    """Prepare the cases, train, and score the new model beside the one in use.

    The model is written to ``spec.output`` at the very end; beside it only ``spec.checkpoint`` and ``spec.prepared``
    are written.

    Args:
        spec: what to train on, and how.
        device: where.
        progress: told where it is.
        cancelled: asked between cases and steps.
        ranks: the processes that train together; only the first plans, writes and scores.
        before_training: told plan, settings, steps of an epoch, and what is notable in the data, once all is ready.

    Raises:
        UfsegError: cases cannot be used, memory or disk do not suffice, or the job was cancelled.
    """
    start = time.monotonic()
    ranks = ranks or Ranks()
    continued = spec.initial or (spec.promoted if spec.continue_from_promoted else None)
    before = () if continued is None else read_description(continued).mirror
    mirror = tuple(axis for axis in PATIENT_AXES if axis in (*spec.mirror, *before))
    settings = _settings(spec, mirror)
    planned = _shared_plan(spec, continued, device, ranks, progress, cancelled)
    plan = planned.plan
    training = planned.of(spec.training)
    stopping: list[CaseFiles] = []
    if settings.schedule == "paper":
        training, stopping = held_out(training)
    if not ranks.is_first:
        ranks.wait()
    preparing = part_of(progress, _PREPARED / 2, _PREPARED, "preparing cases")
    # Together, so that both know which classes were annotated somewhere.
    prepared = prepare_cases(
        [*training, *stopping], plan, spec.classes, progress=preparing, cancelled=cancelled, folder=spec.prepared
    )
    if ranks.is_first:
        ranks.wait()
    watched = {case.id for case in stopping}
    prepared_at = time.monotonic()
    learned = [case for case in prepared if not is_among(case.id, watched)]
    if before_training is not None:
        before_training(plan, settings, steps_per_epoch(learned, plan, ranks.count), planned.notes)

    result = train(
        learned,
        plan,
        settings,
        device=device,
        initial=None if continued is None else read_weights(continued),
        validation=[case for case in prepared if is_among(case.id, watched)],
        new_cases=spec.new_cases if continued is not None else (),
        checkpoint=spec.checkpoint,
        resume=spec.resume,
        ranks=ranks,
        progress=part_of(progress, _PREPARED, _TRAINED),
        cancelled=cancelled,
    )
    shapes = {case.id: case.shape for case in learned}
    del prepared, learned
    trained_at = time.monotonic()

    loss = Loss(name=settings.loss, options=settings.loss_options)
    description = _description(spec, result.plan, loss, result.seconds, device, planned)
    description = description.model_copy(update={"mirror": mirror})
    scores = [ModelScores(), ModelScores()]
    if ranks.is_first:
        network = build_network(plan, len(plan.normalisation))
        load_weights(network, result.state_dict)
        network.to(device.torch_device)
        scale = choose_window_scale(description, network, device, training, shapes, cancelled)
        description = description.model_copy(update={"window_scale": scale})
        models = [Predictor(description, network, device)]
        if spec.promoted is not None:
            models.append(Predictor(*read_model(spec.promoted, device), device))
        scores = score_models(
            models, planned.of(spec.validation), spec.classes, part_of(progress, _TRAINED, 1.0), cancelled
        )
        # Written last: a model folder is there only if its training came to its end.
        write_model(spec.output, description.model_copy(update={"scores": _flat(scores[0].dice)}), result.state_dict)
    return TrainingOutcome(
        loss=loss,
        history=result.history,
        candidate_scores=scores[0].dice,
        promoted_scores=None if spec.promoted is None else scores[1].dice,
        candidate_surface=scores[0].surface,
        promoted_surface=None if spec.promoted is None else scores[1].surface,
        seconds={
            "prepare": prepared_at - start,
            "train": trained_at - prepared_at,
            "score": time.monotonic() - trained_at,
        },
        continued=continued is not None,
        notes=[*([device.note] if device.note else []), *planned.notes, *_unknown_background(spec), *result.notes],
    )


def held_out(cases: Sequence[CaseFiles]) -> tuple[list[CaseFiles], list[CaseFiles]]:
    """Cases to train on, and those whose loss ends the schedule "paper": about a fifth of the subjects, by their hash.

    Raises:
        DatasetError: the cases are of one subject only.
    """
    subjects = sorted({case.subject for case in cases}, key=place_of)
    if len(subjects) < 2:
        raise DatasetError(
            "The schedule of the paper goes by the loss on validation cases, and all training cases are of one "
            "subject. Add a case of another subject, or use the schedule one-cycle."
        )
    chosen = set(subjects[: max(1, round(STOPPING_FRACTION * len(subjects)))])
    return [c for c in cases if c.subject not in chosen], [c for c in cases if c.subject in chosen]


def warm_up() -> None:
    """Load what a first training would load within its time budget: torch's compiler, by the first optimizer."""
    torch.optim.AdamW([torch.nn.Parameter(torch.zeros(1))])


def _settings(spec: TrainingSpec, mirror: Sequence[PatientAxis]) -> TrainingSettings:
    settings = TrainingSettings(
        budget_seconds=spec.budget_seconds,
        epochs=spec.epochs,
        seed=spec.seed,
        schedule=spec.schedule,
        deep_supervision=spec.deep_supervision,
        checkpoint_seconds=spec.checkpoint_seconds,
        augmentation=AugmentationSettings(mirror=_mirror_probabilities(mirror)),
    )
    if spec.loss is not None:
        settings = settings.model_copy(update={"loss": spec.loss.name, "loss_options": spec.loss.options})
    if settings.loss not in losses.names():
        raise InputError(f"There is no loss named {settings.loss!r}; there are {', '.join(losses.names())}.")
    try:
        losses.create(settings.loss, **settings.loss_options)
    except (TypeError, ValueError) as error:
        raise InputError(f"The loss {settings.loss} cannot be made with {settings.loss_options}: {error}") from error
    return settings


def _mirror_probabilities(mirror: Sequence[PatientAxis]) -> tuple[float, float, float]:
    """For the array axes ``(k, j, i)``."""
    k, j, i = (MIRROR_PROBABILITY if axis in mirror else 0.0 for axis in PATIENT_AXES)
    return k, j, i


class _Planned(BaseModel):
    """The plan, the cases that cannot be read (id → why), and what should be known of the others."""

    plan: Plan
    unreadable: dict[str, str] = {}
    warnings: list[str] = []

    def of(self, cases: Sequence[CaseFiles]) -> list[CaseFiles]:
        return [case for case in cases if case.id not in self.unreadable]

    @property
    def notes(self) -> list[str]:
        return [*(f"Case {name} was left out: {reason}" for name, reason in self.unreadable.items()), *self.warnings]


def _shared_plan(
    spec: TrainingSpec,
    continued: Path | None,
    device: Device,
    ranks: Ranks,
    progress: ProgressCallback,
    cancelled: CancelCheck,
) -> _Planned:
    """What the first process planned, in all of them."""
    planned = _make_plan(spec, continued, device, progress, cancelled).model_dump_json() if ranks.is_first else ""
    return _Planned.model_validate_json(ranks.text_from_first(planned))


def _make_plan(
    spec: TrainingSpec, continued: Path | None, device: Device, progress: ProgressCallback, cancelled: CancelCheck
) -> _Planned:
    if continued is not None:
        return _Planned(plan=read_description(continued).plan)
    found = fingerprint(
        spec.training,
        spec.classes,
        spec.modality,
        progress=part_of(progress, 0.0, _PREPARED / 2, "reading cases"),
        cancelled=cancelled,
        channel_names=spec.channels,
        dataset=spec.dataset,
        skip_unreadable=spec.skip_unreadable,
    )
    unreadable = {case.id: case.reason for case in found.skipped}
    if spec.skip_unreadable:
        unreadable |= _unreadable(spec.validation, spec, cancelled)
    if spec.plan is not None:
        check_fits(spec.plan, found, spec.classes)
        plan = spec.plan
    else:
        budget = PLAN_GB[device.kind] if spec.memory_gb is None else Budget(spec.memory_gb)
        plan = make_plan(found, spec.classes, budget, spec.dimension, spec.architecture)
    read = found.model_copy(update={"skipped": ()})  # those left out are named already
    return _Planned(plan=plan, unreadable=unreadable, warnings=plan_warnings(read, plan))


def _unreadable(cases: Sequence[CaseFiles], spec: TrainingSpec, cancelled: CancelCheck) -> dict[str, str]:
    found = {}
    for case in cases:
        raise_if_cancelled(cancelled)
        try:
            read_case(case, spec.classes)
        except InputError as error:
            found[case.id] = str(error)
    return found


def _unknown_background(spec: TrainingSpec) -> list[str]:
    unknown = with_unknown_background(spec.training, spec.classes)
    if not unknown:
        return []
    return [
        f"{len(unknown)} of {len(spec.training)} training cases were annotated before the task had all of its classes; "
        "nothing was learned from their background, where a later class may be. Annotate it in them as well."
    ]


def _description(
    spec: TrainingSpec, plan: Plan, loss: Loss, seconds: float, device: Device, planned: _Planned
) -> ModelDescription:
    revisions = zip(spec.training, spec.revisions, strict=True)
    return ModelDescription(
        name=spec.name,
        task=spec.task,
        plan=plan,
        classes=spec.classes,
        channel_names=_channel_names(spec, plan),
        loss=LossChoice(name=loss.name, options=loss.options),
        trained_on=[revision for case, revision in revisions if case.id not in planned.unreadable],
        seconds=seconds,
        device=device.name,
        created=datetime.now(timezone.utc),
        ufseg_version=__version__,
    )


def _channel_names(spec: TrainingSpec, plan: Plan) -> list[str]:
    """The names given, or numbers where colour files hold more channels than a dataset's description counts."""
    count = len(plan.normalisation)
    return list(spec.channels) if len(spec.channels) == count else [f"channel {n + 1}" for n in range(count)]


def _flat(scores: CaseScores) -> dict[str, float] | None:
    summary = summarise(scores)
    if summary.mean is None:
        return None
    return {"mean": summary.mean} | {name: value for name, value in summary.per_class.items() if value is not None}
