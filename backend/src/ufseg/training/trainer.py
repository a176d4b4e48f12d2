"""The training loop, bounded by time or by epochs."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from ufseg import losses
from ufseg.errors import CancelledError, DatasetError, InputError, TrainingError
from ufseg.networks.build import build_network, load_weights, network_state
from ufseg.networks.device import Device, autocast, autocast_dtype
from ufseg.networks.memory import memory_errors
from ufseg.plans.plan import Plan
from ufseg.progress import CancelCheck, Progress, ProgressCallback, ignore_progress, never_cancelled
from ufseg.training.augmentation import draw_batch
from ufseg.training.averaging import WeightAverage
from ufseg.training.cases import IGNORED, TrainingCase
from ufseg.training.checkpoint import (
    Checkpoint,
    CheckpointHeader,
    HistoryPoint,
    adamw_moments,
    job_fingerprint,
    load_adamw_moments,
    read_checkpoint,
    tensors_fingerprint,
    write_checkpoint,
)
from ufseg.training.sampling import PatchSampler, steps_per_epoch
from ufseg.training.schedule import one_cycle
from ufseg.training.settings import TrainingSettings

MAX_GRADIENT_NORM = 12.0
HISTORY_POINTS = 200
# On a GPU reading the loss waits for the step to finish, so it is read now and then only.
GPU_STEPS_PER_READING = 10
SECONDS_PER_REPORT = 0.5


@dataclass(frozen=True)
class TrainingResult:
    """What a training leaves.

    Args:
        state_dict: weights on the CPU; the moving average if one was kept.
        history: the training curve, about 200 points ``{step, seconds, loss}`` (see `checkpoint.HistoryPoint`).
        steps: optimisation steps done.
        seconds: in the optimisation loop, interruptions not counted.
    """

    state_dict: dict[str, Tensor]
    history: list[dict[str, float]]
    steps: int
    seconds: float


def train(
    cases: Sequence[TrainingCase],
    plan: Plan,
    settings: TrainingSettings,
    *,
    device: Device,
    initial: Mapping[str, Tensor] | None = None,
    checkpoint: Path | None = None,
    resume: bool = False,
    progress: ProgressCallback = ignore_progress,
    cancelled: CancelCheck = never_cancelled,
) -> TrainingResult:
    """Train a network on prepared cases.

    With `settings.epochs`, the result is a function of cases, plan, settings and `initial` on one machine, and the
    same whether or not the training was interrupted and resumed (to the last bit on a CPU with the same number of
    threads; a GPU sums gradients in varying order). With `settings.budget_seconds`, the learning rate
    follows the clock and always ends near zero.

    Args:
        cases: training cases, at least one; when continuing from a version, the earlier ones among them.
        plan: network and patches.
        settings: how long, which loss, how fast.
        device: where to compute.
        initial: weights to continue from; None starts from random ones.
        checkpoint: file to write every `settings.checkpoint_seconds`, on a cancel and at the end, or None.
        resume: continue from `checkpoint`.
        progress: told about twice a second.
        cancelled: asked before every step.

    Raises:
        DatasetError: no cases.
        InputError: unknown loss or loss option, or cases that do not fit the plan.
        CancelledError: `cancelled` said so.
        TrainingError: the loss is not finite.
        OutOfMemoryError: the device's memory did not suffice.
        StorageError, ConflictError: the checkpoint cannot be written, read or belongs to another training.
    """
    _check(cases, plan)
    if settings.threads is not None:
        torch.set_num_threads(settings.threads)
    patch = " × ".join(map(str, plan.patch_size))
    work = f"{plan.batch_size} patches of {patch} voxels with {plan.features[0]} to {plan.features[-1]} features"
    with memory_errors(device, work, "make the plan's batch or patch smaller"):
        loop = _Loop(cases, plan, settings, device, initial, checkpoint)
        if resume:
            loop.resume()
        return loop.run(progress, cancelled)


class _Loop:
    """State of one training."""

    def __init__(
        self,
        cases: Sequence[TrainingCase],
        plan: Plan,
        settings: TrainingSettings,
        device: Device,
        initial: Mapping[str, Tensor] | None,
        checkpoint: Path | None,
    ) -> None:
        self._started = time.monotonic()
        self._plan, self._settings, self._device, self._checkpoint = plan, settings, device, checkpoint
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(settings.seed)
            network = build_network(plan, len(plan.normalisation))
        if initial is not None:
            load_weights(network, initial)
        self._network = network.to(device.torch_device).train()
        self._names = [name for name, _ in self._network.named_parameters()]
        self._loss = _create_loss(settings).to(device.torch_device)
        self._peak = settings.learning_rate if initial is None else settings.continued_learning_rate
        self._optimizer = torch.optim.AdamW(
            self._network.parameters(), lr=self._peak, weight_decay=settings.weight_decay
        )
        self._scaler = torch.amp.GradScaler(device.kind, enabled=autocast_dtype(device) == torch.float16)
        self._average = (
            WeightAverage(self._network.named_parameters(), settings.averaging) if settings.averaging else None
        )
        self._sampler = PatchSampler(
            cases, plan, settings.seed, settings.foreground, settings.augmentation.shift_voxels
        )
        epochs = settings.epochs
        self._total_steps = None if epochs is None else epochs * steps_per_epoch(cases, plan)
        limits = settings.model_dump_json(exclude={"device", "threads", "checkpoint_seconds"})
        start = "scratch" if initial is None else tensors_fingerprint(initial)
        identities = [f"{c.id} {c.shape} {c.checksum}" for c in cases]
        self._job = job_fingerprint(plan.model_dump_json(), limits, start, *identities)
        self._step = 0
        self._seconds_before = 0.0
        self._history: list[HistoryPoint] = []
        self._pending: list[Tensor] = []
        self._unwritten: list[float] = []
        self._smooth = float("nan")

    def resume(self) -> None:
        if self._checkpoint is None:
            raise InputError("Resuming needs a checkpoint file; none was given.")
        saved = read_checkpoint(self._checkpoint, self._job)
        load_weights(self._network, saved.weights)
        if self._average is not None:
            self._average.load(saved.average)
        load_adamw_moments(self._optimizer, self._names, saved.moments, saved.header.step)
        if saved.header.loss_scale is not None and self._scaler.is_enabled():
            self._scaler.load_state_dict(self._scaler.state_dict() | {"scale": saved.header.loss_scale})
        self._step = saved.header.step
        self._seconds_before = saved.header.seconds
        self._history = list(saved.header.history)

    def run(self, progress: ProgressCallback, cancelled: CancelCheck) -> TrainingResult:
        reported = written = time.monotonic()
        self._report(progress)
        while not self._finished():
            if cancelled():
                if self._checkpoint is not None and self._step:
                    self._save(self._checkpoint)
                raise CancelledError(f"The training was stopped after {self._step} steps. No model was made.")
            self._do_step()
            now = time.monotonic()
            if now - reported >= SECONDS_PER_REPORT:
                self._read_losses()
                self._report(progress)
                reported = now
            if self._checkpoint is not None and now - written >= self._settings.checkpoint_seconds:
                self._save(self._checkpoint)
                written = now
        self._read_losses()
        self._note_history()
        seconds = self._seconds()
        if self._checkpoint is not None:
            self._save(self._checkpoint)
        self._report(progress, finished=True)
        state = network_state(self._network)
        if self._average is not None:
            state |= {name: tensor.detach().cpu() for name, tensor in self._average.tensors.items()}
        return TrainingResult(state, [point.model_dump() for point in self._history], self._step, seconds)

    def _seconds(self) -> float:
        return self._seconds_before + time.monotonic() - self._started

    def _fraction(self) -> float:
        if self._total_steps is not None:
            return self._step / self._total_steps
        return self._seconds() / (self._settings.budget_seconds or 1.0)

    def _finished(self) -> bool:
        if self._total_steps is not None:
            return self._step >= self._total_steps
        # Half a step early, so that on average the last one ends on time.
        return self._step > 0 and self._fraction() * (1 + 0.5 / self._step) >= 1

    def _do_step(self) -> None:
        rate = one_cycle(self._fraction(), self._peak)
        for group in self._optimizer.param_groups:
            group["lr"] = rate
        rng = np.random.default_rng((self._settings.seed, 3, self._step))
        image, label = draw_batch(
            self._sampler.places(self._step),
            self._plan,
            self._settings.augmentation,
            rng,
            self._device.torch_device,
        )
        with autocast(self._device):
            logits = self._network(image)
        loss = self._loss(logits.float(), label)
        self._optimizer.zero_grad(set_to_none=True)
        self._scaler.scale(loss).backward()
        self._scaler.unscale_(self._optimizer)
        nn.utils.clip_grad_norm_(self._network.parameters(), MAX_GRADIENT_NORM)
        self._scaler.step(self._optimizer)
        self._scaler.update()
        self._step += 1
        if self._average is not None:
            self._average.update(self._network.named_parameters(), self._step)
        self._pending.append(loss.detach())
        if self._device.kind == "cpu" or len(self._pending) >= GPU_STEPS_PER_READING:
            self._read_losses()

    def _read_losses(self) -> None:
        """Bring losses to the CPU, check them, and note a point of the curve when one is due."""
        if not self._pending:
            return
        values = torch.stack(self._pending).tolist()
        first = self._step - len(values)
        self._pending.clear()
        for offset, value in enumerate(values, start=1):
            if not np.isfinite(value):
                raise TrainingError(
                    f"The loss became {value} at step {first + offset} (learning rate "
                    f"{self._optimizer.param_groups[0]['lr']:.2g}). Look for images with extreme values, or train with "
                    f"a learning rate below {self._peak:.2g}. No model was written."
                )
            self._smooth = value if np.isnan(self._smooth) else 0.95 * self._smooth + 0.05 * value
            self._unwritten.append(value)
        if self._fraction() * HISTORY_POINTS >= len(self._history) + 1:
            self._note_history()

    def _note_history(self) -> None:
        if self._unwritten:
            mean = sum(self._unwritten) / len(self._unwritten)
            self._history.append(HistoryPoint(step=self._step, seconds=round(self._seconds(), 3), loss=mean))
            self._unwritten.clear()

    def _report(self, progress: ProgressCallback, finished: bool = False) -> None:
        fraction = 1.0 if finished else min(self._fraction(), 1.0) if self._step else 0.0
        seconds = self._seconds()
        eta = seconds / fraction * (1 - fraction) if fraction > 0 else self._settings.budget_seconds
        scalars = {"step": float(self._step), "learning_rate": self._optimizer.param_groups[0]["lr"]}
        if not np.isnan(self._smooth):
            scalars["loss"] = self._smooth
        progress(Progress(fraction, "training", eta, scalars))

    def _save(self, path: Path) -> None:
        self._read_losses()
        header = CheckpointHeader(
            job=self._job,
            step=self._step,
            seconds=self._seconds(),
            history=self._history,
            loss_scale=self._scaler.get_scale() if self._scaler.is_enabled() else None,
        )
        average = self._average.tensors if self._average is not None else {}
        moments = adamw_moments(self._optimizer, self._names)
        write_checkpoint(path, Checkpoint(header, network_state(self._network), average, moments))


def _create_loss(settings: TrainingSettings) -> nn.Module:
    try:
        return losses.create(settings.loss, ignore_index=IGNORED, **settings.loss_options)
    except (ValueError, TypeError) as error:
        raise InputError(
            f"The loss {settings.loss!r} with options {settings.loss_options} cannot be used: {error}"
        ) from error


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
