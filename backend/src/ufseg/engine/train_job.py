"""A training from labelled cases to a scored model folder."""

from __future__ import annotations

import time
from datetime import datetime, timezone

import torch

from ufseg import __version__, losses
from ufseg.engine.scoring import score_models
from ufseg.engine.specs import TrainingOutcome, TrainingSpec
from ufseg.engine.stages import part_of
from ufseg.errors import InputError
from ufseg.evaluation.summary import CaseScores, summarise
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
from ufseg.plans.memory import DEFAULT_BUDGETS
from ufseg.plans.plan import Plan
from ufseg.plans.planner import make_plan
from ufseg.progress import CancelCheck, ProgressCallback
from ufseg.training.prepare import prepare_cases
from ufseg.training.settings import TrainingSettings
from ufseg.training.trainer import train
from ufseg.workspace.records import Loss

PLAN_GB = DEFAULT_BUDGETS

_PREPARED, _TRAINED = 0.1, 0.85


def run_training(
    spec: TrainingSpec, device: Device, progress: ProgressCallback, cancelled: CancelCheck
) -> TrainingOutcome:
    """Prepare the cases, train, and score the new model beside the one in use.

    The model is written to ``spec.output`` at the very end; beside it only ``spec.checkpoint`` is written.

    Raises:
        UfsegError: cases cannot be used, memory or disk do not suffice, or the job was cancelled.
    """
    start = time.monotonic()
    settings = _settings(spec)
    continued = spec.promoted if spec.continue_from_promoted else None
    plan = _new_plan(spec, device, progress, cancelled) if continued is None else read_description(continued).plan
    preparing = part_of(progress, _PREPARED / 2, _PREPARED, "preparing cases")
    prepared = prepare_cases(spec.training, plan, spec.classes, progress=preparing, cancelled=cancelled)
    prepared_at = time.monotonic()

    result = train(
        prepared,
        plan,
        settings,
        device=device,
        initial=None if continued is None else read_weights(continued),
        checkpoint=spec.checkpoint,
        resume=spec.resume,
        progress=part_of(progress, _PREPARED, _TRAINED),
        cancelled=cancelled,
    )
    del prepared
    trained_at = time.monotonic()

    loss = Loss(name=settings.loss, options=settings.loss_options)
    description = _description(spec, plan, loss, result.seconds, device)
    network = build_network(plan, len(plan.normalisation))
    load_weights(network, result.state_dict)
    models = [Predictor(description, network.to(device.torch_device), device)]
    if spec.promoted is not None:
        models.append(Predictor(*read_model(spec.promoted, device), device))
    scores = score_models(models, spec.validation, spec.classes, part_of(progress, _TRAINED, 1.0), cancelled)
    # Written last: a model folder is there only if its training came to its end.
    write_model(spec.output, description.model_copy(update={"scores": _flat(scores[0])}), result.state_dict)
    return TrainingOutcome(
        loss=loss,
        history=result.history,
        candidate_scores=scores[0],
        promoted_scores=None if spec.promoted is None else scores[1],
        seconds={
            "prepare": prepared_at - start,
            "train": trained_at - prepared_at,
            "score": time.monotonic() - trained_at,
        },
        continued=continued is not None,
        notes=[device.note] if device.note else [],
    )


def warm_up() -> None:
    """Load what a first training would load within its time budget: torch's compiler, by the first optimizer."""
    torch.optim.AdamW([torch.nn.Parameter(torch.zeros(1))])


def _settings(spec: TrainingSpec) -> TrainingSettings:
    settings = TrainingSettings(budget_seconds=spec.budget_seconds, epochs=spec.epochs, seed=spec.seed)
    if spec.loss is not None:
        settings = settings.model_copy(update={"loss": spec.loss.name, "loss_options": spec.loss.options})
    if settings.loss not in losses.names():
        raise InputError(f"There is no loss named {settings.loss!r}; there are {', '.join(losses.names())}.")
    try:
        losses.create(settings.loss, **settings.loss_options)
    except (TypeError, ValueError) as error:
        raise InputError(f"The loss {settings.loss} cannot be made with {settings.loss_options}: {error}") from error
    return settings


def _new_plan(spec: TrainingSpec, device: Device, progress: ProgressCallback, cancelled: CancelCheck) -> Plan:
    reading = part_of(progress, 0.0, _PREPARED / 2, "reading cases")
    found = fingerprint(spec.training, spec.classes, spec.modality, progress=reading, cancelled=cancelled)
    return make_plan(found, spec.classes, PLAN_GB[device.kind])


def _description(spec: TrainingSpec, plan: Plan, loss: Loss, seconds: float, device: Device) -> ModelDescription:
    return ModelDescription(
        name=spec.name,
        task=spec.task,
        plan=plan,
        classes=spec.classes,
        channel_names=_channel_names(spec, plan),
        loss=LossChoice(name=loss.name, options=loss.options),
        trained_on=list(spec.revisions),
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
